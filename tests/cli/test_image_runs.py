"""Whole runs that bring every image anew, and what they leave on this host: nothing."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from bench.cache import cache_folder
from bench.store import layout
from bench.store.reader import load_run
from bench.vocabulary import LaunchStatus, Mark
from tests.cli.test_run_verb import free_port_pair
from tests.dockerside import requires_docker

pytestmark = [requires_docker, pytest.mark.slow, pytest.mark.timeout(1200)]
SHORT = ("launches.blocks=1", "launches.burn_in=0", "load.stages=[{concurrency: 1, duration: 1s}]")
HELD_BITS_PER_S = 400e6
PULLED = (Mark.PULL_START, Mark.LAYERS_DOWNLOADED, Mark.IMAGE_READY, Mark.READY)


@pytest.fixture(scope="module")
def brought(tmp_path_factory):
    """A run of one block: its command, its folder, and Docker's images before it and after."""
    results = tmp_path_factory.mktemp("each")
    held = (f"coldstart.bandwidth={HELD_BITS_PER_S / 1e6:.0f}mbit", "coldstart.image_absent=each", "registry=own")
    sets = (*SHORT, f"launches.port_base={free_port_pair()}", *held)
    words = [word for one in sets for word in ("--set", one)]
    before = images_here()
    done = subprocess.run(
        [sys.executable, "-m", "bench", "run", "demo-docker", "--json", "--results", str(results), *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (folder,) = results.glob("*/*")
    return folder, before, images_here()


def images_here() -> set[str]:
    """Names, and without them ids."""
    form = "{{.Repository}}:{{.Tag}}"
    said = subprocess.run(["docker", "images", "--format", form], capture_output=True, text=True, check=True).stdout
    return set(said.split())


def test_each_launch_pulls_layers_that_were_not_here(brought):
    data = load_run(brought[0])
    for one in data.launches:
        assert one.launch.status is LaunchStatus.DONE
        pull = one.launch.image.pull
        assert [layer for layer in pull.layers if not layer.already_present], one.launch.arm
        assert 0 < pull.downloaded_s <= pull.wall_s
        at_s = [one.launch.marks[mark] for mark in PULLED]
        assert at_s == sorted(at_s)
        assert one.launch.image.build.wall_s > 0
        assert one.launch.image.push.wall_s > 0


def test_no_pull_is_faster_than_the_bandwidth_that_it_is_held_to(brought):
    for one in load_run(brought[0]).launches:
        pull = one.launch.image.pull
        came = sum(layer.bytes or 0 for layer in pull.layers if not layer.already_present)  # tiny ones have no size
        assert came > 1_000_000
        assert pull.downloaded_s >= 0.95 * came * 8 / HELD_BITS_PER_S, one.launch.arm  # it began before the first line


def test_the_summary_has_what_building_pushing_and_pulling_took(brought):
    arms = json.loads((brought[0] / "summary.json").read_text())["arms"]
    wanted = {"build_s", "push_s", "pull_s", "download_s", "extract_s", "pull_to_first_token_s"}
    for name, arm in arms.items():
        found = {value["metric"] for value in arm["values"] if value["value"] is not None}
        assert wanted <= found, name


def test_the_run_folder_has_what_is_inside_of_both_images_and_a_bill_of_materials(brought):
    images = brought[0] / layout.IMAGES
    contents = load_run(brought[0]).contents
    for arm in ("custom", "stand-in"):
        bill = json.loads((images / f"{arm}.cdx.json").read_text())
        assert bill["bomFormat"] == "CycloneDX"
        names = {one["name"] for one in bill["components"]}
        assert {"xllamacpp", "libgomp1"} <= names
        assert contents[arm].anatomy.wire_bytes > 10_000_000
        assert contents[arm].lint.grade
    page = (brought[0] / "report.html").read_text()
    assert "What is in the image?" in page


def test_no_image_no_registry_and_no_folder_of_one_is_left(brought):
    _, before, after = brought
    assert not [name for name in after - before if "-launch:" in name or name.startswith("127.0.0.1")]
    assert not list((cache_folder() / "registries").glob("run-*"))
