"""The first ten seconds: a state in one word, the verdict in one sentence, the interval, the next step."""

from __future__ import annotations

from dataclasses import dataclass

from bench.conclusion import Comparison
from bench.report import format as fmt
from bench.report.comparisons import WORDS, effect_texts, margin_text, place
from bench.report.subject import Subject
from bench.vocabulary import RunStatus, Severity, Verdict


@dataclass(frozen=True, slots=True)
class Headline:
    """What stands on top of the page."""

    css: str  # void | provisional | aa | choice | equal | unknown
    word: str
    sentence: str
    interval: str
    next: str


def headline(subject: Subject) -> Headline:
    """The state of the run and what to do about it."""
    css, word = _state(subject)
    return Headline(
        css, word, fmt.safe_text(subject.summary.decision.sentence, 600), interval_text(subject), next_step(subject, css)
    )  # fmt: skip


def _state(subject: Subject) -> tuple[str, str]:
    summary, decision = subject.summary, subject.summary.decision
    if is_void(subject):
        return "void", "Void"
    if summary.provisional:
        return "provisional", "Provisional"
    if summary.aa is not None:
        return "aa", "A/A"
    if decision.state == "one" and decision.arms:
        return "choice", f"Choose {fmt.safe_text(decision.arms[0], 60)}"
    if decision.state == "several":
        return "equal", "No practical difference"
    return "unknown", "Not yet known"


def is_void(subject: Subject) -> bool:
    """Whether the run as a whole is worth nothing; a void finding on one launch takes only that launch."""
    whole = [f for f in subject.summary.findings if f.severity is Severity.VOID and f.launch is None and not f.at]
    return subject.run.status is RunStatus.VOID or bool(whole)


def interval_text(subject: Subject) -> str:
    """The primary comparison in numbers."""
    c = subject.primary
    if c is None:
        return "The primary comparison is not known: no launch of both arms has ended."
    effect, ci = effect_texts(c)
    arms = f"{fmt.safe_text(c.candidate, 60)} / {fmt.safe_text(c.baseline, 60)}"
    if not ci:
        return f"{c.metric} at {place(c)}, {arms}: {fmt.UNKNOWN}" + (
            f" ({fmt.safe_text(c.reason)})" if c.reason else ""
        )
    name = "ratio" if c.ratio is not None else "difference"
    return f"{c.metric} at {place(c)}, {arms}: {name} {effect}, 95 % interval {ci}, margin ±{margin_text(c)} → {WORDS[c.verdict]}"


def next_step(subject: Subject, css: str) -> str:
    """One thing to do now."""
    scenario, run, c = fmt.safe_text(subject.scenario.name, 80), subject.run, subject.primary
    if css == "void":
        return "Read the findings marked void, repair their cause and run again."
    if css == "provisional":
        rest = len(subject.run.plan.launches) - len({one.launch.index for one in subject.data.launches})
        return f"{max(rest, 0)} planned launches have not begun: let the run end, or go on with `nimbench run {scenario} --resume {run.id}`."
    if c is not None and c.verdict in (Verdict.INCONCLUSIVE, Verdict.AHEAD, Verdict.BEHIND, Verdict.UNKNOWN):
        return more_launches(subject, c)
    if css == "aa":
        return "Equal arms were compared with each other: an interval that holds 1 says that the suite invents no difference."
    if css == "equal":
        return "Choose on cost and operations: the speed does not decide."
    return "Read below why, and which metrics go the other way."


def more_launches(subject: Subject, c: Comparison) -> str:
    """How many more launches it would take to know."""
    if c.launches_needed is None:
        return "How many launches it would take is not known: run more blocks, three at least."
    more = max(0, c.launches_needed - c.n.get("pairs", 0))
    scenario = fmt.safe_text(subject.scenario.name, 80)
    return (
        f"To know, about {more} more launches of each arm ({c.launches_needed} blocks in all): "
        f"`nimbench run {scenario} --set launches.blocks={c.launches_needed}`."
    )


def notices(subject: Subject) -> tuple[str, ...]:
    """What must be known before any number: stand-ins above all."""
    own = [subject.scenario.notice] if subject.scenario.notice else []
    arms = [f"{arm.name}: {arm.notice}" for arm in subject.arms if arm.notice]
    return tuple(fmt.safe_text(text, 600) for text in own + arms)


def banner(subject: Subject) -> str | None:
    """Why the page is not the last word; None for a complete run."""
    run, planned = subject.run, len(subject.run.plan.launches)
    state = (
        f"{len({one.launch.index for one in subject.data.launches})} of {planned} planned launches have begun and ended"
    )
    if run.status is RunStatus.STARTED:
        return f"Provisional: the run is still going, or was killed (its status is “started”). {state}."
    if run.status is RunStatus.INTERRUPTED:
        return f"Provisional: the run was interrupted. {state}."
    if run.status is RunStatus.FAILED:
        return f"Provisional: the run failed. {state}. {fmt.safe_text(run.error or '', 600)}"
    if run.status is RunStatus.VOID:
        return f"Void: {fmt.safe_text(run.error or 'the findings below say why', 600)}"
    return (
        f"Provisional: the planned number of launches is not reached. {state}." if subject.summary.provisional else None
    )
