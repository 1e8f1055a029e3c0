"""Reports of synthetic runs that the tests of this folder look at."""

from __future__ import annotations

import dataclasses
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

from bench import analysis
from bench.container import BuildRecord, ImageFacts, ImageRecord, LayerTimes, PullRecord, PushRecord
from bench.model import Model
from bench.record import Failure, Finding
from bench.report.subject import Subject
from bench.store.reader import RunData
from bench.vocabulary import FailureKind, LaunchStatus, RunStatus, RuntimeKind, Severity, Side
from tests.synthetic import Fake, make_run

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>`|[x](javascript:0)</style>%{x}{{7*7}}"
ARMS = {"plain": Fake(), "tuned": Fake(speed=1.2, args=("--parallel", "4"))}


def subject_of(data: RunData) -> Subject:
    return Subject(data, analysis.summarise(data))


def complete(**changes: object) -> Subject:
    return subject_of(make_run(ARMS, **changes)) if changes else _complete()  # type: ignore[arg-type]


@cache
def _complete() -> Subject:
    return subject_of(make_run(ARMS))


@cache
def killed() -> Subject:
    data = make_run(ARMS, status=RunStatus.STARTED)
    missing = ("launch 6 (arm tuned, block 2) never finished",)
    return subject_of(dataclasses.replace(data, launches=data.launches[:5], missing=missing))


@cache
def empty() -> Subject:
    data = make_run(ARMS, status=RunStatus.STARTED)
    return subject_of(dataclasses.replace(data, launches=(), missing=("everything",)))


@cache
def hostile() -> Subject:
    """Every text that a server, a model or a host can choose is hostile."""
    finding = Finding(id=EVIL, severity=Severity.WARN, text=EVIL, next=EVIL, at={"stage": EVIL}, arm=EVIL)
    data = make_run(ARMS, findings=(finding,), model=Model(id=EVIL), summary=EVIL, notice=EVIL, status=RunStatus.FAILED)
    failure = Failure(kind=FailureKind.CRASHED, text=EVIL, repair=EVIL, log_tail=(EVIL, "\x1b[2J" * 100))
    launches = []
    for one in data.launches:
        failed = {"status": LaunchStatus.FAILED, "failure": failure} if one.launch.index == 3 else {}
        said = {EVIL: {EVIL: EVIL * 100}, **dict.fromkeys(SAID, EVIL * 40)}
        launch = dataclasses.replace(
            one.launch, command=(EVIL * 40,), effective_config=said, versions={EVIL: EVIL}, level_evidence=EVIL,
            **failed,
        )  # fmt: skip
        launches.append(dataclasses.replace(one, launch=launch))
    run = dataclasses.replace(
        data.run, host={EVIL: EVIL}, versions={EVIL: EVIL}, model_files={EVIL: EVIL}, error=EVIL, origin={EVIL: EVIL},
        images={"plain": hostile_image()}, prepared={EVIL: {EVIL: [{EVIL: EVIL * 100}]}},
    )  # fmt: skip
    return subject_of(dataclasses.replace(data, run=run, launches=tuple(launches), missing=(EVIL,)))


SAID = {
    "engine_inside": "vllm", "engine_version": "0.32.0", "precision": "bfloat16", "quantization": "none",
    "max_model_len": 512, "kv_cache_tokens": 262_144, "kv_cache_dtype": "auto", "prefix_caching": True,
    "speculative": "none", "max_num_seqs": 8, "max_num_batched_tokens": 2048, "gpu_memory_utilization": 0.92,
}  # fmt: skip
REGISTRY = "127.0.0.1:5000"


def layers(sizes: tuple[int, ...], *, slowness: float = 1.0) -> tuple[LayerTimes, ...]:
    """Three layers come down at a time at 100 MB/s, and are unpacked one after the other."""
    found, lines, unpacked_s = [], [0.1, 0.15, 0.2], 0.0
    for place, size in enumerate(sizes):
        line = lines.index(min(lines))
        start_s, end_s = lines[line], lines[line] + size / 1e8 * slowness
        lines[line] = end_s
        unpack_s = max(end_s, unpacked_s)
        unpacked_s = unpack_s + size / 6e7 * slowness
        found.append(
            LayerTimes(
                id=f"{place:02d}c0ffee{place:04d}", bytes=size, download_start_s=start_s, download_end_s=end_s,
                extract_start_s=unpack_s, extract_end_s=unpacked_s,
            )
        )  # fmt: skip
    return (*found, LayerTimes(id="a3ed95caeb02", already_present=True))


def image_record(name: str, sizes: tuple[int, ...], *, base: str | None, pip_check: str | None = "ok") -> ImageRecord:
    times = layers(sizes)
    facts = ImageFacts(
        reference=f"{REGISTRY}/computed/{name}:run", id=f"sha256:{name}-id", digest=f"sha256:{name}-digest",
        entrypoint=("/start",), user="1000:0", created_utc="2026-01-01T00:00:00Z", disk_bytes=3 * sum(sizes),
        wire_bytes=sum(sizes), layers=len(sizes) + 1,
    )  # fmt: skip
    wall_s = max(one.extract_end_s or 0.0 for one in times) + 0.4
    build = BuildRecord(
        tool="BuildKit in docker 20.10.24", args={"MODE": "computed"}, base=base, dockerfile_sha256=f"{name}-file",
        context_bytes=48_000, wall_s=143.2, cold=True, cached_s=1.9, wheelhouse_files=148, wheelhouse_bytes=857_000_000,
        pip_check=pip_check,
    )  # fmt: skip
    return ImageRecord(
        facts=facts, build=build,
        push=PushRecord(reference=facts.reference, wall_s=151.0, digest=facts.digest, layers_pushed=len(sizes)),
        pull=PullRecord(reference=facts.reference, wall_s=wall_s, layers=times, downloaded_s=8.1, anonymous=False),
    )  # fmt: skip


def hostile_image() -> ImageRecord:
    record = image_record("plain", (31_000_000,), base=EVIL, pip_check=EVIL * 40)
    assert record.pull and record.build and record.push
    facts = dataclasses.replace(
        record.facts, reference=EVIL, digest=EVIL, id=EVIL, user=EVIL, created_utc=EVIL, entrypoint=(EVIL * 40,)
    )
    times = tuple(dataclasses.replace(one, id=EVIL) for one in record.pull.layers)
    return dataclasses.replace(
        record, facts=facts, pull=dataclasses.replace(record.pull, layers=times),
        build=dataclasses.replace(record.build, tool=EVIL, args={EVIL: EVIL}, dockerfile_sha256=EVIL),
        push=dataclasses.replace(record.push, reference=EVIL),
    )  # fmt: skip


def containers_run(custom: dict[str, object] | None = None, **changes: object) -> RunData:
    """A stand-in against an image of our own; `custom` replaces what the second engine says of itself."""
    arms = {
        "stand-in": Fake(
            side=Side.BUY, engine="nim", runtime=RuntimeKind.DOCKER, notice="stand-in, not NVIDIA NIM",
            config=SAID | {"profile_name": "vllm-bf16-tp1-pp1"}, layer_bytes=212_000_000,
        ),
        "custom": Fake(
            speed=1.2, engine="vllm", runtime=RuntimeKind.DOCKER, config=SAID | (custom or {}), layer_bytes=40_960,
        ),
    }  # fmt: skip
    sizes = (31_000_000, 240_000_000, 96_000_000, 870_000_000, 12_000_000, 4_000, 55_000_000)
    images = {
        "custom": image_record("custom", sizes, base="nimbench/debian-bookworm@sha256:debian-id"),
        "stand-in": image_record("stand-in", (*sizes, 9_000_000, 1_200), base=f"{REGISTRY}/computed/custom:run"),
    }
    prepared = {
        "placement": {"gpus": (), "server_cpus": "0", "client_cpus": "1"},
        "profiles": {"stand-in": {"name": "vllm-bf16-tp1-pp1", "id": "computed-id"}},
        "weights_verified": {"model.safetensors": "computed-sha256", "tokenizer.json": "computed-sha256"},
        "alignment": {
            "custom": {
                "of": "stand-in", "aligned": ["/weights", "--max-model-len", "512"],
                "edits": ["dropped --port 8001: where it listens comes from the plan", "dropped --host 127.0.0.1"],
                "differences": [],
            }
        },
    }  # fmt: skip
    usual = {"summary": "A stand-in for NIM against our own image, both with the same engine", "blocks": 6}
    return make_run(arms, images=images, prepared=prepared, **usual | changes)  # type: ignore[arg-type]


@cache
def containers() -> Subject:
    return subject_of(containers_run())


class Parsed(HTMLParser):
    """A page's tags with their attributes, its visible text, and the text of its scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text, self.code = "", ""
        self._in = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._in = tag

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    def handle_data(self, data: str) -> None:
        if self._in in ("script", "style"):
            self.code += data if self._in == "style" else ""
        else:
            self.text += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def folder(tmp_path: Path, subject: Subject) -> Subject:
    return dataclasses.replace(subject, data=dataclasses.replace(subject.data, folder=tmp_path))
