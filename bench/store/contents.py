"""images/<arm>.json of a run folder: what is in each arm's image, there and back; damage stays local."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from bench.anatomy import ImageContents
from bench.errors import InputError
from bench.secrets import Redactor
from bench.store import layout
from bench.store.durable import disk_errors, replace_text
from bench.store.records import document_text, parse_document

_MOST_BYTES = 64_000_000  # thousands of packages and paths take a few million
_MOST = 2**63  # no size or count of a real image reaches it; what does breaks arithmetic later
_CONTENTS = TypeAdapter(ImageContents)


def contents_path(folder: Path, arm: str) -> Path:
    """Where the contents of an arm's image lie in a run folder."""
    return folder / layout.IMAGES / f"{arm}.json"


def write_contents(folder: Path, arm: str, contents: ImageContents, redactor: Redactor | None = None) -> Path:
    """Write them, durable and whole. History lines hold build arguments: secrets of this process leave them."""
    path = contents_path(folder, arm)
    text = document_text(_CONTENTS.dump_python(contents, mode="json"), redactor or Redactor())
    with disk_errors(folder):
        path.parent.mkdir(exist_ok=True)
        replace_text(path, text)
    return path


def read_contents(folder: Path, arms: Iterable[str], missing: list[str] | None = None) -> Mapping[str, ImageContents]:
    """The contents of those arms' images that are there and whole; why one could not be read goes into `missing`."""
    found: dict[str, ImageContents] = {}
    for arm in arms:
        path = contents_path(folder, arm)
        try:
            if path.parent != folder / layout.IMAGES or not path.exists():  # a run.json may come from anywhere
                continue
            found[arm] = parse_contents(_text(path), where=str(path))
        except (InputError, OSError, ValueError, RecursionError) as error:
            if missing is not None:
                missing.append(f"{layout.IMAGES}/{path.name} cannot be read ({_why(error)})")
    return found


def parse_contents(text: str, *, where: str) -> ImageContents:
    """The contents of one image; InputError when they are damaged, or hold what no image can."""
    contents = parse_document(_CONTENTS, text, where=where)
    wrong = _impossible(contents, "")
    if wrong is not None:
        raise InputError("not the contents of an image", where=where, expected="sizes and counts from 0", got=wrong)
    return contents


def _text(path: Path) -> str:
    """A folder, a pipe or a giant in its place is damage too."""
    if not path.is_file():
        raise InputError("no regular file")
    if path.stat().st_size > _MOST_BYTES:
        raise InputError(f"{path.stat().st_size} bytes, more than any image's contents take")
    return path.read_text("utf-8")


def _impossible(value: Any, name: str) -> str | None:
    """The first number that is negative, endless or beyond any disk, by its name."""
    if dataclasses.is_dataclass(value):
        inner: Iterable[tuple[str, Any]] = ((f.name, getattr(value, f.name)) for f in dataclasses.fields(value))
    elif isinstance(value, Mapping):
        inner = value.items()
    elif isinstance(value, tuple):
        inner = ((name, item) for item in value)
    else:
        is_wrong = isinstance(value, int | float) and not (0 <= value < _MOST and math.isfinite(value))
        return f"{name}: {str(value)[:40]}" if is_wrong else None
    return next((wrong for key, item in inner if (wrong := _impossible(item, str(key)))), None)


def _why(error: Exception) -> str:
    """What is wrong, in a line."""
    if isinstance(error, InputError):
        said = (error.problem, error.expected and f"expected {error.expected}", error.got and f"got {error.got}")
        return ", ".join(text for text in said if text)[:300]
    return str(error).splitlines()[0][:300] if str(error) else type(error).__name__
