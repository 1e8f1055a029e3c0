"""Checks of containers and their images: what is lost with a container, and what is broken inside an image."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from bench.analysis.numbers import Numbers
from bench.record import Finding
from bench.vocabulary import Severity

LAYER_BYTES = 100_000_000  # logs and sockets stay below it; weights and compile caches do not
_MB = 1e6


def written_in_layer(numbers: Numbers) -> Iterator[Finding]:
    """What a container writes beside its volumes is written anew at every start."""
    for arm in numbers.scenario.arms:
        sizes = [one.launch.container_layer_bytes or 0 for one in numbers.of_arm(arm.name)]
        large = [size for size in sizes if size > LAYER_BYTES]
        if large:
            yield Finding(
                id="written-in-container",
                severity=Severity.WARN,
                arm=arm.name,
                text=f"In {len(large)} of {len(sizes)} launches the container wrote up to {max(large) / _MB:,.0f} MB "
                "outside its volumes, which is gone with it: a cache or a download that every start pays again.",
                next="Mount a named volume where it writes (`docker diff` names the files), the same for both arms.",
            )


def broken_packages(numbers: Numbers) -> Iterator[Finding]:
    """`pip check` inside a built image."""
    for arm, record in numbers.data.run.images.items():
        said = record.build.pip_check if record.build else None
        if said not in (None, "ok"):
            lines = [line for line in re.split(r"; |\n", said.strip()) if line]
            yield Finding(
                id="packages-broken",
                severity=Severity.WARN,
                arm=arm,
                text=f"pip check in the built image found {len(lines)} broken requirement{'s' * (len(lines) != 1)}: "
                f"{'; '.join(lines)[:300]}.",
                next="Lock the packages together (one resolution for all of them), and build again.",
            )


CHECKS: tuple[Callable[[Numbers], Iterator[Finding]], ...] = (written_in_layer, broken_packages)
