"""The first ten seconds: a state in one word, the verdict in one sentence, the interval, the next step."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from bench.analysis.doubts import DIRECTED
from bench.report import dose
from bench.report import format as fmt
from bench.report.comparisons import effect_texts, margin_text, mde_text, pairs_text, place
from bench.report.glossary import label
from bench.report.subject import Subject
from bench.vocabulary import LaunchStatus, RunStatus, Severity, Verdict

_ENOUGH = 10  # blocks: at 3 % noise between launches they show a difference of 4 %; more of them is no first step


@dataclass(frozen=True, slots=True)
class Headline:
    """What stands on top of the page."""

    css: str  # void | provisional | aa | dose | choice | equal | unknown
    word: str
    sentence: str
    interval: str
    next: str
    command: str | None = None  # to paste, where the next step is one


def headline(subject: Subject) -> Headline:
    """The state of the run and what to do about it."""
    css, word = _state(subject)
    if css == "dose" and subject.summary.dose:
        return Headline(
            css, word, dose.sentence(subject.summary.dose),
            f"{dose.setting(subject.summary.dose)} {dose.foretold(subject.summary.dose)}".strip(),
            "Multiply: what each image could leave out, and what that saves, stands under “What is in the image?”.",
        )  # fmt: skip
    text, command = next_step(subject, css)
    sentence = fmt.safe_text(subject.summary.decision.sentence, 600)
    if css == "void":
        sentence = "This run is void: its numbers stand below for the search of the cause, and carry no verdict."
    if sentence.startswith(f"{word}: "):  # the word stands before it already
        rest = sentence[len(word) + 2 :]
        sentence = rest[:1].upper() + rest[1:]
    return Headline(css, word, sentence, interval_text(subject), text, command)


def _state(subject: Subject) -> tuple[str, str]:
    summary, decision = subject.summary, subject.summary.decision
    if is_void(subject):
        return "void", "Void"
    if summary.provisional:
        return "provisional", "Provisional"
    if summary.dose is not None and summary.dose.slopes:
        return "dose", "Dose and response"
    if summary.aa is not None:
        return "aa", "A/A: the same arm twice"
    if decision.state == "one" and decision.arms:
        return "choice", f"Choose {fmt.safe_text(decision.arms[0], 60)}"
    if decision.state == "several":
        return "equal", "No practical difference"
    if subject.primary is not None and subject.primary.verdict is Verdict.NOT_COMPARABLE:
        return "unknown", "Not comparable"
    return "unknown", "Not yet known"


def is_void(subject: Subject) -> bool:
    """Whether the run as a whole is worth nothing; a void finding on one launch takes only that launch."""
    whole = [f for f in subject.summary.findings if f.severity is Severity.VOID and f.launch is None and not f.at]
    return subject.run.status is RunStatus.VOID or bool(whole)


def interval_text(subject: Subject) -> str:
    """The primary comparison in numbers."""
    c = subject.primary
    if c is None:
        return f"The primary comparison is {fmt.UNKNOWN}: no launch of both arms counts yet."
    if c.verdict is Verdict.NOT_COMPARABLE:
        return f"{label(c.metric)} at {place(c)}: both arms' numbers stand below; their ratio means nothing."
    effect, ci = effect_texts(c)
    name = "ratio" if c.ratio is not None else "difference"
    what = f"{label(c.metric)} at {place(c)}, {fmt.safe_text(c.candidate, 60)} over {fmt.safe_text(c.baseline, 60)}"
    if not ci:
        reason = f" ({fmt.safe_text(c.reason)})" if c.reason else ""
        return f"{what}: {name} {effect}, its interval {fmt.UNKNOWN}{reason}."
    return (
        f"{what}: {name} {effect}, 95 % interval {ci}, from {pairs_text(c)}. Differences within ±{margin_text(c)} "
        f"do not matter; one of {mde_text(c)} would have been seen in 8 of 10 such runs."
    )


def next_step(subject: Subject, css: str) -> tuple[str, str | None]:
    """One thing to do now, and the command for it."""
    c = subject.primary
    if css == "void":
        return "Read the findings marked void, repair their cause and run again.", None
    if css == "provisional":
        rest = len(subject.run.plan.launches) - len(_done(subject))
        text = f"{rest} planned launch{'es are' if rest != 1 else ' is'} not done: let the run end, or go on with it."
        return text, _command(subject, f"--resume {shlex.quote(subject.run.id)}")
    if c is not None and c.verdict in (Verdict.INCONCLUSIVE, Verdict.UNKNOWN):
        return more_launches(subject)
    if c is not None and c.verdict is Verdict.NOT_COMPARABLE:
        return not_comparable(subject)
    if css == "aa" and c is not None and c.verdict in DIRECTED:
        return (
            "The interval does not hold 1, although the arms are the same. By luck alone 1 run in 20 does this: run it "
            "again; if it stays, something on this host favours an arm.",
            _command(subject, ""),
        )
    if c is not None and c.verdict in (Verdict.AHEAD, Verdict.BEHIND):
        text = "The direction is sure, its size is not: more blocks would narrow the interval."
        return text, _blocks(subject, 2 * subject.scenario.launches.blocks)
    if css == "aa":
        return "No difference between equal arms: as it should be, in 19 of 20 such runs at least.", None
    if css == "equal":
        return "Choose on cost and operations: this metric does not decide.", None
    return "Read below why, and which metrics go the other way.", None


def more_launches(subject: Subject) -> tuple[str, str | None]:
    """How many more launches it would take to know."""
    c = subject.primary
    assert c is not None  # asked only of a primary comparison that is open
    if c.launches_needed is not None:
        more = max(0, c.launches_needed - (c.n.get("pairs") or min(c.n.get("baseline", 0), c.n.get("candidate", 0))))
        text = f"About {more} more launches of each arm would tell ({c.launches_needed} blocks in all)."
        return text, _blocks(subject, c.launches_needed)
    if c.verdict is Verdict.INCONCLUSIVE:
        return "No sensible number of launches would tell: find what makes launches differ, or widen the margin.", None
    if subject.scenario.launches.blocks >= _ENOUGH:
        return f"Repair the reason why it is {fmt.UNKNOWN}, and run again.", None
    text = f"How many launches it would take is {fmt.UNKNOWN}: repair the reason, or run more blocks."
    return text, _blocks(subject, max(3, 2 * subject.scenario.launches.blocks))


def not_comparable(subject: Subject) -> tuple[str, str | None]:
    """Align the arms; a NIM's own arguments can be replayed by the other arm."""
    has_nim = any(arm.engine == "nim" for arm in subject.arms)
    text = "Make the arms do the same work: the reason names what differs. Then run again."
    name = shlex.quote(fmt.safe_text(subject.scenario.name, 80))
    return text, f"nimbench align {name}" if has_nim else None


