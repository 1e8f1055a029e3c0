"""What the arm says it runs with, and the versions of what it is made of."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING

from bench.engines.base import Engine, LaunchSpec
from bench.errors import Interrupted
from bench.probes.documents import gather_documents
from bench.probes.hostfacts import arm_versions
from bench.probes.server import parse_exposition
from bench.runtimes.base import Running
from bench.runtimes.environments import env_python
from bench.vocabulary import RuntimeKind
from bench.wire.request import get_once

if TYPE_CHECKING:
    from bench.launching.attempt import Attempt

_TIMEOUT_S = 5.0


def learn_config(attempt: Attempt, spec: LaunchSpec, running: Running) -> None:
    """Fill in effective_config and versions; what cannot be learnt is a finding, not a failure."""
    metrics_path = attempt.engine.metrics_path
    own_url = spec.metrics_url.removesuffix(metrics_path) if spec.metrics_url else running.url  # past any sidecar
    documents = gather_documents(own_url, attempt.engine.documents, attempt.launch_dir.log_path)
    image = attempt.prepared.images.get(attempt.arm.name)
    if image is not None:  # a NIM says in its labels what is inside
        documents |= {"image_labels": json.dumps(dict(image.labels)), "image_env": json.dumps(dict(image.env))}
    try:
        attempt.effective_config = dict(attempt.engine.effective_config(documents))
    except Interrupted:
        raise
    except Exception as error:  # noqa: BLE001 - a server may say anything: not knowing it ends no run
        text = f"what {attempt.arm.name} says of its configuration cannot be read ({type(error).__name__}: {error})"
        attempt.find("config-unreadable", text)
    if attempt.arm.runtime is RuntimeKind.PROCESS:
        attempt.versions = dict(arm_versions(env_python(attempt.arm.packages), attempt.engine.modules))


def exposition_url(engine: Engine, usual_url: str | None) -> str | None:
    """Where this server shows its metrics; the usual place where no other one that the engine may have shows any.

    Asked before the sampling begins: a sampler that is sent to the wrong place fails from the first sample to the last.
    """
    if usual_url is None or not engine.other_metrics_paths:
        return usual_url
    own_url = usual_url.removesuffix(engine.metrics_path)
    for path in (engine.metrics_path, *engine.other_metrics_paths):
        answer = get_once(own_url, path, timeout_s=_TIMEOUT_S)
        text = answer.body.decode("utf-8", "replace") if answer.status == HTTPStatus.OK else ""
        if parse_exposition(text, engine.metric_names).values:
            return own_url + path
    return usual_url
