"""What was run: the arms side by side with their differences marked, the question, the host."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from bench.model import Arm
from bench.record import Launch
from bench.report import format as fmt
from bench.report.subject import Subject
from bench.vocabulary import LaunchStatus

_COMMAND_LIMIT = 8_000  # characters of one command line


@dataclass(frozen=True, slots=True)
class Fact:
    """One named fact with a text per arm (or one text for all)."""

    name: str
    texts: tuple[str, ...]
    differs: bool = False


def arm_facts(subject: Subject) -> tuple[Fact, ...]:
    """Facts of every arm side by side; what no arm has is left out."""
    columns = [_arm_column(subject, arm) for arm in subject.arms]
    names = dict.fromkeys(name for column in columns for name in column)
    facts = []
    for name in names:
        texts = tuple(column.get(name, fmt.UNKNOWN if "." in name else "none") for column in columns)
        if set(texts) != {"none"}:
            facts.append(Fact(name, texts, len(set(texts)) > 1))
    return tuple(facts)


def _arm_column(subject: Subject, arm: Arm) -> dict[str, str]:
    launches = [one.launch for one in subject.data.launches if one.launch.arm == arm.name]
    done = [one for one in launches if one.status is LaunchStatus.DONE]
    column = {
        "side": arm.side.value, "engine": arm.engine, "runtime": arm.runtime.value,
        "image": arm.image or (f"built from {arm.build.context}" if arm.build else "none"), "url": arm.url or "none",
        "arguments added": " ".join(arm.args) or "none",
        "environment added": " ".join(f"{k}={v}" for k, v in arm.env.items()) or "none",
        "packages": Path(arm.packages).name if arm.packages else "nimbench's own environment",
        "processes": ", ".join(["engine", *(one.name for one in arm.also)]),
        "load goes to": arm.entry, "notice": arm.notice or "none",
    }  # fmt: skip
    for kind in ("versions", "digests", "effective_config"):
        for name, text in _agreed([flat(getattr(one, kind)) for one in done or launches]).items():
            column[f"{kind}.{name}"] = text
    return {fmt.safe_text(k, 120): fact_text(k, v) for k, v in column.items()}


def flat(tree: Any, name: str = "") -> dict[str, str]:
    """Names with dots down to the texts; entries of a list are numbered, a list of plain things is one text."""
    if isinstance(tree, Mapping):
        inner = [flat(value, f"{name}.{key}" if name else str(key)) for key, value in tree.items()]
    elif isinstance(tree, list | tuple) and any(isinstance(value, Mapping | list | tuple) for value in tree):
        inner = [flat(value, f"{name} {place}") for place, value in enumerate(tree, start=1)]
    elif isinstance(tree, list | tuple):
        texts = [str(value) for value in tree]
        return {name: ("; " if any(" " in text for text in texts) else " ").join(texts) or "none"}
    else:
        return {name: fmt.UNKNOWN if tree is None else str(tree)}
    return {key: text for part in inner for key, text in part.items()}


def _agreed(columns: list[dict[str, str]]) -> dict[str, str]:
    """One text per fact; launches that disagree are shown as such."""
    agreed = {}
    for name in dict.fromkeys(name for column in columns for name in column):
        texts = sorted({column.get(name, fmt.UNKNOWN) for column in columns})
        agreed[name] = texts[0] if len(texts) == 1 else f"differs between launches: {' | '.join(texts)}"
    return agreed


def commands(subject: Subject) -> tuple[tuple[str, Markup], ...]:
    """Each arm's full command as it ran (its last done launch), the words that no other arm has marked."""
    lines = {arm.name: _command_of(subject, arm.name) for arm in subject.arms}
    words = {name: set(_words(text)) for name, text in lines.items()}
    shown = []
    for name, text in lines.items():
        others = [found for other, found in words.items() if other != name]
        common = set.union(*others) if others else words[name]
        shown.append((name, _marked(text, common)))
    return tuple(shown)


