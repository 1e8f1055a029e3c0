from __future__ import annotations

import subprocess
import sys

from bench.container import Mount
from bench.runtimes.docker_create import create_container
from bench.runtimes.leftovers import find_leftovers, remove_leftovers
from tests.dockerside import requires_docker
from tests.runtimes.containers import container_spec

pytestmark = requires_docker

# Another nimbench: it starts a container, says so, and waits to be killed.
OTHER = """
import sys
from bench.dockerhost.client import connect
from bench.runtimes.docker_create import create_container
from tests.runtimes.containers import container_spec
client = connect()
container = create_container(client, container_spec(sys.argv[1], sys.argv[2], "sleep 60"))
client.api.start(container)
print(container, flush=True)
input()
"""


def of_run(run_id):
    return [leftover for leftover in find_leftovers() if leftover.run == run_id]


def test_a_killed_runs_container_is_found_and_a_live_ones_is_not(client, tiny_image, run_id):
    with subprocess.Popen(
        [sys.executable, "-c", OTHER, tiny_image, run_id], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        container = other.stdout.readline().decode().strip()
        assert container
        assert of_run(run_id) == []
        other.kill()
    (leftover,) = of_run(run_id)
    assert (leftover.kind, leftover.id, leftover.running) == ("container", container, True)
    assert remove_leftovers([leftover]) == [leftover]
    assert of_run(run_id) == []
    assert remove_leftovers([leftover]) == [leftover], "what is gone already is as good as removed"


def test_our_own_container_is_no_leftover_and_a_named_volume_is_told_and_kept(client, tiny_image, run_id):
    mounts = (Mount(target="/cache", volume=f"nimbench-{run_id}"),)
    create_container(client, container_spec(tiny_image, run_id, "true", mounts=mounts))
    (leftover,) = of_run(run_id)
    assert (leftover.kind, leftover.name) == ("volume", f"nimbench-{run_id}")
    assert leftover.is_kept
    assert remove_leftovers([leftover]) == []
    assert client.volumes.get(leftover.name)


def test_a_network_of_ours_goes_too(client, run_id):
    network = client.networks.create(
        f"nimbench-{run_id}", driver="bridge", internal=True, labels={"org.nimbench.run": run_id}
    )
    (leftover,) = of_run(run_id)
    assert (leftover.kind, leftover.id) == ("network", network.id)
    remove_leftovers([leftover])
    assert of_run(run_id) == []
