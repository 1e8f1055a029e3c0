"""The table of comparisons: rows in the order of importance, each with its interval as text and as a small drawing."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

from bench.analysis.audit import UNEQUAL
from bench.conclusion import Comparison
from bench.report import format as fmt
from bench.report.subject import Subject
from bench.vocabulary import Kind, Role, Verdict

WORDS = {
    Verdict.BETTER: "better",
    Verdict.WORSE: "worse",
    Verdict.AHEAD: "ahead, size unsure",
    Verdict.BEHIND: "behind, size unsure",
    Verdict.EQUAL: "no practical difference",
    Verdict.INCONCLUSIVE: "inconclusive",
    Verdict.UNKNOWN: "not known",
    Verdict.NOT_COMPARABLE: "not comparable",
}
_WIDTH, _HEIGHT, _EDGE = 170, 20, 7
_WIDEST_ALONE = math.log(100.0)
_WIDEST = math.log(
    4.0
)  # the table's drawings never span more than a factor of four each way; arrows say that it goes on
Axis = tuple[str, str, str]
_NEUTRAL = "#57606a"


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison, ready to be shown; every text carries its unit."""

    metric: str
    where: str
    primary: bool
    better: str
    baseline: str
    baseline_ci: str
    candidate: str
    candidate_ci: str
    effect: str
    effect_ci: str
    drawing: Markup
    word: str
    css: str
    reason: str | None
    pairs: str  # complete pairs, or the launches of each arm where they are not paired
    margin: str
    mde: str


@dataclass(frozen=True, slots=True)
class Group:
    """The comparisons of one candidate with the baseline."""

    baseline: str
    candidate: str
    rows: tuple[Row, ...]
    silent: tuple[Row, ...]  # neither arm has a number: named with the reason below the table, not drawn in it
    axis: Axis  # the common axis of the drawings: both ends and the middle, as ratios


def groups(subject: Subject) -> tuple[Group, ...]:
    """A group per candidate; in each the primary row first, then stage by stage."""
    pairs = dict.fromkeys((c.baseline, c.candidate) for c in subject.summary.comparisons)
    stages = [stage.id for stage in subject.scenario.load.stages]
    found = []
    for baseline, candidate in pairs:
        mine = [c for c in subject.summary.comparisons if (c.baseline, c.candidate) == (baseline, candidate)]
        mine.sort(key=lambda c: (c.role is not Role.PRIMARY, _stage_place(c, stages)))
        span = log_span(mine)
        rows, silent = (
            tuple(row(subject, c, span) for c in mine if _is_silent(c) is wanted) for wanted in (False, True)
        )
        found.append(Group(baseline, candidate, rows, silent, axis_of(span)))
    return tuple(found)


def _is_silent(c: Comparison) -> bool:
    return c.role is not Role.PRIMARY and c.baseline_value is None and c.candidate_value is None


def _stage_place(comparison: Comparison, stages: list[str]) -> int:
    stage = comparison.at.get("stage", "")
    return stages.index(stage) if stage in stages else len(stages)


def row(subject: Subject, c: Comparison, span: float) -> Row:
    """One comparison in words."""
    scale = fmt.scale_for(c.unit, (c.baseline_value, c.candidate_value))
    cis = [interval_of(subject, c, side) for side in ("baseline", "candidate")]
    both = list(zip((c.baseline_value, c.candidate_value), cis, strict=True))
    places = max((fmt.scaled_decimals(value, ci, scale) for value, ci in both if value is not None), default=0)
    texts = [fmt.quantity(value, c.unit, scale=scale, decimals=places) for value, _ in both]
    ranges = [fmt.interval(ci, c.unit, scale=scale, decimals=places) if ci else "" for ci in cis]
    effect, effect_ci = effect_texts(c)
    return Row(
        metric=fmt.safe_text(c.metric, 80), where=place(c), primary=c.role is Role.PRIMARY,
        better=c.better.value, baseline=texts[0], baseline_ci=ranges[0], candidate=texts[1], candidate_ci=ranges[1],
        effect=effect, effect_ci=effect_ci, drawing=drawing(subject, c, span), word=WORDS[c.verdict],
        css=c.verdict.value, reason=reason_text(c), pairs=pairs_text(c),
        margin=f"±{margin_text(c)}", mde=mde_text(c),
    )  # fmt: skip


