"""Images that are made on this host, for hosts that reach no registry: `base: {made: NAME}` of a build.

`scenarios/_images/NAME.sh` or `.py` is called with one argument, the file to write: a root file system as tar.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import docker
import docker.errors

from bench.cache import cache_folder, locked
from bench.container import ImageFacts
from bench.dockerhost.errors import docker_errors
from bench.errors import InputError, PrerequisiteError
from bench.events import Event, Progress, silent
from bench.images.local import engine_of, image_facts

LABEL = "org.nimbench.made"
ERROR_LINES = 6
INTERPRETERS = {".py": [sys.executable, "-P"], ".sh": ["/bin/sh", "-eu"]}


def ensure_made(
    name: str, folder: str, progress: Progress = silent, client: docker.DockerClient | None = None
) -> ImageFacts:
    """The image of this recipe, made when the engine does not have it. `folder` is the scenario's."""
    recipe = recipe_of(name, folder)
    tag = made_tag(name, recipe)
    lock = cache_folder() / "images" / f"{tag.replace('/', '-').replace(':', '-')}.lock"
    with locked(lock), engine_of(client) as engine:
        if not _is_here(engine, tag):
            progress(Event("run", f"making the image {name} on this host, once", {"image": tag}))
            _make(engine, recipe, tag, name)
        return image_facts(engine, tag)


def recipe_of(name: str, folder: str) -> Path:
    """`_images/` beside the scenario, else nimbench's own."""
    ours = Path(__file__).parents[2] / "scenarios" / "_images"
    for place in (Path(folder).absolute().parent / "_images", ours):
        for suffix in INTERPRETERS:
            if (place / f"{name}{suffix}").is_file():
                return place / f"{name}{suffix}"
    known = sorted(path.stem for path in ours.iterdir() if path.suffix in INTERPRETERS)
    raise InputError(f"nothing makes an image called {name!r}", expected=", ".join(known), got=repr(name))


def made_tag(name: str, recipe: Path) -> str:
    """Named after its recipe too: a changed one never meets an old image."""
    return f"nimbench/made-{name}:{hashlib.sha256(recipe.read_bytes()).hexdigest()[:12]}"


def _is_here(engine: docker.DockerClient, tag: str) -> bool:
    with docker_errors("look for a made image", None):
        try:
            engine.api.inspect_image(tag)
        except docker.errors.ImageNotFound:
            return False
    return True


def _make(engine: docker.DockerClient, recipe: Path, tag: str, name: str) -> None:
    """The tar lies in the cache's folder: /tmp is often small."""
    repository, _, version = tag.partition(":")
    with tempfile.TemporaryDirectory(prefix=".made-", dir=cache_folder() / "images") as work:
        tar = Path(work, "root.tar")
        _run(recipe, tar)
        with docker_errors(f"import the image {name}", None):
            said = engine.api.import_image_from_file(
                str(tar), repository=repository, tag=version, changes=[f"LABEL {LABEL}={name}", 'CMD ["/bin/sh"]']
            )
            last = json.loads(str(said).strip().splitlines()[-1])
            if "error" in last:  # the engine says so in its stream, with a status of 200
                raise docker.errors.APIError("import", explanation=str(last["error"]))


def _run(recipe: Path, tar: Path) -> None:
    done = subprocess.run(
        [*INTERPRETERS[recipe.suffix], str(recipe), str(tar)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, cwd=tar.parent,
    )  # fmt: skip
    if done.returncode or not tar.is_file():
        lines = done.stdout.decode(errors="replace").strip().splitlines()[-ERROR_LINES:]
        raise PrerequisiteError(
            "the image could not be made\n" + "\n".join(f"    {line[:300]}" for line in lines),
            where=str(recipe),
            repair="put right what its last line names, or give a reference to pull: base: {image: …}",
        )
