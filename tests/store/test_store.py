"""The run folder: what goes in comes out, damage stays local, secrets stay out."""

import base64
import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.container import Build
from bench.errors import InputError
from bench.model import Sidecar
from bench.record import Failure, Finding
from bench.scenario import load_scenario
from bench.secrets import REDACTED, Redactor
from bench.store import layout
from bench.store.reader import load_run
from bench.store.records import launch_text, parse_launch, parse_run, redactor_of, run_text
from bench.store.writer import create_run, open_run
from bench.vocabulary import FailureKind, LaunchStatus, RunStatus, Severity
from tests.store import records_of

ROOT = Path(__file__).parents[2]
SECRET = 'nv"api-52ü secret'
REDACTOR = Redactor({"NGC_API_KEY": SECRET})
NO_SECRETS = Redactor({})


def new_run(results, **changes):
    facts = {"host": {"cores": 2}, "versions": {"nimbench": "0"}, "origin": {"tool": "nimbench"}}
    return create_run(results, records_of.scenario(**changes), records_of.plan(), **facts, redactor=REDACTOR)


def finish(writer, planned, *, attempt=1, **changes):
    launch_dir = writer.begin_launch(planned, attempt)
    launch_dir.log_path.write_text("0.100000 engine hello\n")
    launch = records_of.launch(planned, attempt=attempt, **changes)
    tables = (records_of.requests(), records_of.chunks(), records_of.telemetry())
    return writer.finish_launch(launch_dir, launch, *tables)


@pytest.fixture
def finished(tmp_path):
    writer = new_run(tmp_path)
    for planned in writer.run.plan.launches:
        finish(writer, planned)
    writer.close(RunStatus.COMPLETE)
    return writer.folder


def test_records_round_trip_exactly(tmp_path):
    run = dataclasses.replace(
        new_run(tmp_path).run,
        scenario=records_of.scenario(folder="tiny"),
        findings=(Finding(id="f", severity=Severity.WARN, text="t", at={"stage": "c1"}),),
        calibration=({"stage": "c1", "ttft_error_p50_s": 0.0001},),
    )
    assert parse_run(run_text(run, NO_SECRETS), where="x") == run
    failure = Failure(kind=FailureKind.TIMEOUT, text="t", repair="r", log_tail=("a", "b"))
    launch = records_of.launch(run.plan.launches[0], LaunchStatus.FAILED, failure=failure)
    assert parse_launch(launch_text(launch, NO_SECRETS), where="x") == launch


def test_scenario_is_stored_without_the_paths_of_its_host(tmp_path):
    arms = tuple(
        dataclasses.replace(arm, packages="/somewhere/scenarios/tiny/b/requirements.lock")
        for arm in records_of.scenario().arms
    )
    stored = load_run(new_run(tmp_path, arms=arms).folder).run.scenario
    assert (stored.folder, stored.arms[0].packages) == ("tiny", "b/requirements.lock")


def test_finished_run_loads_whole(finished):
    data = load_run(finished)
    assert (data.run.status, data.missing, len(data.launches)) == (RunStatus.COMPLETE, (), 2)
    assert data.launches[0].requests["start_s"].tolist() == [2.1]
    assert data.launches[0].telemetry["metric"].tolist() == ["cpu_ratio"]
    assert (data.launches[0].folder / layout.SERVER_LOG).read_text() == "0.100000 engine hello\n"
    assert not (data.launches[0].folder / layout.SCRATCH).exists()
    assert load_run(finished / "run.json").launches[1].launch.arm == "b"


def test_fields_of_a_later_version_are_ignored(finished):
    path = finished / layout.RUN_FILE
    document = json.loads(path.read_text())
    document["new_in_2027"] = 1
    document["scenario"]["load"]["new_too"] = {}
    path.write_text(json.dumps(document))
    assert load_run(finished).run.status is RunStatus.COMPLETE


