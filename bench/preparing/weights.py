"""Whether the weights that all container arms read are the ones that the scenario names, file by file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bench.container import Container, Prepared, Weights
from bench.errors import ArmError
from bench.events import Event, Progress
from bench.model import Arm, Scenario
from bench.plan.containers import prepare_spec
from bench.runtimes.once import run_once
from bench.vocabulary import FailureKind

TIMEOUT_S = 3600.0


def check_weights(
    scenario: Scenario,
    arms: tuple[Arm, ...],
    models: Mapping[str, str | None],
    prepared: Prepared,
    progress: Progress,
) -> dict[str, str]:
    """File -> SHA-256 as read through the arm's own mounts; ArmError when one is missing or another."""
    weights = scenario.model.weights
    if weights is None or not weights.sha256:
        return {}
    arm = reading_arm(weights, arms)
    progress(Event("run", f"hashing the weights in {weights.path}"))
    paths = {f"{weights.path.rstrip('/')}/{name}": name for name in weights.sha256}
    # no key, no GPU and no write: it only reads
    spec = replace(
        prepare_spec(scenario, arm, models[arm.name], prepared),
        entrypoint=("sha256sum",),
        argv=("--", *paths),
        env={},
        secrets=(),
        gpus=(),
        settings=Container(user="0:0"),
    )
    spec = replace(spec, mounts=tuple(replace(mount, read_only=True) for mount in spec.mounts))
    output = run_once(spec, arm=arm.name, timeout_s=TIMEOUT_S).output
    rows = (line.split(maxsplit=1) for line in output.splitlines() if len(line.split(maxsplit=1)) == 2)
    found = {paths[path.strip()]: digest for digest, path in rows if path.strip() in paths}
    wrong = [name for name, digest in weights.sha256.items() if found.get(name) != digest]
    if wrong:
        name = wrong[0]
        raise ArmError(
            FailureKind.DOWNLOAD,
            f"{len(wrong)} of {len(paths)} weight files are not the recorded ones; {name}: expected sha256 "
            f"{weights.sha256[name]}, found {found.get(name, 'no such file')}",
            repair=f"Remove the volume that holds {weights.path} and let the run bring the weights again.",
            log_tail=tuple(output.splitlines()[-5:]),
        )
    return found


def reading_arm(weights: Weights, arms: tuple[Arm, ...]) -> Arm:
    """Through whose mounts the weights are read: of the one that brings them, else of the first."""
    return next((arm for arm in arms if arm.name == weights.from_arm), arms[0])
