"""report.html, report.md and summary.json come from the facts alone, whole or not at all."""

import dataclasses
import json

import pytest

from bench.record import Finding
from bench.report import markdown, write, write_report
from bench.vocabulary import Severity
from tests.report import subjects
from tests.synthetic import make_run, write_run


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    return write_run(make_run(subjects.ARMS), tmp_path_factory.mktemp("results"))


def test_three_files_are_written_and_nothing_else_is_left(run_folder):
    before = {path.name for path in run_folder.iterdir()}
    page = write_report(run_folder)
    assert page == run_folder / "report.html"
    assert {path.name for path in run_folder.iterdir()} == before | {"report.html", "report.md", "summary.json"}
    summary = json.loads((run_folder / "summary.json").read_text())
    assert summary["schema"] == 1 and summary["decision"]["choice"]["arms"] == ["tuned"]
    assert 'href="launches/001-' in page.read_text()


def test_second_report_of_a_run_says_the_same(run_folder):
    write_report(run_folder)
    first = [(run_folder / name).read_text() for name in ("summary.json", "report.md")]
    write_report(run_folder)
    assert [(run_folder / name).read_text() for name in ("summary.json", "report.md")] == first


def test_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    (tmp_path / "report.md").write_text("old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(write.os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write._replace(tmp_path / "report.md", "new")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_markdown_has_verdict_table_and_definitions():
    text = markdown.render(subjects.complete())
    assert "**Choose tuned.**" in text and "| **Output tokens/s** (primary) |" in text
    assert "## Launches" in text and "left out: burn\\-in" in text.replace("burn-in", "burn\\-in")
    assert "## Definitions" in text


def test_markdown_says_what_speaks_against_the_choice():
    because = ("But tuned is worse in TPOT p50 at c4.",)
    subject = subjects.complete()
    summary = dataclasses.replace(
        subject.summary, decision=dataclasses.replace(subject.summary.decision, because=because)
    )
    assert "- But tuned is worse in TPOT p50 at c4." in markdown.render(dataclasses.replace(subject, summary=summary))


def test_markdown_says_arm_and_stage_of_a_finding():
    finding = Finding(id="x", severity=Severity.WARN, text="seen", arm="plain", launch=3, at={"stage": "c4"})
    assert "- **warn** (plain, launch 3, c4) seen" in markdown.render(subjects.complete(findings=(finding,)))


def test_markdown_of_a_killed_run_says_what_is_missing():
    text = markdown.render(subjects.killed())
    assert "Provisional" in text and "launch 6 (arm tuned, block 2) never finished" in text


def test_markdown_lets_nothing_hostile_act():
    text = markdown.render(subjects.hostile())
    assert "<script" not in text.replace("\\<", "") and "<img" not in text.replace("\\<", "")
    assert "](javascript" not in text.replace("\\]", "")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert {row.replace("\\|", "").count("|") for row in rows} <= {4, 5, 8, 10}