def _blocks(subject: Subject, blocks: int) -> str:
    return _command(subject, f"--set launches.blocks={blocks}")


def _command(subject: Subject, options: str) -> str:
    return f"nimbench run {shlex.quote(fmt.safe_text(subject.scenario.name, 80))} {options}".rstrip()


def _done(subject: Subject) -> set[int]:
    return {one.launch.index for one in subject.data.launches if one.launch.status is LaunchStatus.DONE}


def notices(subject: Subject) -> tuple[str, ...]:
    """What must be known before any number: stand-ins above all."""
    own = [subject.scenario.notice] if subject.scenario.notice else []
    arms = [f"{arm.name}: {arm.notice}" for arm in subject.arms if arm.notice]
    return tuple(fmt.safe_text(text, 600) for text in own + arms)


def banner(subject: Subject) -> str | None:
    """Why the page is not the last word; None for a complete run."""
    run, error = subject.run, fmt.safe_text(subject.run.error or "", 600)
    state = f"{len(_done(subject))} of {len(run.plan.launches)} planned launches are done."
    match run.status:
        case RunStatus.STARTED:
            return f"Provisional: the run is still going, or was killed (its status is “started”). {state}"
        case RunStatus.INTERRUPTED:
            return f"Provisional: the run was interrupted. {state}"
        case RunStatus.FAILED:
            return f"Provisional: the run failed. {state} {error}".strip()
        case RunStatus.VOID:
            return f"Void: {error or 'the findings below say why.'}"
    if subject.summary.provisional:
        return f"Provisional: the planned number of blocks is not reached. {state}"
    return None
