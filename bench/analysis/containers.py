"""Checks of containers and their images: what is lost with a container, and what is broken inside an image."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from bench.analysis.numbers import Numbers
from bench.anatomy import PinFinding
from bench.record import Finding
from bench.vocabulary import ByteGroup, Severity

LAYER_BYTES = 100_000_000  # logs and sockets stay below it; weights and compile caches do not
WELL_PINNED = ("A", "B")
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


def loosely_pinned(numbers: Numbers) -> Iterator[Finding]:
    """Files of a build that may give another image the next time."""
    for arm, inside in numbers.data.contents.items():
        lint = inside.lint
        if lint is None or lint.grade in WELL_PINNED or not lint.findings:
            continue
        worst = max(lint.findings, key=lambda one: one.weight)
        count = len(lint.findings)
        yield Finding(
            id="image-not-pinned",
            severity=Severity.WARN,
            arm=arm,
            text=f"The files that the image of {arm} is built from get grade {lint.grade}: {count} "
            f"place{'s' * (count != 1)}, such as {_place(worst)} ({worst.text[:120]}). Built again, it may be another "
            "image than the one that was measured.",
            next=worst.repair,
        )


def nightly_on_purpose(numbers: Numbers) -> Iterator[Finding]:
    """The dated exception that a scenario states: whoever reads the numbers has to see it."""
    for arm, inside in numbers.data.contents.items():
        lint = inside.lint
        if lint is None or lint.day_zero is None or not lint.excused:
            continue
        count = len(lint.excused)
        yield Finding(
            id="day-zero",
            severity=Severity.WARN,
            arm=arm,
            text=f"The image of {arm} holds nightly builds on purpose until {lint.day_zero.until}: "
            f"{lint.day_zero.reason}. {count} place{'s are' if count != 1 else ' is'} excused from pinning.",
            next=f"Pin the release that supports the model; after {lint.day_zero.until} the exception is an error.",
        )


def weights_inside(numbers: Numbers) -> Iterator[Finding]:
    """Weights that come with every pull of the engine."""
    for arm, inside in numbers.data.contents.items():
        size = inside.anatomy.groups.get(ByteGroup.WEIGHTS, 0)
        if size > LAYER_BYTES:
            yield Finding(
                id="weights-in-image",
                severity=Severity.WARN,
                arm=arm,
                text=f"{size / _MB:,.0f} MB of the image of {arm} are weights: every pull of a new engine brings them "
                "again, and other arms read other copies.",
                next="Keep the weights in a volume that every arm mounts.",
            )


def _place(found: PinFinding) -> str:
    return f"{found.file.rsplit('/', 1)[-1]}:{found.line}"


CHECKS: tuple[Callable[[Numbers], Iterator[Finding]], ...] = (
    written_in_layer,
    broken_packages,
    loosely_pinned,
    nightly_on_purpose,
    weights_inside,
)
