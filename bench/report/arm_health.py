"""How much of its card's memory bandwidth each arm uses at one stream: one row for each such stage and arm."""

from __future__ import annotations

from dataclasses import dataclass

from bench.analysis.arm_health import Decoding, decodings
from bench.report import format as fmt
from bench.report.subject import Subject

_PARTLY = "none: not all weights are read for each token (experts, speculation)"


@dataclass(frozen=True, slots=True)
class DecodingRow:
    """Texts, ready to be shown."""

    stage: str
    arm: str
    share: str
    bandwidth: str
    weights: str
    tpot: str
    lost: str  # of the time per token, beyond reading the weights; why none where not all were read
    gpus: str
    launches: str
    guesses: str


def decoding_rows(subject: Subject) -> tuple[DecodingRow, ...]:
    """Nothing where no arm's weights and card are known, or no stage has one stream."""
    return tuple(_row(one) for one in decodings(subject.numbers))


def _row(one: Decoding) -> DecodingRow:
    return DecodingRow(
        stage=fmt.safe_text(one.stage, 60), arm=one.arm, share=fmt.percent(one.share),
        bandwidth=fmt.quantity(one.bandwidth_bytes_per_s, "TB/s", scale=fmt.Scale(1e-12, "TB/s")),
        weights=fmt.quantity(one.weights_bytes, "bytes"), tpot=fmt.quantity(one.tpot_s, "s"),
        lost=_PARTLY if one.lost_s is None else fmt.quantity(one.lost_s, "s"),
        gpus=fmt.number(one.gpus, 0), launches=fmt.number(one.launches, 0),
        guesses="yes" if one.guesses else "no",
    )  # fmt: skip
