"""Labels on everything that we create, so that what a crashed run left is found by them and by nothing else."""

RUN = "org.nimbench.run"  # id of the run folder
SCENARIO = "org.nimbench.scenario"
ARM = "org.nimbench.arm"
PID = "org.nimbench.pid"  # "PID STARTTICKS" of the process that created it: while that lives, it is in use
