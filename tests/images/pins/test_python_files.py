"""Requirement files, pyproject.toml, locks and environments: the right rule at the right line."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.images.pins.files import lint_files
from bench.images.pins.python_files import is_python_file, lint_python_file

SUM = "0123456789abcdef" * 4
COMMIT = SUM[:40]
HASH = f"sha256:{SUM}"


def found(folder: Path, name: str, text: str) -> list[tuple[int, str]]:
    (folder / name).write_text(text)
    return [(one.line, str(one.rule)) for one in lint_python_file(folder / name)]


def test_lines_of_a_requirements_file_are_read_as_pip_reads_them(tmp_path: Path) -> None:
    text = f"""# a comment
locked==1.0 \\
    --hash={HASH} \\
    --hash=sha256:{"0" * 64}
loose>=2  # why
exact == 3 ; python_version < "3.12"
name @ https://host/a.whl
-e git+https://github.com/a/b@v1#egg=b
./local
also-exact==4 \\
# a comment ends the line before it
--index-url https://wheels.example/nightly
"""
    assert found(tmp_path, "requirements.txt", text) == [
        (5, "pip-not-pinned"),
        (6, "pip-no-hash"),
        (7, "url-no-checksum"),
        (8, "git-not-pinned"),
        (12, "nightly"),
        (9, "unreadable"),  # ./local is not there
    ]


def test_a_missing_hash_is_told_once_for_a_file_with_all_its_lines(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("a==1\nb==2\nc==3\n")
    (one,) = lint_python_file(tmp_path / "requirements.txt")
    assert (one.line, str(one.rule)) == (1, "pip-no-hash")
    assert "3 exact versions" in one.text and "1, 2, 3" in one.text


def test_a_file_that_requires_hashes_misses_none(tmp_path: Path) -> None:
    assert found(tmp_path, "requirements.txt", "--require-hashes\na==1\n") == []


def test_files_that_a_file_names_are_read_with_it(tmp_path: Path) -> None:
    (tmp_path / "base.txt").write_text("deep\n-r requirements.txt\n")  # and back: once is enough
    (tmp_path / "constraints.txt").write_text("numpy==2.0\nscipy<2\n")
    (tmp_path / "requirements.txt").write_text("-r base.txt\n-c constraints.txt\nnumpy\nscipy\n")
    told = [(Path(one.file).name, one.line, str(one.rule)) for one in lint_python_file(tmp_path / "requirements.txt")]
    assert told == [
        ("requirements.txt", 3, "pip-no-hash"),
        ("requirements.txt", 4, "pip-not-pinned"),
        ("base.txt", 1, "pip-not-pinned"),
    ]
    assert found(tmp_path, "constraints.txt", "numpy==2.0\nscipy<2\n") == [], "it installs nothing"


def test_projects_and_lists_that_a_list_names_are_read_with_it(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    project = '[project]\nname = "x"\ndependencies = ["scipy"]\n[project.optional-dependencies]\ngpu = ["cupy"]\n'
    (tmp_path / "sub/pyproject.toml").write_text(project)
    (tmp_path / "base.txt").write_text("numpy\n")
    expected = [
        ("base.txt", 1, "pip-not-pinned"),
        ("pyproject.toml", 3, "pip-not-pinned"),
        ("pyproject.toml", 5, "pip-not-pinned"),
    ]
    (tmp_path / "requirements.txt").write_text("-r base.txt\n-e ./sub[gpu]\n")
    text = "dependencies:\n  - pip:\n    - -r base.txt\n    - ./sub[gpu]\n"
    (tmp_path / "environment.yml").write_text(text)
    for name in ("requirements.txt", "environment.yml"):
        told = [(Path(one.file).name, one.line, str(one.rule)) for one in lint_python_file(tmp_path / name)]
        assert sorted(told) == expected, name
    (tmp_path / "requirements.txt").write_text("--require-hashes\n-e ./absent\n")
    assert lint_python_file(tmp_path / "requirements.txt") == []


def test_a_file_that_is_named_and_given_too_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("-r requirements-more.txt\n")
    (tmp_path / "requirements-more.txt").write_text("loose\n")
    assert len(lint_files([tmp_path], hadolint=False).findings) == 1


def test_the_source_of_a_lock_is_what_it_should_be(tmp_path: Path) -> None:
    assert found(tmp_path, "requirements.in", "vllm\n") == [(1, "pip-not-pinned")]
    (tmp_path / "requirements.txt").write_text(f"vllm==1 --hash={HASH}\n")
    assert found(tmp_path, "requirements.in", "vllm\n") == []


def test_an_explicit_list_of_conda_wants_its_sums(tmp_path: Path) -> None:
    text = f"@EXPLICIT\nhttps://host/a-1-0.conda#{SUM[:32]}\nhttps://host/b-1-0.tar.bz2\n"
    assert found(tmp_path, "explicit.txt", text) == [(3, "url-no-checksum")]


PROJECT = """[build-system]
requires = ["hatchling"]