def interval_of(subject: Subject, c: Comparison, side: str) -> tuple[float, float] | None:
    """The interval of an arm's own value; None where it rests on other launches than the value in the comparison."""
    own = subject.summary.arms.get(c.baseline if side == "baseline" else c.candidate)
    values = (v for v in (own.values if own else ()) if (v.metric, v.at, v.n) == (c.metric, c.at, c.n.get(side)))
    return next((v.ci95 for v in values), None)


def reason_text(c: Comparison) -> str | None:
    """Why there is no more to say, or how many launches would say more."""
    if c.reason and c.reason.startswith(UNEQUAL) and c.role is not Role.PRIMARY:
        return UNEQUAL  # told once above and in the primary row, not forty times
    if c.reason:
        return fmt.safe_text(c.reason)
    return f"about {c.launches_needed} launches of each arm would tell" if c.launches_needed else None


def place(c: Comparison) -> str:
    """Where the metric was taken, such as `c4`; `whole launch` when at no stage; what is exact is the image's."""
    whole = "image" if c.kind is Kind.EXACT else "whole launch"
    return ", ".join(fmt.safe_text(v, 60) for v in c.at.values()) or whole


def effect_texts(c: Comparison) -> tuple[str, str]:
    """The ratio (or the difference in the metric's own unit) and its interval."""
    if c.kind is Kind.DIFFERENCE:
        scale = difference_scale(c)
        ends = fmt.interval(c.ci95, c.unit, scale=scale) if c.ci95 else ""
        return fmt.quantity(c.delta, c.unit, ci=c.ci95, scale=scale, sign=True), ends
    shown = fmt.ratio_interval(c.ratio, c.ci95) if c.ci95 else ("exact" if c.kind is Kind.EXACT and c.ratio else "")
    return fmt.ratio(c.ratio, c.ci95), shown


def margin_text(c: Comparison) -> str:
    """The smallest difference that matters."""
    if c.kind is Kind.DIFFERENCE:
        return fmt.exact(c.margin, c.unit, scale=difference_scale(c))
    return fmt.exact(c.margin, "ratio")


def mde_text(c: Comparison) -> str:
    """The smallest difference that would have been seen: `±1.4 %`, `+66 % or −40 %`; a ratio up, and its reciprocal."""
    if c.mde is None:
        return "exact" if c.kind is Kind.EXACT else fmt.UNKNOWN
    if c.kind is Kind.DIFFERENCE:
        return f"±{fmt.quantity(c.mde, c.unit, scale=difference_scale(c))}"
    up, down = fmt.percent(c.mde), fmt.percent(c.mde / (1 + c.mde))
    return f"±{up}" if up == down else f"+{up} or \u2212{down}"


def difference_scale(c: Comparison) -> fmt.Scale:
    """A difference of shares is in points of a per cent: `+1 %` would read as a ratio."""
    return fmt.POINTS if c.unit == "ratio" else fmt.scale_for(c.unit, (c.delta, c.margin))


def pairs_text(c: Comparison) -> str:
    """`6 pairs`, or `6 + 5` launches where the arms are not paired."""
    pairs, sides = c.n.get("pairs"), (c.n.get("baseline", 0), c.n.get("candidate", 0))
    if pairs:
        return f"{pairs} pair{'s' * (pairs != 1)}"
    return f"{sides[0]} + {sides[1]}" if any(sides) else "no launch"


def primary_drawing(subject: Subject) -> tuple[Markup, Axis] | None:
    """The primary comparison drawn on an axis of its own, with that axis; none where its ratio means nothing."""
    c = subject.primary
    if c is None or c.verdict is Verdict.NOT_COMPARABLE:
        return None
    span = log_span([c], _WIDEST_ALONE)
    return drawing(subject, c, span), axis_of(span) if c.kind is not Kind.DIFFERENCE else ("", "0", "")


