"""`nimbench image lint` grades from files alone."""

import json
import subprocess
import sys

from click.testing import CliRunner

from bench.cli.image_lint import command
from bench.errors import LimitError
from tests.cli.nimbench import nimbench

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