[project]
name = "x"
dependencies = [
  "torch>=2",
  'vllm==0.11.0',
  "k @ git+https://github.com/a/b",
  "here",
]

[project.optional-dependencies]
more = ["rich==1.0 ; python_version < \\"3.12\\"", "loose"]

[dependency-groups]
dev = ["pytest", {include-group = "x"}]

[tool.uv.sources]
here = { path = "../here" }

[[tool.uv.index]]
url = "https://wheels.example/nightly/cu128"

[tool.poetry.dependencies]
python = "^3.11"
caret = "^1"
bare = "1.2.3"
moving = {git = "https://host/y", branch = "main"}
still = {git = "https://host/y", rev = "COMMIT"}

[tool.poetry.dependencies.long]
version = "*"
"""


def test_every_table_of_a_project_is_read(tmp_path: Path) -> None:
    assert found(tmp_path, "pyproject.toml", PROJECT.replace("COMMIT", COMMIT)) == [
        (2, "pip-not-pinned"),
        (7, "pip-not-pinned"),
        (8, "pip-no-hash"),
        (9, "git-not-pinned"),
        (14, "pip-not-pinned"),
        (17, "pip-not-pinned"),
        (23, "nightly"),
        (27, "pip-not-pinned"),
        (29, "git-not-pinned"),
        (32, "pip-not-pinned"),
    ]


def test_beside_a_lock_only_what_no_lock_holds_is_left(tmp_path: Path) -> None:
    (tmp_path / "uv.lock").write_text("version = 1\n")
    assert found(tmp_path, "pyproject.toml", PROJECT) == [(2, "pip-not-pinned"), (23, "nightly")]


UV = f"""version = 1
[[package]]
name = "good"
version = "1.0"
source = {{ registry = "https://host/simple" }}
wheels = [{{ url = "https://host/good.whl", hash = "{HASH}" }}]
[[package]]
name = "bare"
version = "1.0"
source = {{ registry = "https://host/simple" }}
wheels = [{{ url = "https://host/bare.whl" }}]
[[package]]
name = "repo"
version = "1.0"
source = {{ git = "https://host/repo?rev=main#{COMMIT}" }}
[[package]]
name = "early"
version = "1.0rc1"
source = {{ registry = "https://host/nightly" }}
sdist = {{ url = "https://host/early.tar.gz", hash = "{HASH}" }}
[[package]]
name = "self"
version = "0"
source = {{ virtual = "." }}
"""
POETRY = f"""[[package]]
name = "good"
version = "1.0"
files = [{{file = "good.whl", hash = "{HASH}"}}]
[[package]]
name = "bare"
version = "1.0"
files = []
[[package]]
name = "repo"
version = "1.0"
[package.source]
type = "git"
resolved_reference = "main"
[[package]]
name = "old"
version = "1.0"
[metadata.files]
old = [{{file = "old.whl", hash = "{HASH}"}}]
"""
PYLOCK = f"""lock-version = "1.0"
[[packages]]
name = "good"
version = "1.0"
wheels = [{{url = "https://host/good.whl", hashes = {{sha256 = "{SUM}"}}}}]
[[packages]]
name = "repo"
vcs = {{type = "git", url = "https://host/repo", commit-id = "{COMMIT}"}}
[[packages]]
name = "bare"
archive = {{url = "https://host/bare.zip", hashes = {{}}}}
"""
PIPFILE = f"""{{
  "_meta": {{}},
  "default": {{
    "good": {{
      "hashes": ["{HASH}"],
      "version": "==1.0"
    }},
    "bare": {{
      "version": "==1.0"
    }},
    "any": {{
      "version": "*"
    }},
    "repo": {{
      "git": "https://host/repo",
      "ref": "{COMMIT}"
    }}
  }},
  "develop": {{
    "good": {{
      "version": "==1.0"
    }}
  }}
}}
"""


@pytest.mark.parametrize(
    "name, text, answer",
    [
        ("uv.lock", UV, [(7, "pip-no-hash"), (16, "nightly")]),
        ("poetry.lock", POETRY, [(5, "pip-no-hash"), (9, "git-not-pinned")]),
        ("pylock.toml", PYLOCK, [(9, "url-no-checksum")]),
        ("Pipfile.lock", PIPFILE, [(8, "pip-no-hash"), (11, "pip-not-pinned")]),
    ],
)
def test_a_lock_is_exact_but_may_lack_hashes_or_lock_what_moves(
    tmp_path: Path, name: str, text: str, answer: list[tuple[int, str]]
) -> None:
    assert found(tmp_path, name, text) == answer


def test_an_environment_of_conda_is_read_with_its_pip_part(tmp_path: Path) -> None:
    text = """channels: [conda-forge, pytorch-nightly]
