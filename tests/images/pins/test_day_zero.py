"""The dated exception: what it excuses, until when, and what it becomes."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from bench.anatomy import DayZero, PinFinding
from bench.errors import InputError
from bench.images.pins.day_zero import excuse
from bench.images.pins.files import lint_files
from bench.scenario.loading import load_scenario
from bench.vocabulary import PinRule
from tests.scenario import sample

UNTIL = DayZero(reason="the model is a day old", until="2026-03-31")
LAST, AFTER = date(2026, 3, 31), date(2026, 4, 1)


def finding(rule: PinRule, line: int) -> PinFinding:
    return PinFinding(rule=rule, file="Dockerfile", line=line, text="t", repair="r")


FOUND = [
    finding(PinRule.NIGHTLY, 3),
    finding(PinRule.PIP_NOT_PINNED, 3),
    finding(PinRule.PIP_NOT_PINNED, 4),
    finding(PinRule.GIT_NOT_PINNED, 3),
]


def test_without_exception_everything_counts() -> None:
    assert excuse(FOUND, None, LAST) == (FOUND, [])


def test_it_excuses_nightly_lines_and_nothing_else_up_to_its_last_day() -> None:
    counted, excused = excuse(FOUND, UNTIL, LAST)
    assert [(one.rule, one.line) for one in counted] == [(PinRule.PIP_NOT_PINNED, 4), (PinRule.GIT_NOT_PINNED, 3)]
    assert [(one.rule, one.line) for one in excused] == [(PinRule.NIGHTLY, 3), (PinRule.PIP_NOT_PINNED, 3)]
    assert all("2026-03-31" in one.text and "a day old" in one.text for one in excused)


def test_the_day_after_it_is_an_error_in_its_own_words() -> None:
    counted, excused = excuse(FOUND, UNTIL, AFTER)
    assert excused == []
    assert [one.rule for one in counted] == [
        PinRule.DAY_ZERO_EXPIRED, PinRule.PIP_NOT_PINNED, PinRule.PIP_NOT_PINNED, PinRule.GIT_NOT_PINNED,
    ]  # fmt: skip
    assert "2026-03-31" in counted[0].text and "a day old" in counted[0].text


def test_an_exception_changes_the_grade_and_its_end_makes_it_an_f(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("--pre\n--extra-index-url https://wheels.example/nightly\n")
    grades = [
        lint_files([tmp_path], day_zero=one, today=day, hadolint=False).grade
        for one, day in ((None, LAST), (UNTIL, LAST), (UNTIL, AFTER))
    ]
    assert grades == ["D", "A", "F"]


BUILD = "build: {context: ctx, day_zero: {reason: new model, until: %s}}"


@pytest.mark.parametrize("until", ["2026-03-31", '"2026-03-31"'])
def test_a_scenario_says_it_on_the_build(tmp_path: Path, until: str) -> None:
    folder = written(tmp_path, until)
    build = next(arm.build for arm in load_scenario(str(folder)).arms if arm.name == "hop")
    assert build is not None and build.day_zero == DayZero(reason="new model", until="2026-03-31")


@pytest.mark.parametrize("until", ["soon", "2026-02-30", "31.03.2026", "20260331", "2026-3-1", "null"])
def test_a_date_that_is_none_is_refused_with_its_line(tmp_path: Path, until: str) -> None:
    with pytest.raises(InputError, match=r"scenario.yaml:\d+(.|\n)*arms.hop.build.day_zero.until"):
        load_scenario(str(written(tmp_path, until)))


def written(folder: Path, until: str) -> Path:
    head, _, tail = sample.TEXT.partition("  hop:\n")
    rest = tail[tail.index("load:") :]
    arm = f"  hop:\n    engine: llamacpp\n    side: build\n    {BUILD % until}\n"
    sample.write(
        folder,
        head.replace("plain: {engine: llamacpp, side: buy}", "plain: {engine: llamacpp, side: buy, image: 'a:1'}")
        + arm
        + rest,
    )
    (folder / "ctx").mkdir()
    (folder / "ctx" / "Dockerfile").write_text("FROM scratch\n")
    return folder
