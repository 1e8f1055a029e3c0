"""Arms in containers, on a real engine."""

from __future__ import annotations

import base64
import time
import urllib.request
from pathlib import Path

import docker.errors
import pytest

from bench.clock import now_ns, since_s
from bench.container import Container, Mount
from bench.dockerhost.labels import ARM, PID, RUN
from bench.errors import ArmError, PrerequisiteError
from bench.runtimes.base import Exit
from bench.runtimes.docker_create import create_container
from bench.runtimes.failures import classify
from bench.runtimes.ready import wait_ready
from bench.vocabulary import FailureKind, Ipc, Mark, Network
from tests.dockerhost.sockets import EngineProxy
from tests.dockerside import requires_docker
from tests.runtimes.containers import container_spec, launch, server_spec, started, with_memory

pytestmark = requires_docker
CANARY = "canary-4711-0815-value"
MIB = 1 << 20


def silent(event):
    del event


def end_of(arm) -> Exit:
    deadline = time.monotonic() + 30
    while (exited := arm.exited()) is None:
        assert time.monotonic() < deadline, "it still runs"
        time.sleep(0.01)
    return exited


def ended(container, port, folder):
    """(exit, failure, log) of a container that ends by itself."""
    arm = started(container, port, folder)
    exited = end_of(arm)
    log = arm.log_path.read_text()
    arm.stop()
    return exited, classify("llamacpp", log, exited), log


def test_an_arm_serves_and_leaves_nothing_but_its_log(client, tiny_image, run_id, free_port, tmp_path):
    begun = now_ns()
    arm = started(server_spec(tiny_image, run_id, free_port), free_port, tmp_path)
    ready = wait_ready(arm, launch(server_spec(tiny_image, run_id, free_port), free_port), silent)
    with urllib.request.urlopen(f"http://127.0.0.1:{free_port}/v1/models") as answer:
        assert b"data" in answer.read()
    assert arm.exited() is None
    pid = arm.pids()["engine"]
    assert b"httpd" in Path(f"/proc/{pid}/cmdline").read_bytes()
    assert arm.image_id == tiny_image
    client.containers.get(arm.container_id).exec_run("dd if=/dev/zero of=/tmp/mine bs=1M count=3")

    arm.stop()

    texts = [line.split(" ", 1)[1] for line in (tmp_path / "server.log").read_text().splitlines()]
    assert texts == ["engine serving", "engine leaving"], "SIGTERM came before SIGKILL"
    marks = ready | arm.marks_ns()
    order = [Mark.CREATED, Mark.PROCESS_STARTED, Mark.FIRST_LOG, Mark.READY]
    assert [marks[mark] for mark in order] == sorted(marks[mark] for mark in order)
    assert begun < marks[Mark.CREATED]
    assert marks[Mark.READY] < now_ns()
    assert marks[Mark.PORT_OPEN] <= marks[Mark.READY]
    assert 3 * MIB <= arm.layer_bytes < 4 * MIB
    assert arm.exited() is None, "it was told to end"
    assert not client.containers.list(all=True, filters={"label": f"{RUN}={run_id}"})
    arm.stop()
    assert arm.paste()[0].startswith("docker run --rm --publish=127.0.0.1:")


def test_log_lines_carry_dockers_own_times(tiny_image, run_id, free_port, tmp_path):
    t0_ns = now_ns()
    script = "echo one; echo two >&2; sleep 0.4; printf 'bar 1\\rbar 2\\rdone\\n'; printf 'no end'"
    exited, _, log = ended(container_spec(tiny_image, run_id, script), free_port, tmp_path)
    assert exited.code == 0
    rows = [line.split(" ", 2) for line in log.splitlines()]
    assert {row[2] for row in rows} == {"one", "two", "bar 1", "bar 2", "done", "no end"}
    times = {row[2]: float(row[0]) for row in rows}
    assert times["done"] - times["one"] > 0.35
    assert 0 < times["one"] < times["no end"] < since_s(t0_ns, now_ns())


def test_a_long_line_comes_whole_in_pieces_and_a_secret_across_a_seam_is_found(
    tiny_image, run_id, free_port, tmp_path, monkeypatch
):
    monkeypatch.setenv("NGC_API_KEY", CANARY)
    script = "dd if=/dev/zero bs=16380 count=1 2>/dev/null | tr '\\0' x; echo $NGC_API_KEY; echo short"
    spec = container_spec(tiny_image, run_id, script, secrets=("NGC_API_KEY",))
    _, _, log = ended(spec, free_port, tmp_path)  # Docker cuts the line at 16384 bytes
    texts = [line.split(" ", 2)[2] for line in log.splitlines()]
    assert CANARY[:4] not in log
    assert "".join(texts) == "x" * 16380 + "[redacted]" + "short"
    assert max(map(len, texts)) <= 4000


