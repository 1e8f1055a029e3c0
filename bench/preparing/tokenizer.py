"""The tokenizer of the weights that all container arms read, copied to this host: it makes every arm's prompts.

A server's own /tokenize is not at every arm's door (a NIM 1.x has none, and nginx need not pass it on).
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import IO, cast

import docker.errors

from bench.cache import cache_folder
from bench.container import Container, Prepared
from bench.dockerhost.client import connect
from bench.dockerhost.errors import docker_errors
from bench.errors import ArmError
from bench.events import Event, Progress
from bench.model import Arm, Scenario
from bench.plan.containers import prepare_spec
from bench.preparing.weights import reading_arm
from bench.runtimes.docker_create import create_container
from bench.vocabulary import FailureKind

FILE = "tokenizer.json"
MOST_BYTES = 256 * 1024 * 1024


def fetch_tokenizer(
    scenario: Scenario,
    arms: tuple[Arm, ...],
    models: Mapping[str, str | None],
    prepared: Prepared,
    progress: Progress,
) -> str | None:
    """Path of a copy, checked against the scenario's SHA-256; None where the scenario names no such file of weights."""
    weights, model = scenario.model.weights, scenario.model
    if weights is None or FILE not in weights.sha256 or model.tokenizer != "server" or model.made is not None:
        return None
    wanted = weights.sha256[FILE]
    place = cache_folder() / "tokenizers" / f"{wanted}.json"
    if not place.exists():
        progress(Event("run", f"copying {FILE} out of the weights"))
        arm = reading_arm(weights, arms)
        data = read_file(scenario, arm, models[arm.name], prepared, f"{weights.path.rstrip('/')}/{FILE}")
        found = hashlib.sha256(data).hexdigest()
        if found != wanted:
            raise ArmError(
                FailureKind.DOWNLOAD,
                f"{FILE} of the weights is not the recorded one: expected sha256 {wanted}, found {found}",
                repair=f"Remove the volume that holds {weights.path} and let the run bring the weights again.",
            )
        place.parent.mkdir(parents=True, exist_ok=True)
        unfinished = place.with_suffix(".partial")
        unfinished.write_bytes(data)
        unfinished.rename(place)
    return str(place)


def read_file(scenario: Scenario, arm: Arm, model: str | None, prepared: Prepared, path: str) -> bytes:
    """One file as the arm's mounts show it. The container is created for that, never started."""
    spec = prepare_spec(scenario, arm, model, prepared)
    mounts = tuple(replace(mount, read_only=True) for mount in spec.mounts)
    spec = replace(spec, mounts=mounts, secrets=(), gpus=(), env={}, settings=Container())
    with contextlib.closing(connect()) as client, docker_errors(f"copy {path} out of its volume", arm.name):
        container = create_container(client, spec)
        try:
            folder, _, name = path.rpartition("/")
            chunks, facts = client.api.get_archive(container, path)
            target = str(facts.get("linkTarget") or "")
            if target:  # a cache of NGC or of a hub links its snapshots to blobs
                path = target if target.startswith("/") else f"{folder}/{target}"
                chunks, facts = client.api.get_archive(container, path)
            return _only_file(chunks, name)
        except docker.errors.NotFound as error:
            raise ArmError(
                FailureKind.DOWNLOAD,
                f"arm {arm.name!r}: there is no {path} in its volumes",
                repair="Look at `prepare`.",
            ) from error
        finally:
            client.api.remove_container(container, force=True, v=True)


def _only_file(chunks: Iterator[bytes], name: str) -> bytes:
    """The regular file of a tar of one, bounded."""
    buffer = io.BytesIO()
    for chunk in chunks:
        buffer.write(chunk)
        if buffer.tell() > MOST_BYTES:
            raise ArmError(FailureKind.DOWNLOAD, f"{name} is larger than any tokenizer", repair="Look at it by hand.")
    buffer.seek(0)
    with tarfile.open(fileobj=buffer) as tar:
        member = next((one for one in tar.getmembers() if one.isfile()), None)
        return cast("IO[bytes]", tar.extractfile(member)).read() if member is not None else b""