def _command_of(subject: Subject, arm: str) -> str:
    launches = [one.launch for one in subject.data.launches if one.launch.arm == arm]
    best: Launch | None = next((one for one in reversed(launches) if one.status is LaunchStatus.DONE), None)
    best = best or (launches[-1] if launches else None)
    return fmt.safe_text("\n".join(best.command), _COMMAND_LIMIT) if best else "never started"


def _words(text: str) -> list[str]:
    return [part for part in re.split(r"(\s+)", text) if part]


def _marked(text: str, common: set[str]) -> Markup:
    parts = [escape(w) if w.isspace() or w in common else Markup("<mark>{}</mark>").format(w) for w in _words(text)]
    return Markup("").join(parts)


def host_facts(subject: Subject) -> tuple[Fact, ...]:
    """The machine, the suite and the model's files."""
    run = subject.run
    facts = {f"host.{k}": v for k, v in flat(run.host).items()}
    facts |= {f"versions.{k}": v for k, v in flat(run.versions).items()}
    facts |= {f"origin.{k}": v for k, v in flat(run.origin).items()}
    facts |= {f"model file {k} (sha256)": v for k, v in run.model_files.items()}
    return tuple(Fact(fmt.safe_text(k, 120), (fact_text(k, v),)) for k, v in facts.items())


def fact_text(name: str, text: str, limit: int = 300) -> str:
    """A fact; one whose name says bytes or seconds is shown in a unit for people."""
    for ending, unit in (("_bytes", "bytes"), ("_s", "s")):
        if name.endswith(ending):
            try:
                return fmt.quantity(float(text), unit)
            except ValueError:
                break
    return fmt.safe_text(text, limit)


def machine(subject: Subject) -> str:
    """The processor and the GPUs, in a few words."""
    host = subject.run.host
    cores = f"{host.get('cpu_cores') or fmt.UNKNOWN} cores"
    gpus = host.get("gpus")
    names = [str(gpu.get("name")) for gpu in gpus if isinstance(gpu, Mapping)] if isinstance(gpus, list | tuple) else []
    cards = [f"{names.count(name)} × {name}" for name in dict.fromkeys(names)]
    return ", ".join(fmt.safe_text(text, 120) for text in (host.get("cpu_model") or fmt.UNKNOWN, cores, *cards[:4]))


def question_facts(subject: Subject) -> tuple[Fact, ...]:
    """The load, the repetitions and the margins, as frozen before any data existed."""
    scenario = subject.scenario
    load, launches, primary = scenario.load, scenario.launches, scenario.primary
    stages = "; ".join(
        f"{s.id}: " + (f"{s.concurrency} in flight" if s.concurrency is not None else f"{s.rate_per_s} requests/s")
        + (f", window of {fmt.exact(s.duration_s, 's')}" if s.duration_s is not None else f", {s.requests} requests")
        for s in load.stages
    )  # fmt: skip
    margins = "".join(f"{name} ±{fmt.exact(m, 'ratio')}, " for name, m in scenario.margins.items())
    rows = {
        "question": scenario.question.value,
        "model": f"{scenario.model.id}" + (f", {scenario.model.precision}" if scenario.model.precision else ""),
        "primary metric": primary.metric + (f" at {primary.stage}" if primary.stage else ""),
        "margins": f"{margins}all others the suite's own, see the table of comparisons",
        "stages": stages,
        "request": f"{load.input_tokens} tokens in, {load.output_tokens} tokens out, {load.api.value}, "
        f"temperature {load.temperature:g}, ignore_eos {str(load.ignore_eos).lower()}",
        "warm-up of a stage": f"{fmt.exact(load.warmup_s, 's')} at least, and {load.warmup_requests} per stream",
        "load processes": str(load.workers),
        "repetitions": f"{launches.blocks} blocks kept after {launches.burn_in} of burn-in, {load.rounds} "
        f"round{'s' * (load.rounds != 1)} in each launch, mode {launches.mode}",
        "seed": f"{subject.run.plan.seed} (order and prompts)",
        "time expected": fmt.duration(subject.run.plan.expected_s),
    }  # fmt: skip
    return tuple(Fact(name, (fmt.safe_text(text, 1_000),)) for name, text in rows.items())
