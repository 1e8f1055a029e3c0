"""Writes what is derived from a run folder, each file whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from bench import analysis
from bench.report import markdown, page
from bench.report.subject import Subject
from bench.store.reader import load_run

SUMMARY_FILE, PAGE_FILE, TEXT_FILE = "summary.json", "report.html", "report.md"


def read_subject(run_folder: Path) -> Subject:
    """The run's facts and what they support."""
    data = load_run(run_folder)
    return Subject(data, analysis.summarise(data))


def write_report(run_folder: Path) -> Path:
    """Rebuild summary.json, report.html and report.md from the facts; gives the page."""
    return write_subject(read_subject(run_folder))


def write_subject(subject: Subject) -> Path:
    """Write the three files of a run that is already read; gives the page."""
    folder = subject.data.folder
    _replace(folder / SUMMARY_FILE, summary_text(subject))
    _replace(folder / TEXT_FILE, markdown.render(subject))
    return _replace(folder / PAGE_FILE, page.render(subject))


def summary_text(subject: Subject) -> str:
    """summary.json as it is written."""
    return json.dumps(analysis.to_json(subject.summary), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _replace(path: Path, text: str) -> Path:
    """A reader sees the old file or the new one, whatever happens in between."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path
