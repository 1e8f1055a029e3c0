"""The images: what they are, what building, pushing and pulling them took, and what else was prepared."""

from __future__ import annotations

from bench.container import BuildRecord, ImageRecord, PullRecord, PushRecord
from bench.report import format as fmt
from bench.report.setup import Fact, fact_text, flat
from bench.report.subject import Subject

_NONE = "none"


def image_facts(subject: Subject) -> tuple[Fact, ...]:
    """Every image side by side; a fact that no image has is left out."""
    columns = [_column(subject, arm.name, *_record(subject, arm.name)) for arm in subject.arms]
    names = dict.fromkeys(name for column in columns for name in column)
    rows = [(name, tuple(fmt.safe_text(column.get(name, _NONE), 400) for column in columns)) for name in names]
    return tuple(Fact(name, texts, len(set(texts)) > 1) for name, texts in rows if set(texts) - {_NONE, fmt.UNKNOWN})


def _record(subject: Subject, arm: str) -> tuple[ImageRecord | None, str]:
    """The run's image of this arm; where every launch has one of its own, that of the last one that counts."""
    own = [one.launch for one in subject.kept_of(arm) if one.launch.image]
    if own:
        return own[-1].image, f"of launch {own[-1].index}: each launch has its own"
    return subject.run.images.get(arm), ""


def _column(subject: Subject, arm: str, record: ImageRecord | None, which: str) -> dict[str, str]:
    column: dict[str, str] = {}
    if record is not None:
        facts = record.facts
        column = {"which": which} if which else {}
        column |= {
            "reference": facts.reference, "digest": facts.digest or fmt.UNKNOWN, "id on this host": facts.id,
            "base": (record.build.base if record.build else None) or _NONE, "created": facts.created_utc or fmt.UNKNOWN,
            "size on disk": fmt.quantity(facts.disk_bytes, "bytes"),
            "size in the registry": fmt.quantity(facts.wire_bytes, "bytes"),
            "layers": fmt.number(facts.layers, 0), "user": facts.user or "root",
            "entrypoint and command": " ".join((*facts.entrypoint, *facts.cmd)) or _NONE,
        }  # fmt: skip
        column |= _build(record.build) | _push(record.push) | _pull(record.pull)
    written = [one.launch.container_layer_bytes for one in subject.kept_of(arm)]
    known = [size for size in written if size is not None]
    if known:
        column["most written outside volumes"] = fmt.quantity(max(known), "bytes")
    return column


def _build(build: BuildRecord | None) -> dict[str, str]:
    if build is None:
        return {}
    state = "no step from a cache" if build.cold else "some steps from a cache"
    wheels = f"{build.wheelhouse_files} files, {fmt.quantity(build.wheelhouse_bytes, 'bytes')}"
    return {
        "build": f"{fmt.duration(build.wall_s)} ({state})", "build again, all cached": fmt.duration(build.cached_s),
        "built with": build.tool,
        "build arguments": " ".join(f"{key}={value}" for key, value in build.args.items()) or _NONE,
        "build context": fmt.quantity(build.context_bytes, "bytes"),
        "Dockerfile (sha256)": build.dockerfile_sha256,
        "wheelhouse": wheels if build.wheelhouse_files is not None else _NONE,
        "pip check": build.pip_check or "not asked",
    }  # fmt: skip


def _push(push: PushRecord | None) -> dict[str, str]:
    if push is None:
        return {}
    layers = f"{push.layers_pushed} layers sent, {push.layers_present} already there"
    return {"push": f"{fmt.duration(push.wall_s)} ({layers})", "pushed to": push.reference}


def _pull(pull: PullRecord | None) -> dict[str, str]:
    if pull is None:
        return {}
    present = sum(layer.already_present for layer in pull.layers)
    came = f"{len(pull.layers) - present} layers came, {present} already there"
    return {
        "pull": f"{fmt.duration(pull.wall_s)} ({came})", "pull, all layers down after": fmt.duration(pull.downloaded_s),
        "pulled with": "no credentials" if pull.anonymous else "credentials",
    }  # fmt: skip


def prepared_facts(subject: Subject) -> tuple[Fact, ...]:
    """Profiles, weights, alignment and placement, as they were settled before the first launch."""
    rows = flat(subject.run.prepared) if subject.run.prepared else {}
    return tuple(Fact(fmt.safe_text(name, 160), (fact_text(name, text, 2_000),)) for name, text in rows.items())