def axis_of(span: float) -> Axis:
    """The ratios at the ends and in the middle of a drawing."""
    return fmt.number(math.exp(-span), 2), "1", fmt.number(math.exp(span), 2)


def log_span(comparisons: Iterable[Comparison], widest: float = _WIDEST) -> float:
    """Half the width of the common axis, in log ratio: every interval and margin fits, up to a factor."""
    ends = [0.05]
    for c in comparisons:
        if c.kind is not Kind.DIFFERENCE:
            known = [x for x in (*(c.ci95 or ()), c.ratio) if x is not None and x > 0]
            ends += [1.3 * math.log1p(c.margin), *(abs(math.log(x)) for x in known)]
    return min(widest, 1.12 * max(ends))


def drawing(subject: Subject, c: Comparison, span: float) -> Markup:
    """The interval as a picture: the margin shaded, 1 as a line, an arrow where it leaves the picture."""
    if c.kind is Kind.DIFFERENCE:
        centre, ends, margin = c.delta, c.ci95, c.margin
        span = 1.12 * max([1.3 * margin, 1e-12, *map(abs, ends or ())])
    else:
        centre = math.log(c.ratio) if c.ratio and c.ratio > 0 else None
        ends = (math.log(c.ci95[0]), math.log(c.ci95[1])) if c.ci95 and c.ci95[0] > 0 else None
        margin = math.log1p(c.margin)
    band = (_x(-margin, span), _x(margin, span))
    zero = _x(0.0, span)
    parts = [
        f'<rect x="{band[0]:.1f}" y="2" width="{band[1] - band[0]:.1f}" height="{_HEIGHT - 4}" class="band"/>',
        f'<line x1="{zero:.1f}" x2="{zero:.1f}" y1="0" y2="{_HEIGHT}" class="one"/>',
    ]
    if centre is not None:
        parts += _mark(centre, ends, span, _favoured(subject, c))
    label = f"{WORDS[c.verdict]}: {' '.join(effect_texts(c))}, margin {margin_text(c)}"
    return Markup('<svg class="ci" viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}">{}</svg>').format(  # noqa: E501
        _WIDTH, _HEIGHT, _WIDTH, _HEIGHT, label, Markup("".join(parts))
    )  # fmt: skip


def _mark(centre: float, ends: tuple[float, float] | None, span: float, colour: str) -> list[str]:
    mid, parts = _HEIGHT / 2, []
    if ends:
        left, right = _x(ends[0], span), _x(ends[1], span)
        parts.append(
            f'<line x1="{left:.1f}" x2="{right:.1f}" y1="{mid}" y2="{mid}" stroke="{colour}" stroke-width="3"/>'
        )
        if ends[0] < -span:
            parts.append(f'<path d="M{left - 5:.1f} {mid}l6 -5v10z" fill="{colour}"/>')
        if ends[1] > span:
            parts.append(f'<path d="M{right + 5:.1f} {mid}l-6 -5v10z" fill="{colour}"/>')
    if abs(centre) <= span:
        parts.append(f'<circle cx="{_x(centre, span):.1f}" cy="{mid}" r="4.5" fill="{colour}"/>')
    elif not ends:
        tip, way = _x(centre, span), math.copysign(1, centre)
        parts.append(f'<path d="M{tip + 5 * way:.1f} {mid}l{-6 * way:.0f} -5v10z" fill="{colour}"/>')
    return parts


def _x(value: float, span: float) -> float:
    inside = max(-1.0, min(1.0, value / span))
    return _EDGE + (inside + 1) / 2 * (_WIDTH - 2 * _EDGE)


def _favoured(subject: Subject, c: Comparison) -> str:
    if c.verdict in (Verdict.BETTER, Verdict.AHEAD):
        return subject.colour(c.candidate)
    return subject.colour(c.baseline) if c.verdict in (Verdict.WORSE, Verdict.BEHIND) else _NEUTRAL
