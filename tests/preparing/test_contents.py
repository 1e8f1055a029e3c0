"""A look into an image: what it asks for, what it leaves in the run folder."""

from __future__ import annotations

import json

import pytest

from bench.container import ImageFacts, ImageRecord
from bench.events import silent
from bench.images.local import image_facts
from bench.plan.arms import arm_of
from bench.preparing.contents import look_inside, needed_arch
from bench.scenario import load_scenario
from bench.store.writer import open_run
from tests.dockerside import requires_docker
from tests.synthetic import make_run


@pytest.mark.parametrize(
    ("gpus", "arch"),
    [
        ([{"compute_capability": "9.0"}, {"compute_capability": "9.0"}], "sm_90"),
        ([{"compute_capability": "9.0"}, {"compute_capability": "8.9"}], None),  # code of both is needed
        ([{"compute_capability": "12.0"}], "sm_120"),
        ([{"name": "of an old driver"}], None),
        ([], None),
        (None, None),
    ],
)
def test_code_of_other_gpus_can_go_only_where_all_are_alike(gpus, arch):
    assert needed_arch(gpus) == arch


@pytest.fixture
def writer(tmp_path):
    return open_run(tmp_path, make_run().run)


@requires_docker
def test_an_image_of_this_host_is_read_and_listed(client, tiny_image, writer):
    facts = image_facts(client, tiny_image)
    look_inside(arm_of(load_scenario("demo-docker"), "custom"), ImageRecord(facts=facts), writer, silent)
    kept = json.loads((writer.folder / "images" / "custom.json").read_text())
    assert len(kept["anatomy"]["layers"]) == facts.layers
    assert json.loads((writer.folder / "images" / "custom.cdx.json").read_text())["bomFormat"] == "CycloneDX"


@requires_docker
def test_an_image_that_cannot_be_read_is_a_finding_and_ends_no_run(docker_engine, writer):
    facts = ImageFacts(reference="nimbench/nothing:here", id="sha256:" + "0" * 64)
    look_inside(arm_of(load_scenario("demo-docker"), "custom"), ImageRecord(facts=facts), writer, silent)
    (told,) = [one for one in writer.run.findings if one.id == "image-not-read"]
    assert "custom" in told.text
    assert told.next == "nimbench image inspect --deep nimbench/nothing:here"
