"""`nimbench doctor --clean`: what crashed runs left is shown and removed; what is kept on purpose is named."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import click

from bench.cli.tables import show_table
from bench.errors import ArmError
from bench.images.ours import OwnImage, own_images, remove_own_images
from bench.runtimes.leftovers import Leftover, find_leftovers, remove_leftovers

_WAYS = {"volume": "--volumes", "image": "--images"}  # what is kept unless that is said
_DIGITS = 12  # of an id, as Docker shows it


@dataclass(slots=True, kw_only=True)
class Thing:
    """One line of the answer."""

    kind: str  # container | network | volume | image
    id: str
    name: str
    run: str | None
    scenario: str | None
    running: bool = False
    bytes: int | None = None
    done: str = "kept"  # removed | would be removed | kept
    reason: str | None = None  # why it is kept


def clean(scenario: str | None, *, volumes: bool, images: bool, dry_run: bool, as_json: bool) -> None:
    """Remove containers with their nameless volumes, and networks; volumes and images only where asked."""
    things = []
    for leftover in find_leftovers():
        if scenario in (None, leftover.scenario):
            wanted = volumes or not leftover.is_kept
            things.append(_settle(_of_leftover(leftover), wanted, dry_run, _remover(leftover)))
    for image in own_images():
        if scenario is None or _belongs(image, scenario):
            things.append(_settle(_of_image(image), images, dry_run, _image_remover(image)))
    if as_json:
        click.echo(json.dumps({"dry_run": dry_run, "things": [asdict(thing) for thing in things]}, indent=1))
    else:
        _print(things)


def _settle(thing: Thing, wanted: bool, dry_run: bool, remove: Callable[[], str | None]) -> Thing:
    """Remove it where that is wanted; what cannot be removed stays, with the reason."""
    if not wanted:
        thing.reason = f"{_WAYS[thing.kind]} would remove it"
    elif dry_run:
        thing.done = "would be removed"
    elif reason := remove():
        thing.reason = reason
    else:
        thing.done = "removed"
    return thing


def _remover(leftover: Leftover) -> Callable[[], str | None]:
    def remove() -> str | None:
        try:
            remove_leftovers([leftover], volumes=True)
        except ArmError as error:  # a container that is not ours may hold it
            return error.text
        return None

    return remove


def _image_remover(image: OwnImage) -> Callable[[], str | None]:
    return lambda: remove_own_images([image]).get(image.id)


def _of_leftover(found: Leftover) -> Thing:
    return Thing(
        kind=found.kind, id=found.id, name=found.name, run=found.run, scenario=found.scenario, running=found.running
    )


def _of_image(image: OwnImage) -> Thing:
    name = ", ".join(image.names) or image.id[: len("sha256:") + _DIGITS]
    return Thing(kind="image", id=image.id, name=name, run=None, scenario=image.scenario, bytes=image.disk_bytes)


def _belongs(image: OwnImage, scenario: str) -> bool:
    """The label says so, or for an image without one its name does: nimbench/SCENARIO-ARM:built."""
    if image.scenario is not None:
        return image.scenario == scenario
    return any(name.rpartition("/")[2].startswith(f"{scenario.lower()}-") for name in image.names)


def _print(things: Sequence[Thing]) -> None:
    from bench.report.format import quantity  # the report's libraries take a second: --json goes without

    if things:
        rows = [
            (thing.done, thing.kind, _shown(thing), _origin(thing, quantity), thing.reason or "") for thing in things
        ]
        show_table(("", "kind", "name", "of", "why"), rows)
        click.echo("")
    counts = {done: sum(thing.done == done for thing in things) for done in ("removed", "would be removed", "kept")}
    told = [f"{count} {done}" for done, count in counts.items() if count]
    click.echo(", ".join(told) + "." if told else "Nothing of ours is left with the container engine.")


def _shown(thing: Thing) -> str:
    return f"{thing.name} (still running)" if thing.running else thing.name


def _origin(thing: Thing, quantity: Callable[..., Any]) -> str:
    words = [f"scenario {thing.scenario}" if thing.scenario else "", f"run {thing.run}" if thing.run else ""]
    return ", ".join([word for word in words if word] + ([quantity(thing.bytes, "bytes")] if thing.bytes else []))
