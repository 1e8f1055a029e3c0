"""What holds for the project as a whole: exact pins with hashes, no address of an index, no path of one machine."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
WANTED = [*PROJECT["project"]["dependencies"], *(one for extra in EXTRAS.values() for one in extra)]

# Assembled, so that this file does not hold what it looks for.
HOSTS = (
    ("pypi", "org"), ("pythonhosted", "org"), ("pypi", "python", "org"), ("download", "pytorch", "org"),
    ("wheels", "vllm", "ai"),
)  # fmt: skip
INDEX_HOSTS = [".".join(parts) for parts in HOSTS]
INDEX_OPTIONS = [f"--{name}" for name in ("index-url", "extra-index-url", "find-links", "trusted-host")]
MACHINE_PATHS = [f"/{name}/" for name in ("work", "root")]


def locked() -> list[tuple[str, int]]:
    """(requirement, number of hashes) of every entry of the lock."""
    text = re.sub(r"\\\n", "", (ROOT / "requirements.lock").read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    return [(line.split("--hash")[0].strip(), line.count("--hash=sha256:")) for line in lines]


def tracked_texts() -> dict[str, str]:
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = {}
    for name in filter(None, names.split("\0")):
        try:
            found[name] = (ROOT / name).read_text()
        except (UnicodeDecodeError, FileNotFoundError):  # a picture or a table; a file deleted but not committed yet
            continue
    return found


def normal(requirement: str) -> str:
    name, version = requirement.split(" ;")[0].split("==")
    return f"{re.sub('[-_.]+', '-', name.strip()).lower()}=={version.strip()}"


def test_every_requirement_is_one_exact_version() -> None:
    assert [one for one in WANTED if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9A-Za-z.+]*", one)] == []


def test_every_locked_entry_is_exact_and_has_hashes() -> None:
    entries = locked()
    assert len(entries) > len(WANTED)
    assert [entry for entry in entries if "==" not in entry[0] or not entry[1] or "://" in entry[0]] == []


def test_lock_holds_every_requirement_at_its_version() -> None:
    assert {normal(one) for one in WANTED} <= {normal(entry) for entry, _ in locked()}


def test_build_backend_is_the_locked_one() -> None:
    assert PROJECT["build-system"]["requires"] == EXTRAS["build"]


# Inside containers these are places of the image, the same on every machine.
OF_CONTAINERS = (f"{INDEX_OPTIONS[2]}=/wheelhouse", f"{INDEX_OPTIONS[2]}=/app/wheelhouse", f"{MACHINE_PATHS[1]}.cache")
# What reads and judges Dockerfiles has the words of Dockerfiles.
ABOUT_CONTAINERS = ("scenarios/", "bench/images/pins/", "tests/images/pins/")
READS_OPTIONS = ABOUT_CONTAINERS[1:]


def outside_of_containers(name: str, text: str) -> str:
    """What a text says of the machine that runs it."""
    if name.startswith(ABOUT_CONTAINERS):
        for words in OF_CONTAINERS:
            text = text.replace(words, "")
    if name.startswith(READS_OPTIONS):
        for words in INDEX_OPTIONS:
            text = text.replace(words, "")
    return text


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout: no list of tracked files")
@pytest.mark.parametrize(
    ("kind", "words"),
    [("an index host", INDEX_HOSTS), ("an index option", INDEX_OPTIONS), ("a machine path", MACHINE_PATHS)],
)
def test_no_tracked_file_names_what_belongs_to_one_machine(kind: str, words: list[str]) -> None:
    found = [
        f"{name}: {word}"
        for name, text in tracked_texts().items()
        for word in words
        if re.search(rf"(?<![\w.~}}$-]){re.escape(word)}", outside_of_containers(name, text))
    ]
    assert not found, f"{kind} in {found}"


def test_licence_is_the_one_that_the_project_names() -> None:
    assert PROJECT["project"]["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text()
