"""`nimbench list` names scenarios and runs, the broken ones too."""

import json

from tests.cli.nimbench import nimbench
from tests.scenario.sample import write


def test_scenarios_and_runs_are_listed(tmp_path):
    write(tmp_path / "scenarios" / "mine")
    run = tmp_path / "results" / "mine" / "20260101T000000Z-abc"
    run.mkdir(parents=True)
    (run / "run.json").write_text(json.dumps({"status": "complete", "created_utc": "2026-01-01T00:00:00+00:00"}))
    (run / "report.html").write_text("")
    done = nimbench("list", cwd=tmp_path)
    assert "two settings of one engine" in done.stdout
    assert "results/mine/20260101T000000Z-abc  complete  2026-01-01T00:00:00+00:00" in done.stdout


def test_list_as_json_keeps_what_cannot_be_read(tmp_path):
    write(tmp_path / "scenarios" / "broken", text="a: [")
    for name, content in (("1", b"\xff{"), ("2", b"[]"), ("3", b'{"status": "started"}')):
        run = tmp_path / "elsewhere" / "s" / name
        run.mkdir(parents=True)
        (run / "run.json").write_bytes(content)
    document = json.loads(nimbench("list", "--json", "--results", "elsewhere", cwd=tmp_path).stdout)
    broken = next(found for found in document["scenarios"] if found["name"] == "broken")
    assert "not YAML" in broken["problem"]
    assert [run["status"] for run in document["runs"]] == ["unreadable", "unreadable", "started"]


def test_an_empty_folder_says_what_to_do(tmp_path):
    done = nimbench("list", cwd=tmp_path)
    assert done.returncode == 0
    assert "no runs in results/ yet: `nimbench run demo` makes one" in done.stdout