dependencies:
  - python=3.11
  - numpy=1.26.4
  - scipy==1.14
  - conda-forge::pip=24.0=pyhd8ed1ab_0
  - "blas[version='1.0.0']"
  - pandas
  - xz >=5
  - zlib=1.3.*
  - pip:
      - transformers
      - torch==2.5.1
"""
    assert found(tmp_path, "environment.yml", text) == [
        (1, "nightly"),
        (3, "conda-not-pinned"),
        (8, "conda-not-pinned"),
        (9, "conda-not-pinned"),
        (10, "conda-not-pinned"),
        (12, "pip-not-pinned"),
        (13, "pip-no-hash"),
    ]


@pytest.mark.parametrize(
    "name, content",
    [
        ("uv.lock", b"not = toml ="),
        ("uv.lock", b""),
        ("uv.lock", b"package = 3"),
        ("uv.lock", b"[[package]]\nname = 'a'\nsource = 'b'\n"),
        ("poetry.lock", b"package = [1]"),
        ("pyproject.toml", b"[project\n"),
        ("Pipfile.lock", b"[" * 100_000),
        ("Pipfile.lock", b"[]"),
        ("environment.yml", b"a: [\n"),
        ("requirements.txt", b"\xff\xfe\x00"),
    ],
)
def test_what_cannot_be_read_is_one_finding_and_no_error(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    (one,) = lint_python_file(tmp_path / name)
    assert (str(one.rule), one.weight) == ("unreadable", 3)


def test_no_file_is_opened_because_a_list_names_it_unless_it_is_a_list(tmp_path: Path) -> None:
    (tmp_path / "secret.key").write_text("loose\n")
    text = f"-r secret.key\n-r {tmp_path}/requirements.txt\n-r missing.txt\n"
    assert found(tmp_path, "requirements.txt", text) == [(1, "unreadable"), (2, "unreadable"), (3, "unreadable")]
    assert {one.weight for one in lint_python_file(tmp_path / "requirements.txt")} == {3}
    (tmp_path / "requirements.txt").write_text("--require-hashes\n-r missing.txt\n")
    assert [one.weight for one in lint_python_file(tmp_path / "requirements.txt")] == [0]


def test_files_are_known_by_their_names() -> None:
    known = "requirements.txt requirements-dev.txt dev-requirements.in requirements.lock constraints.txt uv.lock"
    known += " poetry.lock pdm.lock Pipfile.lock pyproject.toml pylock.toml pylock.dev.toml environment.yml conda.yaml"
    assert all(is_python_file(Path(name)) for name in [*known.split(), "requirements/base.txt"])
    assert not any(is_python_file(Path(name)) for name in ["notes.txt", "Cargo.lock", "compose.yml", "setup.cfg"])
