"""Asks the Python packages of an image whether they fit together. Pure: a runtime runs the container."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from bench.container import BuildRecord, ContainerSpec, ImageFacts

NO_PIP = 77  # our exit code: no program of pip's or Python's uses it
TEXT_CHARACTERS = 2000

# The first Python that has pip is the one that counts: PATH puts an image's own environment first.
SCRIPT = f"""
for python in python3 python; do
  if "$python" -m pip --version >/dev/null 2>&1; then
    exec "$python" -m pip --disable-pip-version-check --no-cache-dir check
  fi
done
exit {NO_PIP}
"""


class Ended(Protocol):
    """What a finished container left."""

    @property
    def exit_code(self) -> int:
        """Of its first process."""

    @property
    def output(self) -> str:
        """Both streams."""


def pip_check_spec(image: ImageFacts, labels: Mapping[str, str] | None = None) -> ContainerSpec:
    """A container that ends by itself. An image without a shell cannot start it: ENTRYPOINT_MISSING."""
    return ContainerSpec(image=image.id, entrypoint=("/bin/sh", "-c", SCRIPT), labels=labels or {})


def with_pip_check(record: BuildRecord, ended: Ended) -> BuildRecord:
    """`record` with what was found: "ok", pip's own lines, or None where the image has no pip."""
    return replace(record, pip_check=_finding(ended))


def _finding(ended: Ended) -> str | None:
    if ended.exit_code == NO_PIP:
        return None
    if ended.exit_code == 0:
        return "ok"
    lines = [line.strip() for line in ended.output.splitlines() if line.strip() and not line.startswith("WARNING")]
    return "; ".join(lines)[:TEXT_CHARACTERS] or f"pip check ended with {ended.exit_code}"