def test_newer_schema_is_refused_with_both_versions(finished):
    path = finished / layout.RUN_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), "run_schema": 9, "nimbench_version": "7.0"}))
    with pytest.raises(InputError, match=r"run_schema 9 .*\n.*up to 1 .*\n.*written by nimbench 7.0"):
        load_run(finished)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"run_schema": "1"}', '{"run_schema": 1}'])
def test_damaged_run_json_is_one_clear_error(finished, text):
    (finished / layout.RUN_FILE).write_text(text)
    with pytest.raises(InputError, match=r"run\.json"):
        load_run(finished)


def test_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"without run\.json"):
        load_run(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        load_run(tmp_path / "absent")


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"\0" * 4000])
def test_corrupt_table_of_one_launch_is_named_and_the_others_load(finished, damage):
    (finished / "launches/001-a/requests.parquet").write_bytes(damage)
    data = load_run(finished)
    assert data.launches[0].requests is None
    assert data.launches[1].requests is not None
    assert [text.split(" (")[0] for text in data.missing] == ["001-a: its requests.parquet cannot be read"]


def test_lost_files_of_one_launch_are_named(finished):
    (finished / "launches/001-a/launch.json").write_text("{")
    (finished / "launches/002-b/telemetry.parquet").unlink()
    data = load_run(finished)
    assert [one.launch.arm for one in data.launches] == ["b"]
    assert "001-a: its launch.json cannot be read" in data.missing[0]
    assert data.missing[1:] == ("002-b: has no telemetry.parquet", "launch 1 (arm a, block 0) never finished")


def test_attempts_lie_side_by_side_and_one_that_is_done_suffices(tmp_path):
    writer = new_run(tmp_path)
    planned = writer.run.plan.launches[0]
    failure = Failure(kind=FailureKind.CRASHED, text="died", repair="look")
    finish(writer, planned, status=LaunchStatus.FAILED, failure=failure)
    assert load_run(writer.folder).missing[0] == "launch 1 (arm a, block 0) ended as failed: died"
    assert load_run(writer.folder).launches[0].requests is None
    assert writer.next_attempt(planned) == 2
    assert finish(writer, planned, attempt=2).name == "001.2-a"
    assert [text for text in load_run(writer.folder).missing if "launch 1 " in text] == []


def test_launch_under_way_counts_as_an_attempt_and_is_named(tmp_path):
    writer = new_run(tmp_path)
    planned = writer.run.plan.launches[1]
    writer.begin_launch(planned)
    data = load_run(writer.folder)
    assert data.launches == ()
    assert data.missing[1] == "launch 2 (arm b, block 0) never finished; what it left lies in launches/.002-b.partial"
    assert open_run(writer.folder, data.run).next_attempt(planned) == 2


def test_no_secret_reaches_a_file(tmp_path):
    arms = tuple(
        dataclasses.replace(
            arm, env={"NGC_API_KEY": "by name", "X": SECRET}, also=(Sidecar(name="s", command=(SECRET,)),)
        )
        for arm in records_of.scenario().arms
    )
    writer = new_run(tmp_path, arms=arms)
    planned = writer.run.plan.launches[0]
    launch_dir = writer.begin_launch(planned)
    encoded = base64.b64encode(SECRET.encode()).decode()
    launch_dir.log_path.write_text(f"0.1 engine key {SECRET} {encoded}\n")
    launch = records_of.launch(planned, command=(f"serve --key {SECRET}",), effective_config={"key": [SECRET]})
    writer.finish_launch(launch_dir, launch, records_of.requests(error=f"refused {SECRET}"))
    data = load_run(writer.folder)
    assert data.run.scenario.arms[0].env == {"NGC_API_KEY": "[redacted]", "X": "[redacted]"}
    assert data.launches[0].requests["error"].tolist() == ["refused [redacted]"]
    written = b"".join(path.read_bytes() for path in writer.folder.rglob("*") if path.is_file())
    assert not any(part in written for part in (SECRET.encode(), b"api-52", encoded.encode(), b"by name"))


