from __future__ import annotations

import pytest

from bench.container import Mount
from bench.dockerhost.labels import RUN
from bench.errors import ArmError
from bench.runtimes.once import run_once
from bench.vocabulary import FailureKind
from tests.dockerside import requires_docker
from tests.runtimes.containers import container_spec, with_memory

pytestmark = requires_docker


def test_a_step_gives_its_whole_output_redacted_and_its_code(client, tiny_image, run_id, tmp_path, monkeypatch):
    monkeypatch.setenv("NGC_API_KEY", "canary-4711-0815")
    (tmp_path / "file").write_text("x")
    script = "sha256sum /data/file; seq 3000; echo $NGC_API_KEY >&2; printf end; exit 5"
    mounts = (Mount(target="/data", path=str(tmp_path), read_only=True),)
    spec = container_spec(tiny_image, run_id, script, mounts=mounts, secrets=("NGC_API_KEY",))
    told: list[str] = []
    done = run_once(spec, arm="tiny", timeout_s=30, on_line=told.append)
    lines = done.output.splitlines()
    stdout = ["2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881  /data/file", *map(str, range(1, 3001))]
    assert [line for line in lines if line != "[redacted]"] == [*stdout, "end"]
    assert "[redacted]" in lines, "stderr comes by a pipe of its own, so its place among the others is not certain"
    assert told == lines
    assert (done.exit_code, done.oom) == (5, False)
    assert not client.containers.list(all=True, filters={"label": f"{RUN}={run_id}"})


@pytest.mark.slow
def test_a_step_that_hangs_is_ended_and_its_last_words_are_told(client, tiny_image, run_id):
    with pytest.raises(ArmError) as caught:
        run_once(container_spec(tiny_image, run_id, "echo waiting; sleep 60"), arm="tiny", timeout_s=3)
    assert caught.value.kind is FailureKind.TIMEOUT
    assert caught.value.log_tail == ("waiting",)
    assert not client.containers.list(all=True, filters={"label": f"{RUN}={run_id}"})


def test_a_step_that_is_killed_for_memory_says_so(tiny_image, run_id):
    script = "dd if=/dev/zero of=/dev/null bs=200M count=2"
    done = run_once(container_spec(tiny_image, run_id, script, settings=with_memory(16 << 20)), arm="t", timeout_s=30)
    assert done.oom
    assert done.exit_code == 137


def test_a_step_whose_program_is_missing_is_named(tiny_image, run_id):
    with pytest.raises(ArmError) as caught:
        run_once(container_spec(tiny_image, run_id, argv=("list-model-profiles",)), arm="tiny", timeout_s=5)
    assert caught.value.kind is FailureKind.ENTRYPOINT_MISSING


def test_an_interrupt_while_the_engine_creates_leaves_no_container(client, tiny_image, run_id, monkeypatch):
    """The engine has made it, and its answer never reaches us."""
    import docker.api.client

    real = docker.api.client.APIClient.create_container

    def interrupted(*args, **kwargs):
        real(*args, **kwargs)
        raise KeyboardInterrupt

    monkeypatch.setattr(docker.api.client.APIClient, "create_container", interrupted)
    spec = container_spec(tiny_image, run_id, "true")
    with pytest.raises(KeyboardInterrupt):
        run_once(spec, arm="a", timeout_s=10)
    assert client.containers.list(all=True, filters={"label": f"{RUN}={run_id}"}) == []
