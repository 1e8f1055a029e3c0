"""How each number on the page is defined: the metrics' own words, then the words of the method."""

from __future__ import annotations

from dataclasses import dataclass

from bench.analysis.metrics import BY_NAME, METRICS
from bench.report.subject import Subject

_METHOD = (
    ("launch", "One start of one arm, the unit of replication: more requests in one launch make no more launches."),
    ("block", "One launch of every arm in random order, with the same prompts. The launches of a block are compared "
     "with each other, so that slow drift of the machine cancels."),
    ("burn-in", "The blocks before the ones that count, as many as declared in advance; left out of every number."),
    ("arm's value", "Each launch gives one number, the median over its rounds; the arm's value is their geometric mean "
     "(the arithmetic one of shares, and where one of them is 0), its 95 % interval a t interval over launches."),
    ("ratio", "Candidate over baseline: the geometric mean of the ratios within the blocks. Shares are compared by "
     "their difference in %-points instead."),
    ("95 % interval", "A t interval over the log ratios of the blocks (of shares: over the differences; Welch's where "
     "the arms share no block). If the whole run were repeated again and again, 95 of 100 such intervals would hold "
     "the true ratio, provided that launches scatter normally on this scale."),
    ("margin", "The smallest difference that matters, fixed before any data existed. ±5 % are the ratios from 1/1.05 "
     "to 1.05."),
    ("MDE", "The smallest difference that this many blocks, with this much scatter, would show in 80 of 100 "
     "repetitions: a ratio, or its reciprocal. A true difference below it may well go unseen."),
    ("better, worse", "The 95 % interval lies wholly beyond the margin."),
    ("ahead, behind (size unsure)", "The 95 % interval excludes 1 (of a difference: 0) but reaches into the margin: "
     "the direction is sure, the size is not."),
    ("no practical difference", "The 90 % interval lies wholly within the margin: shown, not assumed."),
    ("inconclusive", "Nothing of the above holds: the run cannot tell. It does not mean that the arms are the same."),
    ("not comparable", "The arms were not configured alike although all else was to be matched, or did not do the same "
     "work; the reason stands beside it, and the ratio means nothing."),
    ("gross and net energy", "Gross joules are all that the GPU boards took over a window. Net joules leave out what "
     "the same boards take with no arm on them, by the mean over the block's launches: what serving adds. Neither "
     "holds the rest of the host or the loss of its power supply."),
    ("edge error", "The most by which the joules of a window can be wrong because it is cut between two renewals of "
     "the energy counter and two reads of it. It shrinks as the window grows."),
    ("cross-check", "Sampled power, integrated over the window, against the energy counter, GPU by GPU. The two may "
     "share one sensor: agreement proves less than disagreement."),
    ("void stage", "A pass over a stage whose GPU was held back, shared, failed or lost: it gives no number. Its "
     "launch is measured once more; where that is spoilt too, it has no number at that stage."),
    ("not known", "Too little was measured for this number; the reason stands beside it. It never means 0."),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """One term with its definition."""

    term: str
    name: str
    text: str


def label(metric: str) -> str:
    """A metric's name for people; its own name when the table has no such row."""
    return BY_NAME[metric].label if metric in BY_NAME else metric


def metric_entries(subject: Subject) -> tuple[Entry, ...]:
    """The metrics on this page, in the order of the table of metrics."""
    shown = {c.metric for c in subject.summary.comparisons} | {
        v.metric for arm in subject.summary.arms.values() for v in arm.values
    }
    return tuple(Entry(m.label, m.name, m.definition) for m in METRICS if m.name in shown or not shown)


def method_entries() -> tuple[Entry, ...]:
    """The words of the method."""
    return tuple(Entry(term, "", text) for term, text in _METHOD)
