"""What a person or a program sees of a run."""

import io
import json

from rich.console import Console

from bench.cli.progress import LiveLine, PlainLines, shown
from bench.events import Event
from tests.store import records_of

LAUNCH = Event("launch", "block 0, launch 2 of 2: b", {"index": 2, "arm": "b", "block": 0})


def rendered(*events):
    console = Console(file=io.StringIO(), width=160, force_terminal=True)
    line = LiveLine(records_of.plan(), console)
    for event in events:
        line(event)
    console.print(line)
    return console.file.getvalue()


def test_live_line_shows_launch_stage_and_time_left():
    text = rendered(LAUNCH, Event("stage", "c4: 4 streams"))
    assert "launch 2 of 2: b" in text
    assert "c4: 4 streams" in text
    assert "0:10 left" in text, "the plan's estimate until a launch has been timed"


def test_warnings_stay_on_the_screen_and_markup_in_them_is_text():
    assert "warning: [bold]no[/bold]" in rendered(Event("warning", "[bold]no[/bold]"))


def test_time_left_comes_from_the_launches_that_were_timed():
    line = LiveLine(records_of.plan(), Console(file=io.StringIO()))
    line(Event("launch", "first", {"index": 1}))
    line(LAUNCH)
    assert line.eta_s() < 1.0, "half a launch is left, and the first took no time"


def test_plain_lines_are_one_per_event_without_repeats():
    stream = io.StringIO()
    show = PlainLines(stream)
    for event in (LAUNCH, LAUNCH, Event("mark", "ready")):
        show(event)
    assert [line.split("  ")[-1] for line in stream.getvalue().splitlines()] == [
        "launch: block 0, launch 2 of 2: b",
        "mark: ready",
    ]


def test_program_gets_a_json_object_per_event_on_stderr(capsys):
    with shown(records_of.plan(), as_json=True) as progress:
        progress(LAUNCH)
    out, errors = capsys.readouterr()
    assert out == ""
    assert json.loads(errors) == {"kind": "launch", "text": LAUNCH.text, **LAUNCH.data}


def test_without_a_terminal_lines_are_plain(capsys):
    with shown(records_of.plan(), as_json=False) as progress:
        progress(LAUNCH)
    assert capsys.readouterr().err.endswith("s  launch: block 0, launch 2 of 2: b\n")
