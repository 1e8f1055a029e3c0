"""The arms' `prepare` steps: what downloads weights into volumes, and alone may see a secret."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.container import Prepared
from bench.dockerhost.line import docker_run_line
from bench.events import Event, Progress
from bench.model import Arm, Scenario
from bench.plan.containers import prepare_spec
from bench.preparing.steps import step_error
from bench.runtimes.once import run_once
from bench.secrets import Redactor

TIMEOUT_S = 4 * 3600.0  # 16 GB through a slow line


def bring_weights(
    scenario: Scenario,
    arms: tuple[Arm, ...],
    models: Mapping[str, str | None],
    prepared: Prepared,
    logs: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Run each arm's step; its words go to the run folder. Arm -> seconds and the secrets that it could see by name."""
    brought = {}
    for arm in arms:
        if arm.prepare is None:
            continue
        spec = prepare_spec(scenario, arm, models[arm.name], prepared)
        progress(Event("run", f"preparing {arm.name}: {' '.join(spec.argv)[:80]}"))
        finished = run_once(spec, arm=arm.name, timeout_s=TIMEOUT_S)
        log = logs / f"{arm.name}-prepare.log"
        log.write_text(finished.output, encoding="utf-8")
        if finished.exit_code != 0:
            line = docker_run_line(spec, Redactor.knowing(arm.env))
            raise step_error(arm, "its prepare step", finished, line, log)
        seen = [name for name in spec.secrets if os.environ.get(name)]
        brought[arm.name] = {"wall_s": finished.wall_s, "secrets_seen": seen}
    return brought
