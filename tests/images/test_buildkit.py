"""What BuildKit's plain output tells, and which docker program can drive it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import PrerequisiteError
from bench.images.buildkit import LINE_CHARACTERS, Steps, find_client, follow
from tests.dockerside import requires_docker

# The forms of engine 20.10 and of buildx, in words of our own.
HEAD = [
    "#1 [internal] load build definition from Dockerfile",
    "#1 DONE 0.0s",
    "#4 [1/3] FROM docker.io/x/y:1",
    "#4 CACHED",
]


def fed(*lines: str) -> Steps:
    steps = Steps()
    for line in (*HEAD, *lines):
        steps.feed(line)
    return steps


def test_a_base_that_is_here_is_no_step_from_a_cache() -> None:
    assert fed("#5 [2/3] RUN one", "#5 DONE 1.0s").none_cached


def test_one_step_from_the_cache_is_not_cold_and_not_all() -> None:
    steps = fed("#5 [stage-1 2/3] RUN one", "#5 CACHED", "#6 [stage-1 3/3] RUN two", "#6 DONE 0.1s")
    assert not steps.none_cached and not steps.all_cached


def test_the_failing_step_keeps_its_own_lines_among_those_of_others() -> None:
    steps = fed(
        "#5 [a 2/2] RUN one", "#6 [b 2/2] RUN two", "#5 0.101 of five", "#6 0.102 of six", "#6 ERROR: exit code: 3",
        "#5 CANCELED", "------", "ERROR: failed to solve: exit code: 3",
    )  # fmt: skip
    assert steps.names[steps.failed or ""] == "[b 2/2] RUN two"
    assert steps.tail(5) == ("of six",)
    assert steps.reason == "exit code: 3"


def test_a_step_is_told_once_though_its_name_comes_again() -> None:
    steps = Steps()
    told = [steps.feed(line) for line in ("#5 [2/3] RUN one", "#5 0.1 x", "#5 [2/3] RUN one")]
    assert told == ["[2/3] RUN one", None, None]


def test_long_lines_are_bounded_and_the_exit_code_comes_back() -> None:
    lines: list[str] = []
    assert follow(["sh", "-c", "printf '%5000d\\n' 1; exit 3"], {"PATH": "/usr/bin:/bin"}, lines.append) == 3
    assert len(lines[0]) == LINE_CHARACTERS


@requires_docker
def test_a_client_is_found_by_what_it_builds() -> None:
    assert "Docker version" in find_client().version


@requires_docker
def test_a_client_that_cannot_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = find_client()
    fake = tmp_path / "docker"
    fake.write_text("#!/bin/sh\necho 'ERROR: the buildx component is missing' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{Path(good.program).parent}")
    assert find_client() == good
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PrerequisiteError, match="buildx component is missing"):
        find_client()
