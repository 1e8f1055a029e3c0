"""Images are built by the real BuildKit of a real engine, from an image of BusyBox."""

from __future__ import annotations

import secrets
import socket
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.container import Build, BuildRecord, ImageFacts
from bench.dockerhost.labels import ARM, RUN, SCENARIO
from bench.errors import ArmError, InputError, PrerequisiteError
from bench.images.build import build_image
from bench.images.buildkit import find_client
from bench.images.local import image_facts
from bench.images.ours import own_images, remove_own_images
from bench.vocabulary import FailureKind
from tests.dockerside import requires_docker

pytestmark = [requires_docker, pytest.mark.slow]  # seconds of real builds and transfers
CANARY = "canary-5Yq2-value-of-a-secret"

Builder = Callable[..., tuple[ImageFacts, BuildRecord]]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock of builds is the cache's: a long build of another run is not waited for."""
    monkeypatch.setenv("NIMBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def base(client: Any, tiny_image: str) -> ImageFacts:
    """BuildKit takes a base by its name, not by its id."""
    return image_facts(client, client.images.get(tiny_image).tags[0])


@pytest.fixture
def build(client: Any, base: ImageFacts, tmp_path: Path) -> Iterator[Builder]:
    """Builds a folder that holds this Dockerfile and these files; its images are removed."""
    tag = f"nimbench-tests/built:{secrets.token_hex(6)}"
    context = tmp_path / "context"

    def make(dockerfile: str, files: dict[str, str] | None = None, **more: Any) -> tuple[ImageFacts, BuildRecord]:
        context.mkdir(exist_ok=True)
        for name, text in {"Dockerfile": dockerfile, **(files or {})}.items():
            (context / name).parent.mkdir(parents=True, exist_ok=True)
            (context / name).write_text(text)
        asked = {name: more.pop(name) for name in ("args", "secrets", "target", "wheelhouse") if name in more}
        return build_image(
            Build(context=str(context), **asked), tag=tag, arm="custom", log_path=tmp_path / "build.log",
            **{"base": base, "client": client} | more,
        )  # fmt: skip

    yield make
    while found := client.images.list(name=tag):
        client.images.remove(found[0].id, force=True)


def step(word: str) -> str:
    """A step that no earlier build has done."""
    return f"RUN echo {word} {secrets.token_hex(6)} > /{word}\n"


START = "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n"


def test_a_build_says_everything_that_decided_it(build: Builder, base: ImageFacts, tmp_path: Path) -> None:
    events: list[Any] = []
    facts, record = build(
        f"{START}ARG WORD=no\n{step('one')}RUN echo $WORD > /word\nCOPY greeting /\n",
        {"greeting": "hello\n"},
        args={"WORD": "yes"},
        labels={SCENARIO: "s", ARM: "custom", RUN: "r-1"},
        progress=events.append,
    )
    assert record.cold and record.cached_s is not None
    assert record.cached_s < record.wall_s
    assert record.args == {"WORD": "yes"}
    assert record.base == f"{base.reference} ({base.id})"
    assert "BuildKit" in record.tool and "Docker version" in record.tool
    assert len(record.dockerfile_sha256) == 64
    assert record.context_bytes >= len("hello\n")
    assert record.wheelhouse_files is None and record.pip_check is None
    assert facts.labels[SCENARIO] == "s" and facts.labels[ARM] == "custom"
    assert RUN not in facts.labels, "the run's id would make every build another image"
    assert [event.data["step"].partition("] ")[2].split()[0] for event in events] == ["RUN", "RUN", "COPY"]
    log = (tmp_path / "build.log").read_text()
    assert log.count("$ DOCKER_BUILDKIT=1") == 2 and "CACHED" in log


def test_the_same_build_from_the_cache_is_not_called_cold(build: Builder) -> None:
    dockerfile = START + step("one")
    first, cold = build(dockerfile, no_cache=False)
    again, warm = build(dockerfile, no_cache=False)
    assert cold.cold, "no step was in the cache yet"
    assert not warm.cold
    assert again.id == first.id


def test_no_secret_is_in_the_image_its_history_the_log_or_the_record(
    build: Builder, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INDEX_LOGIN", CANARY)  # not a name that looks like a secret's
    facts, record = build(
        f"{START}{step('one')}RUN --mount=type=secret,id=INDEX_LOGIN sha256sum /run/secrets/INDEX_LOGIN > /seen"
        " && cat /run/secrets/INDEX_LOGIN && echo\n",
        secrets=("INDEX_LOGIN",),
    )
    log = (tmp_path / "build.log").read_text()
    assert "[redacted]" in log, "the step printed it"
    said = (
        log + repr(record) + repr(facts) + repr(client.api.history(facts.id)) + repr(client.api.inspect_image(facts.id))
    )
    assert CANARY not in said
    whole = tmp_path / "image.tar"
    whole.write_bytes(b"".join(client.images.get(facts.id).save()))
    with tarfile.open(whole) as image:
        contents = [image.extractfile(one).read() for one in image if one.isfile()]  # type: ignore[union-attr]
    assert not [part for part in contents if CANARY.encode() in part]
    assert [part for part in contents if b"/run/secrets/INDEX_LOGIN" in part], "the step did read it"


def test_a_secret_that_is_not_set_is_told_before_anything_is_built(build: Builder, tmp_path: Path) -> None:
    with pytest.raises(
        PrerequisiteError, match=r"arms\.custom\.build\.secrets.*NOT_SET_HERE(.|\n)*export NOT_SET_HERE"
    ):
        build(START, secrets=("NOT_SET_HERE",))
    assert not (tmp_path / "build.log").exists()


def test_a_failing_step_is_named_with_its_last_lines_and_a_command_that_fails_the_same_way(
    build: Builder, tmp_path: Path
) -> None:
    with pytest.raises(ArmError) as caught:
        build(f"{START}{step('one')}RUN echo the reason >&2 && exit 7\n{step('two')}")
    error = caught.value
    assert (error.kind, error.exit_code) == (FailureKind.BUILD_FAILED, 4)
    assert "RUN echo the reason" in error.text and "exit code: 7" in error.text
    assert error.log_tail[-1] == "the reason"
    assert str(tmp_path / "build.log") in error.repair
    again = subprocess.run(["sh", "-c", error.command], capture_output=True, text=True)
    assert again.returncode and "exit code: 7" in again.stdout + again.stderr


def test_a_disk_that_is_full_is_not_the_dockerfiles_fault(build: Builder) -> None:
    with pytest.raises(ArmError) as caught:
        build(f"{START}RUN echo much > /dev/full\n")  # a device that is always full
    assert caught.value.kind is FailureKind.DISK_FULL


def test_a_dockerfile_that_cannot_be_read_is_told_with_its_line(build: Builder) -> None:
    with pytest.raises(ArmError, match="RUNN") as caught:
        build(f"{START}RUNN true\n")
    assert caught.value.kind is FailureKind.BUILD_FAILED


def test_an_earlier_build_of_the_same_name_stays_and_is_found_among_ours(build: Builder, client: Any) -> None:
    scenario = f"built-{secrets.token_hex(4)}"
    first, _ = build(START + step("one"), labels={SCENARIO: scenario})
    second, _ = build(START + step("two"), labels={SCENARIO: scenario})
    assert first.id != second.id
    unnamed = [image for image in own_images() if image.scenario == scenario]
    assert [(image.id, image.names) for image in unnamed] == [(first.id, ())]
    assert remove_own_images(unnamed) == {}
    assert first.id not in client.api.images(all=True, quiet=True)


def test_a_base_of_the_dockerfiles_own_is_recorded(build: Builder, base: ImageFacts) -> None:
    _, record = build(f"ARG BASE_IMAGE={base.reference}\nFROM ${{BASE_IMAGE}}\n{step('one')}", base=None)
    assert record.base == base.reference


def test_only_the_stage_that_is_asked_for_is_built(build: Builder) -> None:
    facts, _ = build(f"{START[:-1]} AS first\nLABEL stage=first\nFROM first\nLABEL stage=second\n", target="first")
    assert facts.labels["stage"] == "first"


def test_wheels_are_lent_to_a_step_and_stay_out_of_the_image(build: Builder, tmp_path: Path) -> None:
    """A folder that brings its own wheelhouse needs no network, and no Python on this side."""
    lock = tmp_path / "requirements.lock"
    lock.write_text("nothing==1.0 --hash=sha256:00\n")
    facts, record = build(
        f"{START}RUN --mount=type=bind,source=wheelhouse,target=/wheelhouse cat /wheelhouse/a.whl > /sum\n",
        {"wheelhouse/a.whl": "12345", "wheelhouse/b.whl": "123"},
        wheelhouse=str(lock),
    )
    assert (record.wheelhouse_files, record.wheelhouse_bytes) == (2, 8)
    assert facts.layers == 2


def test_a_folder_without_a_dockerfile_is_bad_input(client: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no Dockerfile"):
        build_image(
            Build(context=str(tmp_path)), tag="nimbench-tests/none:1", base=None, arm="custom",
            log_path=tmp_path / "build.log", client=client,
        )  # fmt: skip


def test_an_engine_that_went_away_is_not_the_dockerfiles_fault(
    build: Builder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The docker program is sent to a socket at which nobody listens."""
    program, gone = find_client(), tmp_path / "gone.sock"
    with socket.socket(socket.AF_UNIX) as nobody:
        nobody.bind(str(gone))
    monkeypatch.setattr("bench.images.build.find_client", lambda: program)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{gone}")
    with pytest.raises(ArmError) as caught:
        build(START)
    assert caught.value.kind is FailureKind.ENGINE_GONE
