"""The staged folder: what a Dockerfile sees."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.container import Build
from bench.errors import InputError
from bench.images.context import argument, staged


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIMBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inner = tmp_path / "images" / "one"
    inner.mkdir(parents=True)
    (inner / "Dockerfile").write_text("ARG PYTHON_VERSION=3.11\nFROM scratch\n")
    (tmp_path / "server.py").write_text("print()\n")
    return inner


def test_files_of_other_folders_and_wheels_lie_beside_the_dockerfile_and_the_copy_goes(
    folder: Path, tmp_path: Path
) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / "a.whl").write_bytes(b"12345")
    (folder / "context.files").write_text("# comment\n\nbin/server.py   ../../server.py\n")
    (folder / "__pycache__").mkdir()
    with staged(Build(context=str(folder)), wheels, "t:1") as stage:
        names = sorted(str(path.relative_to(stage.folder)) for path in stage.folder.rglob("*") if path.is_file())
        assert names == ["Dockerfile", "bin/server.py", "context.files", "wheelhouse/a.whl"]
        assert (stage.wheelhouse_files, stage.wheelhouse_bytes) == (1, 5)
        assert stage.bytes == sum((stage.folder / name).stat().st_size for name in names)
    assert not stage.folder.exists()
    assert (wheels / "a.whl").exists()


def test_the_copy_is_kept_when_the_build_fails_and_made_anew_the_next_time(folder: Path) -> None:
    with pytest.raises(RuntimeError), staged(Build(context=str(folder)), None, "t:1") as stage:
        (stage.folder / "left").touch()
        raise RuntimeError
    assert (stage.folder / "left").exists()
    with staged(Build(context=str(folder)), None, "t:1") as again:
        assert again.folder == stage.folder
        assert not (again.folder / "left").exists()


@pytest.mark.parametrize("line", ["server.py", "/abs ../../server.py", "../up ../../server.py", "server.py ../none.py"])
def test_a_line_that_names_no_file_is_bad_input(folder: Path, line: str) -> None:
    (folder / "context.files").write_text(f"# one\n{line}\n")
    with pytest.raises(InputError, match=r"context\.files:2"), staged(Build(context=str(folder)), None, "t:1"):
        pass


def test_an_argument_is_the_scenarios_else_the_dockerfiles(folder: Path) -> None:
    assert argument(Build(context=str(folder)), "PYTHON_VERSION") == "3.11"
    assert argument(Build(context=str(folder), args={"PYTHON_VERSION": "3.12"}), "PYTHON_VERSION") == "3.12"
    assert argument(Build(context=str(folder)), "OTHER") is None
