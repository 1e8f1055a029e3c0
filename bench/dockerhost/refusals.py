"""What the container engine's error texts mean: one row each, the first that matches counts."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bench.vocabulary import FailureKind


@dataclass(frozen=True, slots=True)
class Refusal:
    """A text of the engine, and what to do about it."""

    kind: FailureKind
    pattern: re.Pattern[str]
    repair: str


GONE_REPAIR = (
    "See why the Docker Engine stopped (`journalctl -u docker`), start it again, and run `nimbench doctor --clean`."
)
MEMORY_REPAIR = (
    "Give the arm more (`container.memory`), or let it ask for less: a shorter max_model_len, a smaller KV cache, "
    "fewer sequences at once."
)

REFUSALS = (
    Refusal(
        FailureKind.DISK_FULL,
        re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE),
        "Free space where the engine keeps its data (`docker system df`, `df -h`); `nimbench doctor` says how much "
        "the scenario needs.",
    ),
    Refusal(
        FailureKind.PORT_TAKEN,
        re.compile(r"port is already allocated|address already in use|ports are not available", re.IGNORECASE),
        "End the program that holds the port (`ss -ltnp` names it), or plan again with other ports.",
    ),
    Refusal(
        FailureKind.DRIVER_TOO_OLD,
        re.compile(r"nvidia-container-cli: requirement error|unsatisfied condition: (cuda|driver)", re.IGNORECASE),
        "Update the NVIDIA driver to what the image asks for; `nvidia-smi` shows the one in use.",
    ),
    Refusal(
        FailureKind.GPU_MISSING,
        re.compile(
            r"could not select device driver|nvidia-container-cli|nvidia-container-runtime|unresolvable CDI devices|"
            r"discover GPU vendor|unknown or invalid runtime name: nvidia",
            re.IGNORECASE,
        ),
        "Install the NVIDIA container toolkit, run `nvidia-ctk runtime configure --runtime=docker`, restart Docker, "
        "and see that `nvidia-smi` works on this host.",
    ),
    Refusal(
        FailureKind.ENTRYPOINT_MISSING,
        re.compile(
            r"executable file not found|exec: .*(no such file or directory|permission denied)|"
            r"no such file or directory: unknown|permission denied: unknown|no command specified|exec format error",
            re.IGNORECASE,
        ),
        "See what the image starts (`docker image inspect IMAGE`): the command must be a program that is in it, "
        "executable, and made for this processor.",
    ),
    Refusal(
        FailureKind.IMAGE_NOT_FOUND,
        re.compile(r"no such image|manifest unknown|repository does not exist", re.IGNORECASE),
        "The image is not on this host any more: run again, and it is pulled or built.",
    ),
    Refusal(
        FailureKind.HOST_MEMORY_KILL,
        re.compile(r"container init was OOM-killed|memory limit too low", re.IGNORECASE),
        MEMORY_REPAIR,
    ),
    Refusal(
        FailureKind.ENGINE_GONE,
        re.compile(r"container engine (does not|stopped) answer|cannot connect to the docker daemon", re.IGNORECASE),
        GONE_REPAIR,
    ),
)


def refusal_of(text: str | None) -> Refusal | None:
    """The row that this text matches, None where the engine said something that we do not know."""
    return next((row for row in REFUSALS if text and row.pattern.search(text)), None)
