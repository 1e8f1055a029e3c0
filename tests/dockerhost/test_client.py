from __future__ import annotations

import gc
import json
import re
from pathlib import Path

import pytest

from bench.dockerhost.client import connect, engine_facts, unreachable
from bench.errors import ArmError, PrerequisiteError
from tests.dockerhost.sockets import answering, sdk_leaks_a_socket
from tests.dockerside import requires_docker

# As `podman system service` answers: https://github.com/containers/podman, pkg/api/handlers/compat/version.go
PODMAN = {
    "Version": "5.3.1",
    "ApiVersion": "1.41",
    "MinAPIVersion": "1.24",
    "Components": [{"Name": "Podman Engine", "Version": "5.3.1"}, {"Name": "Conmon"}, {"Name": "OCI Runtime (crun)"}],
}
DOCKER_19 = {"Version": "19.03.15", "ApiVersion": "1.40", "MinAPIVersion": "1.12", "Components": [{"Name": "Engine"}]}
DOCKER_29 = {"Version": "29.0.0", "ApiVersion": "1.52", "MinAPIVersion": "1.44", "Components": [{"Name": "Engine"}]}


@requires_docker
def test_this_hosts_engine_says_who_it_is(client):
    mine = connect()
    facts = engine_facts(mine)
    mine.close()
    assert facts["docker_version"] == client.version()["Version"]
    assert re.fullmatch(r"1\.\d+", facts["docker_api"])
    assert facts["docker_storage_driver"]
    assert facts["docker_containerd_store"] in (True, False)
    assert facts["docker_cgroup"].startswith(("v1", "v2"))
    assert Path(facts["docker_root"]).is_absolute()
    assert facts["docker_platform"].startswith("linux/")


@pytest.mark.parametrize("host", ["tcp://10.0.0.5:2376", "ssh://me@gpu-host", "http://127.0.0.1:2375"])
def test_an_engine_over_the_network_is_refused_with_the_reason(host):
    with pytest.raises(PrerequisiteError) as caught:
        connect({"DOCKER_HOST": host})
    assert host in str(caught.value)
    assert "Run nimbench on that host" in str(caught.value)


def test_a_remote_context_is_refused_too(tmp_path, monkeypatch):
    name = "gpu-host"
    from docker.context.config import get_context_id

    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": name}))
    meta = tmp_path / "contexts" / "meta" / get_context_id(name)
    meta.mkdir(parents=True)
    endpoint = {"Host": "ssh://me@gpu-host", "SkipTLSVerify": False}
    (meta / "meta.json").write_text(json.dumps({"Name": name, "Metadata": {}, "Endpoints": {"docker": endpoint}}))
    with pytest.raises(PrerequisiteError, match="ssh://me@gpu-host"):
        connect({})
    with pytest.raises(PrerequisiteError, match="no Docker context 'unheard-of'"):
        connect({"DOCKER_CONTEXT": "unheard-of"})


def test_podman_is_refused_with_the_reason(tmp_path):
    with answering(tmp_path / "p.sock", PODMAN) as url, pytest.raises(PrerequisiteError) as caught:
        connect({"DOCKER_HOST": url})
    assert "Podman" in str(caught.value)
    assert "GPU" in str(caught.value)
    assert "Podman Engine 5.3.1" in str(caught.value)


def test_an_engine_before_20_10_is_refused(tmp_path):
    with answering(tmp_path / "d.sock", DOCKER_19) as url, pytest.raises(PrerequisiteError, match=r"19\.03\.15"):
        connect({"DOCKER_HOST": url})


def test_an_engine_29_is_taken(tmp_path):
    with answering(tmp_path / "d.sock", DOCKER_29) as url:
        client = connect({"DOCKER_HOST": url})
        assert client.api._version == "1.52"
        client.close()


def test_no_engine_is_a_prerequisite(tmp_path):
    with pytest.raises(PrerequisiteError) as caught:
        connect({"DOCKER_HOST": f"unix://{tmp_path}/nobody.sock"})
    assert "no Docker Engine answers" in str(caught.value)
    assert "No such file or directory" in str(caught.value)
    assert "systemctl start docker" in str(caught.value)


@sdk_leaks_a_socket
def test_an_engine_that_dies_between_two_questions_is_told(tmp_path):
    with answering(tmp_path / "d.sock", DOCKER_29) as url:
        client = connect({"DOCKER_HOST": url})
    (tmp_path / "d.sock").unlink()
    with pytest.raises(ArmError) as caught:
        engine_facts(client)
    client.close()
    kind = caught.value.kind
    del caught
    gc.collect()
    assert kind == "engine_gone"


def test_a_rootless_socket_is_found(tmp_path, monkeypatch):
    from bench.dockerhost import client as module

    monkeypatch.setattr(module, "DEFAULT_SOCKET", str(tmp_path / "absent.sock"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with answering(tmp_path / "docker.sock", DOCKER_29):
        assert module.endpoint({"XDG_RUNTIME_DIR": str(tmp_path)}) == f"unix://{tmp_path}/docker.sock"


def test_a_socket_that_this_user_may_not_open_is_told_from_none():
    error = unreachable("unix:///var/run/docker.sock", PermissionError(13, "Permission denied"))
    assert "usermod -aG docker" in str(error)
