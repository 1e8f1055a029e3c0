"""Finds the files of a scenario's model, or makes them; every file is known by its SHA-256."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.cache import cache_folder, locked
from bench.errors import InputError, PrerequisiteError
from bench.model import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedModel:
    """A model that lies on this host."""

    path: str | None  # file or folder that the engine reads; None = the scenario names none
    tokenizer_path: str | None  # tokenizer.json
    files: Mapping[str, str]  # file name -> sha256


def model_location(model: Model, folder: str, fmt: str | None) -> Path | None:
    """Where the engine will find the model; creates nothing. `fmt`: gguf or safetensors; None = the whole folder."""
    if model.made:
        return made_folder(model.made, folder) / (made_file(model, folder, fmt) if fmt else "")
    return Path(folder, model.path) if model.path else None


def made_file(model: Model, folder: str, fmt: str) -> str:
    """The file or folder of a made model in this format and the scenario's precision (default: the first)."""
    assert model.made is not None
    precisions: dict[str, str] = read_recipe(model.made, folder)["formats"].get(fmt, {})
    if not precisions or (model.precision and model.precision not in precisions):
        raise InputError(
            f"the made model {model.made!r} has no {fmt} file in the precision that the scenario asks for",
            where="model.precision",
            expected=", ".join(precisions) or f"an engine that does not read {fmt}",
            got=repr(model.precision),
        )
    return precisions[model.precision] if model.precision else next(iter(precisions.values()))


def tokenizer_location(model: Model, folder: str) -> Path | None:
    """The tokenizer.json that makes the prompts, None when the server is asked; creates nothing."""
    if model.tokenizer != "server":
        return Path(folder, model.tokenizer)
    if model.made:
        return made_folder(model.made, folder) / str(read_recipe(model.made, folder)["tokenizer"])
    return None


def resolve_model(model: Model, folder: str, fmt: str | None) -> ResolvedModel:
    """The model's files with their hashes; a `made:` model is made when it is not in the cache."""
    if model.made:
        ensure_made(model.made, folder)
    path, tokenizer = model_location(model, folder, fmt), tokenizer_location(model, folder)
    for needed in (path, tokenizer):
        if needed is not None and not needed.exists():
            raise PrerequisiteError(f"the model's files are not there: {needed}", repair="correct model.path")
    return ResolvedModel(
        path=str(path) if path else None,
        tokenizer_path=str(tokenizer) if tokenizer else None,
        files=hash_files(path) if path else {},
    )


def maker_of(made: str, folder: str) -> Path:
    """The program that makes it: `_models/` beside the scenario, else nimbench's own."""
    name = made.replace("-", "_") + ".py"
    ours = Path(__file__).parents[2] / "scenarios" / "_models"
    for place in (Path(folder).absolute().parent / "_models", ours):
        if (place / name).is_file():
            return place / name
    known = sorted(path.name.split(".")[0].replace("_", "-") for path in ours.glob("*.sha256.json"))
    raise InputError(f"nothing makes a model called {made!r}", expected=", ".join(known), got=repr(made))


def read_recipe(made: str, folder: str) -> dict[str, Any]:
    """The recorded facts beside the maker: formats, tokenizer, SHA-256 of each file."""
    recipe: dict[str, Any] = json.loads(maker_of(made, folder).with_suffix(".sha256.json").read_text())
    return recipe


def made_folder(made: str, folder: str) -> Path:
    """Named after what it must hold, so that a changed recipe never meets old files."""
    digest = hashlib.sha256(json.dumps(read_recipe(made, folder), sort_keys=True).encode()).hexdigest()
    return cache_folder() / "models" / f"{made}-{digest[:12]}"


def ensure_made(made: str, folder: str) -> Path:
    """Make it beside its place, check it, and move it there whole."""
    place = made_folder(made, folder)
    with locked(place.with_suffix(".lock")):
        if place.exists():
            return place
        work = Path(tempfile.mkdtemp(prefix=f".{made}-", dir=place.parent))
        try:
            run_maker(maker_of(made, folder), work)
            check_files(work, read_recipe(made, folder)["files"], made)
            work.chmod(0o755)  # a container's user reads it too
            work.rename(place)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return place


def run_maker(maker: Path, work: Path) -> None:
    """In a process of its own: numpy and the rest stay out of the measuring one."""
    done = subprocess.run([sys.executable, "-P", str(maker), str(work)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise PrerequisiteError(
            f"the model could not be made: {(done.stderr.strip().splitlines() or ['no message'])[-1]}",
            where=str(maker),
            repair="install the demo's packages, in nimbench's checkout: pip install '.[run,demo]'",
        )


def check_files(work: Path, recorded: Mapping[str, str], made: str) -> None:
    """Another byte would be another model."""
    found = hash_files(work)
    wrong = sorted(name for name in recorded.keys() | found.keys() if recorded.get(name) != found.get(name))
    if wrong:
        raise PrerequisiteError(
            f"the made model {made!r} is not the recorded one",
            expected=f"{wrong[0]} with sha256 {recorded.get(wrong[0])}",
            got=f"sha256 {found.get(wrong[0])} ({len(wrong)} of {len(recorded)} files differ)",
            repair="use the locked versions of numpy, gguf and tokenizers (`make setup`)",
        )


def hash_files(path: Path) -> dict[str, str]:
    """SHA-256 of a file, or of every file below a folder by its relative name."""
    if path.is_file():
        return {path.name: remembered_sha256(path)}
    files = sorted(p for p in path.rglob("*") if p.is_file() and "/." not in f"/{p.relative_to(path)}")
    return {str(file.relative_to(path)): remembered_sha256(file) for file in files}


def remembered_sha256(path: Path) -> str:
    """A hash is read again only when the file is another one: 16 GB of weights take a minute."""
    facts = path.stat()
    key = hashlib.sha256(f"{path.resolve()} {facts.st_ino} {facts.st_size} {facts.st_mtime_ns}".encode()).hexdigest()
    note = cache_folder() / "hashes" / key
    if note.exists():
        return note.read_text()
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    note.parent.mkdir(parents=True, exist_ok=True)
    unfinished = note.with_name(f"{key}.{os.getpid()}")
    unfinished.write_text(digest)
    unfinished.rename(note)
    return digest
