"""Reports of synthetic runs that the tests of this folder look at."""

from __future__ import annotations

import dataclasses
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

from bench import analysis
from bench.model import Model
from bench.record import Failure, Finding
from bench.report.subject import Subject
from bench.store.reader import RunData
from bench.vocabulary import FailureKind, LaunchStatus, RunStatus, Severity
from tests.synthetic import Fake, make_run

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>`|[x](javascript:0)</style>%{x}{{7*7}}"
ARMS = {"plain": Fake(), "tuned": Fake(speed=1.2, args=("--parallel", "4"))}


def subject_of(data: RunData) -> Subject:
    return Subject(data, analysis.summarise(data))


def complete(**changes: object) -> Subject:
    return subject_of(make_run(ARMS, **changes)) if changes else _complete()  # type: ignore[arg-type]


@cache
def _complete() -> Subject:
    return subject_of(make_run(ARMS))


@cache
def killed() -> Subject:
    data = make_run(ARMS, status=RunStatus.STARTED)
    missing = ("launch 6 (arm tuned, block 2) never finished",)
    return subject_of(dataclasses.replace(data, launches=data.launches[:5], missing=missing))


@cache
def empty() -> Subject:
    data = make_run(ARMS, status=RunStatus.STARTED)
    return subject_of(dataclasses.replace(data, launches=(), missing=("everything",)))


@cache
def hostile() -> Subject:
    """Every text that a server, a model or a host can choose is hostile."""
    finding = Finding(id=EVIL, severity=Severity.WARN, text=EVIL, next=EVIL, at={"stage": EVIL}, arm=EVIL)
    data = make_run(ARMS, findings=(finding,), model=Model(id=EVIL), summary=EVIL, notice=EVIL, status=RunStatus.FAILED)
    failure = Failure(kind=FailureKind.CRASHED, text=EVIL, repair=EVIL, log_tail=(EVIL, "\x1b[2J" * 100))
    launches = []
    for one in data.launches:
        failed = {"status": LaunchStatus.FAILED, "failure": failure} if one.launch.index == 3 else {}
        launch = dataclasses.replace(
            one.launch, command=(EVIL * 40,), effective_config={EVIL: {EVIL: EVIL * 100}}, versions={EVIL: EVIL},
            level_evidence=EVIL, **failed,
        )  # fmt: skip
        launches.append(dataclasses.replace(one, launch=launch))
    run = dataclasses.replace(
        data.run, host={EVIL: EVIL}, versions={EVIL: EVIL}, model_files={EVIL: EVIL}, error=EVIL, origin={EVIL: EVIL}
    )
    return subject_of(dataclasses.replace(data, run=run, launches=tuple(launches), missing=(EVIL,)))


class Parsed(HTMLParser):
    """A page's tags with their attributes, its visible text, and the text of its scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text, self.code = "", ""
        self._in = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._in = tag

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    def handle_data(self, data: str) -> None:
        if self._in in ("script", "style"):
            self.code += data if self._in == "style" else ""
        else:
            self.text += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def folder(tmp_path: Path, subject: Subject) -> Subject:
    return dataclasses.replace(subject, data=dataclasses.replace(subject.data, folder=tmp_path))
