"""Labels on everything that we create, so that what a crashed run left is found by them and by nothing else."""

RUN = "org.nimbench.run"  # id of the run folder
SCENARIO = "org.nimbench.scenario"
ARM = "org.nimbench.arm"
