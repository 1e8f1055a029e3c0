"""`nimbench pin`: asks each registry what a tag stands for now, and writes the digests into scenario.lock."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.choices import require_modules, scenario_choices
from bench.cli.tables import show_table
from bench.clock import utc_now
from bench.errors import ArmError, InputError, PrerequisiteError
from bench.scenario.loading import find_lock, load_scenario
from bench.scenario.lock import LOCK_SCHEMA, Lock, LockedImage, lock_text, read_lock, references

if TYPE_CHECKING:
    from bench.images.registry import Resolved

PLATFORM = "linux/amd64"  # of every host that nimbench runs on
SHORT = len("sha256:") + 12


@click.command("pin")
@scenario_choices()
@click.option("--json", "as_json", is_flag=True, help="Print JSON alone.")
def command(scenario: str, mode: str | None, sets: tuple[str, ...], as_json: bool) -> None:
    """Resolve every image tag of SCENARIO to a digest and write scenario.lock. Pulls nothing, starts nothing."""
    question = load_scenario(scenario, mode=mode, sets=sets, use_lock=False)
    path, named = find_lock(scenario), references(question)
    before = _before(path)
    lock = Lock(lock_schema=LOCK_SCHEMA, platform=PLATFORM, images=_ask(named, question.name))
    if named:
        _write(path, lock_text(lock, question.name))
    if as_json:
        document = {"scenario": question.name, "lock": str(path) if named else None}
        click.echo(json.dumps(document | lock.model_dump(mode="json"), indent=1, ensure_ascii=False))
    elif not named:
        click.echo(f"{question.name} names no image of a registry: there is nothing to pin.")
    else:
        _print(path, lock, before)


def _ask(named: Iterable[tuple[str, str]], scenario: str) -> dict[str, LockedImage]:
    """Every reference once; all that fail are told together, and then nothing is written."""
    require_modules("httpx")
    from bench.images.registry import resolve  # httpx takes a moment: scenarios without images go without

    keys: dict[str, list[str]] = {}
    for key, reference in named:
        keys.setdefault(reference, []).append(key)
    images, failed = {}, []
    for reference, used_by in keys.items():
        try:
            images[reference] = _locked(resolve(reference, platform=PLATFORM), used_by)
        except (ArmError, InputError) as error:
            failed.append(f"{', '.join(used_by)}\n{error}")
    if failed:
        told = "\n".join("  " + line for text in failed for line in text.splitlines())
        raise PrerequisiteError(
            f"{len(failed)} of {len(keys)} images could not be resolved, so scenario.lock is as it was:\n{told}",
            where=scenario,
        )
    return images


def _locked(found: Resolved, used_by: list[str]) -> LockedImage:
    return LockedImage(
        digest=found.digest,
        manifest_digest=found.manifest_digest,
        wire_bytes=found.wire_bytes,
        entrypoint=list(found.entrypoint),
        created_utc=found.created_utc,
        source=found.source,
        anonymous=found.anonymous,
        pinned_utc=utc_now(),
        used_by=used_by,
    )


def _before(path: Path) -> dict[str, str]:
    """The digests of the lock that is there; one that cannot be read is about to be replaced."""
    try:
        lock = read_lock(path)
    except InputError:
        return {}
    return {reference: image.digest for reference, image in lock.images.items()} if lock else {}


def _write(path: Path, text: str) -> None:
    from bench.store.durable import replace_text  # with pyarrow behind it

    try:
        replace_text(path, text)
    except OSError as error:
        raise PrerequisiteError(
            f"the lock cannot be written: {error.strerror}", where=str(path), repair="check who may write there"
        ) from error


def _print(path: Path, lock: Lock, before: dict[str, str]) -> None:
    from bench.report.format import quantity

    rows = [
        (
            reference,
            image.digest[:SHORT],
            _change(before.get(reference), image.digest),
            quantity(image.wire_bytes, "bytes"),
            "no" if image.anonymous else "yes",
        )
        for reference, image in lock.images.items()
    ]
    show_table(("image", "digest", "", "on the wire", "login"), rows)
    click.echo(f"\nWritten: {path}. `nimbench run` uses these digests until you pin again.")


def _change(old: str | None, new: str) -> str:
    if old is None:
        return "new"
    return "as before" if old == new else f"was {old[:SHORT]}"
