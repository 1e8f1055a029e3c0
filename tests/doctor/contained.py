"""A scenario with one arm in a container, for what the doctor says of it."""

from __future__ import annotations

from pathlib import Path

from bench.model import Scenario
from bench.scenario import load_scenario
from tests.scenario.sample import TEXT, write

H100 = "NVIDIA H100 80GB HBM3"
DIGEST = "sha256:" + "0" * 64
PLAIN = "plain: {engine: llamacpp, side: buy}"
GPU_HOST = f"""\
gpu: {{name: {H100}, count: 1}}
host: {{driver_min: "580", docker_min: "20.10", toolkit_min: "1.14"}}
"""


def contained(folder: Path, keys: str, more: str = "", *, mode: str | None = None) -> Scenario:
    """The sample's first arm with `keys` of a container; `more` = whole top-level lines."""
    text = TEXT.replace(PLAIN, f"plain: {{engine: llamacpp, side: buy, {keys}}}").replace("[nginx,", "[sh,")
    place = write(folder / "s", more + text)
    for context in ("custom", "other"):
        (place / context).mkdir(exist_ok=True)
        (place / context / "Dockerfile").write_text("FROM scratch\n")
    return load_scenario(str(place), mode=mode)