def test_no_secret_reaches_the_log_the_line_or_the_error(tiny_image, run_id, free_port, tmp_path, monkeypatch):
    monkeypatch.setenv("NGC_API_KEY", CANARY)
    monkeypatch.setenv("PLAIN_NAME", "another-" + CANARY)
    env = {"HF_TOKEN": "third-" + CANARY}
    script = 'echo "$NGC_API_KEY $PLAIN_NAME $HF_TOKEN"; printf %s "$NGC_API_KEY" | base64; env; exit 3'
    spec = container_spec(tiny_image, run_id, script, env=env, secrets=("NGC_API_KEY", "PLAIN_NAME", "NOT_SET_HERE"))
    arm = started(spec, free_port, tmp_path)
    end_of(arm)
    said = arm.log_path.read_text() + "\n".join((*arm.paste(), *arm.log_tail()))
    arm.stop()
    assert "[redacted]" in said
    assert "canary" not in said
    assert base64.b64encode(CANARY.encode()).decode() not in said
    assert "NOT_SET_HERE" not in arm.log_path.read_text(), "what is not set is not passed on"


def test_a_container_is_created_as_its_spec_says(client, tiny_image, run_id, free_port, tmp_path):
    settings = Container(
        shm_bytes=64 * MIB,
        ipc=Ipc.PRIVATE,
        ulimits={"memlock": -1, "nofile": 4096},
        user="1000:1000",
        read_only=True,
        memory_bytes=96 * MIB,
    )
    mounts = (Mount(target="/data", path=str(tmp_path), read_only=True),)
    spec = server_spec(
        tiny_image, run_id, free_port, settings=settings, mounts=mounts, gpus=("GPU-a", "GPU-b"), cpuset="0"
    )
    facts = client.api.inspect_container(create_container(client, spec))
    host = facts["HostConfig"]
    assert host["PortBindings"] == {"8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(free_port)}]}
    assert host["DeviceRequests"][0]["DeviceIDs"] == ["GPU-a", "GPU-b"]
    assert host["DeviceRequests"][0]["Capabilities"] == [["gpu"]]
    assert (host["ShmSize"], host["IpcMode"], host["CpusetCpus"]) == (64 * MIB, "private", "0")
    assert {u["Name"]: (u["Soft"], u["Hard"]) for u in host["Ulimits"]} == {"memlock": (-1, -1), "nofile": (4096, 4096)}
    assert (host["Memory"], host["MemorySwap"], host["ReadonlyRootfs"]) == (96 * MIB, 96 * MIB, True)
    assert host["Privileged"] is False
    assert host["RestartPolicy"]["Name"] in ("", "no")
    assert facts["Mounts"][0] | {"Mode": "", "Propagation": ""} == {
        "Type": "bind", "Source": str(tmp_path), "Destination": "/data", "Mode": "", "RW": False, "Propagation": "",
    }  # fmt: skip
    assert facts["Config"]["User"] == "1000:1000"
    assert facts["Config"]["Labels"].keys() >= {RUN, ARM, PID}


def test_host_networking_serves_on_the_hosts_own_port(tiny_image, run_id, free_port, tmp_path):
    settings, env = Container(network=Network.HOST), {"PORT": f"127.0.0.1:{free_port}"}
    spec = server_spec(tiny_image, run_id, free_port, settings=settings, env=env)
    arm = started(spec, free_port, tmp_path)
    assert Mark.READY in wait_ready(arm, launch(spec, free_port), silent)
    arm.stop()


def test_a_named_volume_is_labelled_and_kept_a_nameless_one_goes(client, make_image, run_id, free_port, tmp_path):
    image = make_image('VOLUME ["/scratch"]', "USER 1000:1000")
    mounts = (Mount(target="/home/worker", volume=f"nimbench-{run_id}"),)
    write = container_spec(image, run_id, "echo kept >/home/worker/file && echo written", mounts=mounts)
    arm = started(write, free_port, tmp_path)
    assert end_of(arm).code == 0, "a new named volume takes the owner of the image's folder"
    names = {row["Destination"]: row["Name"] for row in client.api.inspect_container(arm.container_id)["Mounts"]}
    arm.stop()
    assert client.volumes.get(names["/home/worker"]).attrs["Labels"][RUN] == run_id
    with pytest.raises(docker.errors.NotFound):
        client.volumes.get(names["/scratch"])
    read = container_spec(image, run_id, "cat /home/worker/file", mounts=mounts)
    assert "engine kept" in ended(read, free_port, tmp_path)[2]


def test_a_kill_for_memory_is_told_whoever_was_killed(tiny_image, run_id, free_port, tmp_path):
    eat = "dd if=/dev/zero of=/dev/null bs=200M count=2"
    for script, code, signal in ((f"exec {eat}", None, 9), (f"{eat}; exit 3", 3, None)):
        spec = container_spec(tiny_image, run_id, script, settings=with_memory(16 * MIB))
        exited, failure, _ = ended(spec, free_port, tmp_path)
        assert exited == Exit(command="engine", code=code, signal=signal, oom=True)
        assert failure.kind is FailureKind.HOST_MEMORY_KILL
        assert "container.memory" in failure.repair


@pytest.mark.parametrize(
    ("script", "kind", "words"),
    [
        pytest.param("exit 255", FailureKind.CRASHED, "exit code 255", marks=pytest.mark.slow),
        ("sh -c 'kill -SEGV $$'; exit $?", FailureKind.CRASHED, "SIGSEGV"),
        ("dd if=/dev/zero of=/dev/shm/x bs=1M count=65; exit 1", FailureKind.DISK_FULL, "No space left on device"),
    ],
)
def test_an_end_is_told_by_its_code(tiny_image, run_id, free_port, tmp_path, script, kind, words):
    _, failure, _ = ended(container_spec(tiny_image, run_id, script), free_port, tmp_path)
    assert failure.kind is kind
    assert words in failure.text


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        pytest.param({"argv": ("no-such-program",)}, FailureKind.ENTRYPOINT_MISSING, marks=pytest.mark.slow),
        ({"entrypoint": ("/no/such/file",)}, FailureKind.ENTRYPOINT_MISSING),
        pytest.param({"argv": ("/etc/passwd",)}, FailureKind.ENTRYPOINT_MISSING, marks=pytest.mark.slow),
        ({}, FailureKind.ENTRYPOINT_MISSING),
        ({"image": "sha256:" + "0" * 64, "argv": ("true",)}, FailureKind.IMAGE_NOT_FOUND),
        ({"argv": ("true",), "gpus": ("GPU-00000000-0000-0000-0000-000000000000",)}, FailureKind.GPU_MISSING),
    ],
)
def test_what_cannot_start_is_named_and_removed(client, tiny_image, run_id, free_port, tmp_path, changes, kind):
    fields = {"image": tiny_image} | changes
    with pytest.raises(ArmError) as caught:
        started(container_spec(fields.pop("image"), run_id, **fields), free_port, tmp_path)
    assert caught.value.kind is kind
    assert "docker run" in caught.value.command
    assert not client.containers.list(all=True, filters={"label": f"{RUN}={run_id}"})


