"""What was found in an image, kept on this host: the same content is read once, however it is called."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import TypeAdapter

from bench.anatomy import Anatomy, ImageContents, Inventory
from bench.cache import cache_folder
from bench.errors import InputError
from bench.secrets import Redactor
from bench.store.contents import parse_contents
from bench.store.durable import disk_errors, replace_text
from bench.store.records import document_text

_CONTENTS = TypeAdapter(ImageContents)


def kept_at(place: str, identity: str, needed_arch: str | None) -> Path:
    """By the image's content, and by what reads it: another version of this room's modules reads anew."""
    seen = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        seen.update(source.read_bytes())
    parts = (identity.removeprefix("sha256:")[:32], place, needed_arch or "any", seen.hexdigest()[:12])
    return cache_folder() / "anatomy" / f"{'-'.join(parts)}.json"


def known(path: Path) -> tuple[Anatomy, Inventory] | None:
    """What an earlier reading found; a damaged file is as good as none."""
    try:
        kept = parse_contents(path.read_text("utf-8"), where=str(path))
    except (OSError, ValueError, InputError):
        return None
    return kept.anatomy, kept.inventory


def keep(path: Path, anatomy: Anatomy, inventory: Inventory) -> None:
    """Whole, or not at all; a secret of this process that an instruction holds is redacted."""
    document = _CONTENTS.dump_python(ImageContents(anatomy=anatomy, inventory=inventory), mode="json")
    with disk_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(path, document_text(document, Redactor()))
