"""`nimbench report` finds the run that is meant, and says the verdict, what is missing and where the page is."""

import dataclasses
import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from bench.cli import report_verb
from bench.cli.report_verb import command, find_run
from bench.errors import InputError, PrerequisiteError
from bench.vocabulary import RunStatus
from tests.report.subjects import ARMS
from tests.synthetic import make_run, write_run


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A whole run, and a later one that was killed in the middle."""
    folder = tmp_path_factory.mktemp("results")
    whole = write_run(make_run(ARMS), folder)
    whole.rename(whole.with_name("20260101T000000Z-whole0"))
    data = make_run(ARMS, status=RunStatus.STARTED)
    killed = write_run(dataclasses.replace(data, launches=data.launches[:5]), folder)
    killed.rename(killed.with_name("20260102T000000Z-killed"))
    return folder


@pytest.mark.parametrize("run", [None, "synthetic", "20260102T000000Z-killed"])
def test_run_is_found_by_scenario_or_id_and_is_the_latest(results, run):
    assert find_run(run, results).name == "20260102T000000Z-killed"


def test_run_is_found_by_its_folder_or_its_run_json(results):
    folder = results / "synthetic" / "20260101T000000Z-whole0"
    assert find_run(str(folder), results) == find_run(str(folder / "run.json"), results) == folder


def test_no_such_run_is_refused_with_what_there_is(results):
    with pytest.raises(InputError) as error:
        find_run("nope", results)
    assert "runs of synthetic" in str(error.value) and "nimbench list" in str(error.value)


def test_killed_run_says_what_is_missing(results):
    shown = CliRunner().invoke(command, ["--results", str(results)]).output
    assert "never finished" in shown and "--resume" in shown and shown.rstrip().endswith("report.html")


def test_json_is_the_summary_and_nothing_else(results):
    shown = CliRunner().invoke(command, ["20260101T000000Z-whole0", "--results", str(results), "--json"]).output
    assert json.loads(shown) == json.loads((results / "synthetic/20260101T000000Z-whole0/summary.json").read_text())


def test_folder_that_cannot_be_written_is_one_message(results, monkeypatch):
    def fail(_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(report_verb, "write_subject", fail)
    error = CliRunner().invoke(report_verb.command, ["--results", str(results)]).exception
    assert isinstance(error, PrerequisiteError) and "Read-only file system" in str(error)


def test_report_loads_nothing_of_the_load_process(results):
    code = (
        "import sys; from bench.cli.report_verb import command; "
        f"command(['--results', {str(results)!r}], standalone_mode=False); "
        "sys.exit(bool({'gevent', 'locust', 'docker', 'psutil'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_missing_run_is_one_message_and_exit_code_2(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "bench", "report", "--results", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr and "nimbench run demo" in done.stderr
