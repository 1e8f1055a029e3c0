"""The modes: how often, how long and at which points, so that one word chooses what a run can claim.

At a launch-to-launch noise of 3 %: smoke claims nothing, quick shows differences above 14 %, standard above 6 %,
publish above 4 %. A preset is written in the keys of scenario.yaml, so that it merges with one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

DEFAULT_MODE: Final = "standard"


def _preset(
    blocks: int, burn_in: int, duration: str, warmup: str, gpu_idle: str, streams: tuple[int, ...]
) -> dict[str, Any]:
    return {
        "launches": {"blocks": blocks, "burn_in": burn_in, "gpu_idle": gpu_idle},
        "load": {
            "stages": [{"concurrency": count} for count in streams],
            "duration": duration,
            "warmup": warmup,
            "warmup_requests": 2,
            "ramp": "1s",
            "rounds": 1,
        },
    }


PRESETS: Final[Mapping[str, Mapping[str, Any]]] = {
    "smoke": _preset(1, 0, "30s", "5s", "0s", (1, 16)),
    "quick": _preset(3, 1, "60s", "20s", "10s", (1, 16, 64)),
    "standard": _preset(6, 1, "120s", "60s", "30s", (1, 8, 32, 128)),
    "publish": _preset(10, 1, "600s", "60s", "60s", (1, 4, 8, 16, 32, 64, 128)),
}

# What `--mode` takes away from the scenario: how often and how long. Its points stay: they belong to the question.
MODE_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "launches": ("blocks", "burn_in", "gpu_idle"),
    "load": ("duration", "warmup", "warmup_requests", "ramp", "rounds"),
}