def test_a_taken_port_is_told_before_anything_is_created(client, tiny_image, run_id, free_port, tmp_path):
    first = started(server_spec(tiny_image, run_id, free_port), free_port, tmp_path)
    with pytest.raises(ArmError) as caught:
        started(server_spec(tiny_image, run_id, free_port), free_port, tmp_path)
    assert caught.value.kind is FailureKind.PORT_TAKEN
    assert len(client.containers.list(all=True, filters={"label": f"{RUN}={run_id}"})) == 1
    first.stop()


def test_a_folder_that_is_not_there_is_a_prerequisite(tiny_image, run_id, free_port, tmp_path):
    mounts = (Mount(target="/data", path=str(tmp_path / "absent")),)
    with pytest.raises(PrerequisiteError, match="absent"):
        started(container_spec(tiny_image, run_id, "true", mounts=mounts), free_port, tmp_path)


def test_a_container_that_somebody_removes_has_ended(client, tiny_image, run_id, free_port, tmp_path):
    arm = started(container_spec(tiny_image, run_id, "sleep 60"), free_port, tmp_path)
    client.containers.get(arm.container_id).remove(force=True)
    end_of(arm)
    arm.stop()
    assert arm.layer_bytes is None


@pytest.mark.slow
def test_an_engine_that_goes_away_is_told_and_survived(client, tiny_image, run_id, free_port, tmp_path, monkeypatch):
    proxy = EngineProxy(tmp_path / "engine.sock")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{proxy.path}")
    arm = started(server_spec(tiny_image, run_id, free_port), free_port, tmp_path)
    proxy.die()
    exited = end_of(arm)
    arm.stop()
    arm.stop()
    proxy.close()
    log = arm.log_path.read_text()
    assert exited.gone
    assert classify("llamacpp", log, exited).kind is FailureKind.ENGINE_GONE
    assert "doctor --clean" in log
    assert client.containers.get(arm.container_id).status == "running", "found by its label later"
