"""`nimbench image lint` grades from files alone."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from bench.cli.image_lint import _show_rebuild, command
from bench.cli.rebuilding import chosen_build
from bench.errors import InputError, LimitError
from bench.images.pins.files import lint_build
from bench.images.rebuild import Difference, RebuildReport
from tests.cli.nimbench import nimbench
from tests.dockerside import requires_docker

NAIVE = "FROM python:3.11\nRUN pip install transformers\n"


def lint(*words):
    return CliRunner().invoke(command, ["--no-hadolint", *map(str, words)], catch_exceptions=True)


def test_every_finding_has_line_and_repair(tmp_path):
    (tmp_path / "Dockerfile").write_text(NAIVE)
    document = json.loads(lint("--json", tmp_path).stdout)
    assert document["grade"] == "D"
    assert [(one["rule"], one["line"]) for one in document["findings"]] == [
        ("base-not-by-digest", 1),
        ("cache-left", 2),
        ("pip-not-pinned", 2),
    ]
    assert all(one["repair"] and one["text"] and one["file"].endswith("Dockerfile") for one in document["findings"])


def test_a_person_reads_a_table_and_why(tmp_path):
    (tmp_path / "Dockerfile").write_text(NAIVE)
    done = lint(tmp_path)
    assert "Grade D: 7 points (base-not-by-digest 3, pip-not-pinned 3, cache-left 1)." in done.stdout
    assert "Dockerfile:2" in done.stdout


def test_only_a_limit_makes_a_bad_grade_an_error(tmp_path):
    (tmp_path / "Dockerfile").write_text(NAIVE)
    assert lint(tmp_path).exit_code == 0
    assert isinstance(lint(tmp_path, "--fail-below", "B").exception, LimitError)
    assert lint(tmp_path, "--fail-below", "D").exit_code == 0


def test_build_arguments_are_given_as_to_docker(tmp_path):
    (tmp_path / "Dockerfile").write_text("ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n")
    assert json.loads(lint("--json", tmp_path).stdout)["grade"] == "A"
    assert json.loads(lint("--json", "--build-arg", "BASE_IMAGE=a:1", tmp_path).stdout)["grade"] == "C"


def test_the_verb_needs_no_measuring_host(tmp_path):
    (tmp_path / "Dockerfile").write_text(NAIVE)
    done = nimbench("image", "lint", "--fail-below", "A", "Dockerfile", cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert "nimbench: the grade D is below A" in done.stderr


def test_lint_loads_neither_docker_nor_a_network_library(tmp_path):
    (tmp_path / "Dockerfile").write_text(NAIVE)
    program = (
        "import sys\n"
        "sys.modules['docker'] = sys.modules['httpx'] = None\n"
        "from bench.cli.image_lint import command\n"
        f"command(['--no-hadolint', {str(tmp_path)!r}], standalone_mode=False)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_rebuild_of_no_build_is_refused_before_anything_starts(tmp_path):
    done = lint("--rebuild", tmp_path, "a", "b")
    assert done.exit_code == 2
    assert "--rebuild takes SCENARIO ARM, or one folder with a Dockerfile" in done.output
    with pytest.raises(InputError, match="no arm of this name is built here"):
        chosen_build(["demo-docker", "nim"], {})


def test_the_build_of_an_arm_is_named_by_no_path_of_this_host():
    chosen = chosen_build(["demo-docker", "custom"], {"EXTRA": "1"})
    assert (chosen.name, chosen.build.args["EXTRA"], chosen.build.base_made) == ("custom", "1", "debian-bookworm")
    found = lint_build(chosen.build, hadolint=False)
    assert found.files == ("Dockerfile", "requirements.lock")
    assert {str(one.rule) for one in found.findings} == {"apt-not-pinned"}


@requires_docker
@pytest.mark.slow
def test_two_builds_of_a_folder_are_compared(tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY file /file\n")
    (tmp_path / "file").write_text("fixed")
    done = lint("--json", "--rebuild", tmp_path)
    document = json.loads(done.stdout)
    assert document["grade"] == "A", document
    assert document["rebuild"]["grade"] in ("A", "B")
    assert document["rebuild"]["differing"] == []


def test_what_may_differ_is_one_row_for_each_reason(capsys):
    bytecode = [Difference(path=f"a/{n}.pyc", layer=1, why="content", reason="times") for n in range(3)]
    changed = Difference(path="etc/x", layer=0, why="content")
    _show_rebuild(RebuildReport(grade="C", digests=("a", "b"), differing=(changed,), named=tuple(bytecode)))
    rows = [line.split("  ")[0] for line in capsys.readouterr().out.splitlines() if line]
    assert rows[1:3] == ["etc/x", "a/0.pyc and 2 more"]
    assert rows[-1].startswith("Built twice: Grade C: 1 file")


NIGHTLY = f"FROM python@sha256:{'a' * 64}\nRUN pip install --no-cache-dir --pre vllm\n"


def test_the_exception_for_nightly_builds_has_a_reason_and_a_last_day(tmp_path):
    (tmp_path / "Dockerfile").write_text(NIGHTLY)
    assert json.loads(lint("--json", tmp_path).stdout)["grade"] == "D"
    words = ("--day-zero", "no release knows this model")
    document = json.loads(lint("--json", *words, "--until", "2999-12-31", tmp_path).stdout)
    assert (document["grade"], document["findings"], len(document["excused"])) == ("A", [], 2)
    assert "no release knows this model" in lint(*words, "--until", "2999-12-31", tmp_path).stdout
    assert json.loads(lint("--json", *words, "--until", "2020-01-01", tmp_path).stdout)["grade"] == "F"


@pytest.mark.parametrize(
    "words",
    [("--day-zero", "why"), ("--until", "2999-12-31"), ("--day-zero", " ", "--until", "2999-12-31"),
     ("--day-zero", "why", "--until", "tomorrow")],
)  # fmt: skip
def test_half_an_exception_is_bad_input(tmp_path, words):
    (tmp_path / "Dockerfile").write_text(NIGHTLY)
    error = lint(*words, tmp_path).exception
    assert isinstance(error, InputError)
    assert error.expected and error.got and error.repair


@pytest.mark.parametrize("name", ["Dockerfile", "image"])
@pytest.mark.parametrize("content", [b"", b"\n\n", b"\x7fELF\0\1"])
def test_what_is_no_text_is_no_build(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    done = nimbench("image", "lint", "--no-hadolint", name, cwd=tmp_path)
    assert done.returncode == 2
    assert f"{name}: this is no Dockerfile" in done.stderr and "Traceback" not in done.stderr