def test_no_secret_of_an_arm_reaches_a_file(tmp_path):
    scenario = records_of.scenario()
    arms = tuple(dataclasses.replace(arm, env={"HF_TOKEN": f"hf-of-{arm.name}"}) for arm in scenario.arms)
    scenario = dataclasses.replace(scenario, arms=arms)
    origin = {"sets": [f"arms.{arm.name}.env.HF_TOKEN=hf-of-{arm.name}" for arm in arms]}
    writer = create_run(tmp_path, scenario, records_of.plan(), host={}, versions={}, origin=origin)
    assert "hf-of-" not in (writer.folder / "run.json").read_text()
    assert writer.folder.name in str(load_run(writer.folder).folder)


WITH_LITTLE_ROOM = """
import resource, sys
from pathlib import Path
from tests.store.test_store import finish, new_run
import pyarrow.parquet
writer = new_run(Path(sys.argv[1]))
finish(writer, writer.run.plan.launches[0])
resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))
try:
    finish(writer, writer.run.plan.launches[1]) if sys.argv[2] == "launch" else writer.close("complete")
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize("step", ["launch", "close"])
def test_full_disk_is_one_error_and_leaves_nothing_half_written(tmp_path, step):
    command = [sys.executable, "-c", WITH_LITTLE_ROOM, str(tmp_path), step]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.startswith("LimitError ") and "no room left" in done.stdout
    assert list(tmp_path.rglob("*.partial")) == []
    (folder,) = (tmp_path / "tiny").iterdir()
    data = load_run(folder)
    assert (data.run.status, len(data.launches)) == (RunStatus.STARTED, 1)


KILLED_AT_EVERY_STEP = """
import os, sys
from pathlib import Path
from tests.store.test_store import finish, new_run
import bench.store.writer
import pyarrow.parquet

def die_after(steps):
    left = [steps]
    def counted(real):
        def call(*args, **kwargs):
            result = real(*args, **kwargs)
            left[0] -= 1
            if left[0] == 0:
                os._exit(9)
            return result
        return call
    os.fsync = counted(os.fsync)
    Path.rename = counted(Path.rename)
    Path.replace = counted(Path.replace)
    Path.mkdir = counted(Path.mkdir)

for steps in range(1, 200):
    results = Path(sys.argv[1]) / str(steps)
    results.mkdir()
    child = os.fork()
    if child == 0:
        die_after(steps)
        writer = new_run(results)
        for planned in writer.run.plan.launches:
            finish(writer, planned)
        writer.close("complete")
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
"""


@pytest.mark.slow
def test_run_killed_after_any_step_keeps_all_that_was_finished(tmp_path):
    subprocess.run(
        [sys.executable, "-c", KILLED_AT_EVERY_STEP, str(tmp_path)], check=True, capture_output=True, cwd=ROOT
    )
    counts = []
    for step in sorted(tmp_path.iterdir(), key=lambda path: int(path.name)):
        visible = [path for path in (step / "tiny").glob("*") if not layout.is_partial(path)]
        if not visible:
            counts.append(-1)
            continue
        data = load_run(visible[0])
        assert all(one.requests is not None and one.telemetry is not None for one in data.launches)
        assert len(data.missing) == 2 - len(data.launches)
        counts.append(len(data.launches))
        shutil.rmtree(step)
    assert counts == sorted(counts)
    assert set(counts) == {-1, 0, 1, 2}


def test_secrets_in_build_arguments_and_those_named_only_are_known_to_the_redactor(monkeypatch):
    """`--set arms.custom.build.args.HF_TOKEN=…` reaches the origin and the scenario of run.json."""
    monkeypatch.setenv("REGISTRY_PIN", "named-only-4711")
    build = Build(context="/nowhere", args={"HF_TOKEN": "hf_canary123", "COLOUR": "green"}, secrets=("REGISTRY_PIN",))
    scenario = load_scenario("demo")
    arm = dataclasses.replace(scenario.arms[0], build=build)
    redactor = redactor_of(dataclasses.replace(scenario, arms=(arm,)))
    assert redactor.text("hf_canary123 named-only-4711 green") == f"{REDACTED} {REDACTED} green"
