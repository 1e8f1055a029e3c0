"""What a gigabyte costs, in words: the price and for what it holds, and how far it foretold other images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.conclusion import Covered, DoseResponse, Prediction
from bench.report import format as fmt
from bench.report.dose_tables import Table, interval, seconds, tables
from bench.report.subject import Subject


@dataclass(frozen=True, slots=True)
class DoseSection:
    """The section: one sentence, what makes it doubtful, and its tables."""

    sentence: str
    setting: str
    foretold: str  # "" where nothing was predicted
    doubts: tuple[str, ...]
    tables: tuple[Table, ...]


def dose_section(subject: Subject) -> DoseSection | None:
    """None where the scenario asks for no dose."""
    found = subject.summary.dose
    if found is None:
        return None
    return DoseSection(
        sentence=sentence(found),
        setting=setting(found),
        foretold=foretold(found),
        doubts=tuple(fmt.safe_text(text, 600) for text in found.doubts),
        tables=tables(found),
    )


def sentence(found: DoseResponse) -> str:
    """The answer in one sentence, with the images for which it holds."""
    slopes = {slope.metric: slope for slope in found.slopes}
    verbs = (("push_s", "to push"), ("download_s", "to download"), ("extract_s", "to unpack"))
    parts = [f"{seconds(slopes[name].s_per_gb)} {verb}" for name, verb in verbs if name in slopes]
    if not parts:
        return "What a gigabyte of image costs is not known: too few launches brought an image whose bytes are known."
    text = f"A gigabyte (10^9 bytes) of image{_like(found.covered)} costs {', '.join(parts)}"
    whole = slopes.get("pull_to_first_token_s")
    if whole:
        ends = f" (95 % interval {interval(whole.s_per_gb.ci95, 's')})" if whole.s_per_gb.ci95 else " (no interval)"
        text += f"; to the time from the order to pull to the first token it adds {seconds(whole.s_per_gb)}{ends}"
    return f"{text}."


def _like(covered: Covered | None) -> str:
    """What the series is made of: no line says anything of other images."""
    if covered is None:
        return ""
    least, most = (f"{size / 1e9:.2g}" for size in covered.disk_bytes)
    traits = [f"pulls of {least} to {most} GB on the disk"]
    if covered.wire_per_disk_ratio is not None:
        traits.append(f"{fmt.number(covered.wire_per_disk_ratio, 2)} GB on the wire for each")
    if covered.most_files is not None:
        count = round(covered.most_files)
        traits.append(f"at most {fmt.number(count, 0)} {'file' if count == 1 else 'files'}")
    return f" like the series' ({', '.join(traits)})"


def setting(found: DoseResponse) -> str:
    """Over what the bytes came."""
    limit = found.bandwidth_bits_per_s
    if limit is None:
        return "The registry stood on this host's loopback, held to no bandwidth: what a network takes comes on top."
    return f"The registry stood on this host and was held to {fmt.exact(limit, 'bit/s')} over all connections together."


def foretold(found: DoseResponse) -> str:
    """How many launches lay where the series said: only of predictions that it covers and that say something."""
    every = found.predictions
    if not every:
        return ""
    covered = [one for one in every if not one.beyond]
    text = f"The series covers {len(covered)} of the {len(every)} predictions"
    if len(covered) < len(every):
        text += "; the others are of images with other bytes or files, and are marked in the table"
    if not covered:
        return f"{text}."
    judged = [one for one in covered if one.is_informative is not None]
    return f"{text}. {_judged(judged)}." if judged else f"{text}. One block gives them no interval."


def _judged(covered: Sequence[Prediction]) -> str:
    telling = [one for one in covered if one.is_informative]
    vague = [one for one in covered if not one.is_informative]
    text = f"Of these {_are(len(telling))} informative"
    if telling:
        launches = sum(one.measured.n for one in telling)
        text += f": {sum(one.within or 0 for one in telling)} of {launches} launches lie inside their intervals"
    if vague:
        text += f". {_are(len(vague))} not, with an interval wider than the predicted time itself"
        outside = sum(one.measured.n - (one.within or 0) for one in vague)
        text += f"; {outside} of their launches lie outside even so" if outside else ""
    return text


def _are(count: int) -> str:
    return f"{count} {'is' if count == 1 else 'are'}"
