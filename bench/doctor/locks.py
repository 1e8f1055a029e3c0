"""Whether a file of Python requirements fixes every byte that it installs."""

from __future__ import annotations

from pathlib import Path

from bench.doctor.fact import Check
from bench.runtimes.environments import env_python


def packages_check(at: str, path: Path) -> Check:
    """Of an arm's own environment, which need not be built yet."""
    built = path.is_file() and Path(env_python(str(path))).exists()
    found = "environment built" if built else "environment will be built at the first run"
    return _check(f"{at}: packages", path, found)


def wheelhouse_check(at: str, path: Path) -> Check:
    """Of the wheels that a build copies into an image."""
    return _check(f"{at}: wheelhouse", path, str(path))


def _check(name: str, path: Path, found: str) -> Check:
    loose = _loose_requirements(path.read_text(encoding="utf-8")) if path.is_file() else []
    if not path.is_file():
        found = f"no {path}"
    elif loose:
        found = f"{len(loose)} requirements without == or hash, the first: {loose[0]}"
    return Check(
        name=name,
        ok=path.is_file() and not loose,
        found=found,
        expected="a requirements file with == and --hash=sha256: for every package",
        repair=f"uv pip compile --universal --generate-hashes requirements.in -o {path.name}",
    )


def _loose_requirements(text: str) -> list[str]:
    """Requirements that do not name one version and its hashes."""
    lines = text.replace("\\\n", " ").splitlines()
    wanted = [line.strip() for line in lines if line.strip() and not line.strip().startswith(("#", "-"))]
    return [line[:80] for line in wanted if "==" not in line.split(";")[0] or "--hash=sha256:" not in line]
