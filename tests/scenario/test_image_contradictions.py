"""Registries, pulls and doses: what cannot work is refused when the scenario is read."""

import pytest

from bench.errors import InputError
from bench.scenario import load_scenario
from bench.vocabulary import ImageAbsent

EACH = ("registry=own", "coldstart.image_absent=each")
DOSE = "dose={series: [custom, stand-in, custom]}"


def refusal(*sets: str) -> str:
    with pytest.raises(InputError) as caught:
        load_scenario("demo-docker", sets=sets)
    return str(caught.value)


def test_a_bare_word_is_no_registry_because_docker_would_push_to_docker_hub():
    assert "Docker Hub" in refusal("registry=myregistry")
    assert "myregistry:5000" in refusal("registry=myregistry")


@pytest.mark.parametrize("address", ["own", "localhost", "127.0.0.1:5000", "registry.example.com", "box:5000"])
def test_addresses_of_registries_are_taken(address):
    assert load_scenario("demo-docker", sets=[f"registry={address}"]).registry == address


def test_a_pull_before_each_launch_wants_a_registry_of_our_own():
    assert "emptied between launches" in refusal("coldstart.image_absent=each", "registry=127.0.0.1:5000")
    assert "no registry" in refusal("coldstart.image_absent=each")
    assert load_scenario("demo-docker", sets=EACH).coldstart.image_absent is ImageAbsent.EACH


def test_only_pulls_from_a_registry_of_our_own_are_held_to_a_bandwidth():
    limit = "coldstart.bandwidth=1gbit"
    assert "nimbench's own registry" in refusal(limit, "registry=127.0.0.1:5000", "coldstart.image_absent=once")
    assert "nothing is pulled" in refusal(limit, "registry=own")
    for absent in ("once", "each"):
        held = load_scenario("demo-docker", sets=["registry=own", f"coldstart.image_absent={absent}", limit])
        assert held.coldstart.bandwidth_bits_per_s == 1e9
    assert held.coldstart == load_scenario("demo-docker", sets=[*EACH, "coldstart.bandwidth=1000 mbit"]).coldstart


@pytest.mark.parametrize("value", ["1", "1g", "0gbit", "-1gbit", "9999999gbit"])
def test_a_bandwidth_has_its_unit(value):
    assert "coldstart.bandwidth" in refusal(*EACH, f"coldstart.bandwidth={value}")


def test_a_dose_names_arms_and_brings_its_images_anew():
    assert "is not an arm" in refusal(*EACH, "dose={series: [custom, stand-in, costum]}")
    assert "a push and a pull at every launch" in refusal(DOSE)
    assert "cannot test it" in refusal(*EACH, "dose={series: [custom, stand-in, custom], predict: [custom]}")
    assert load_scenario("demo-docker", sets=[*EACH, DOSE]).dose.series == ("custom", "stand-in", "custom")


def test_packings_are_at_least_two_arms_of_the_scenario_each_named_once():
    def packings(value: str) -> tuple[str, ...]:
        return (*EACH, f"dose={{series: [custom, stand-in, custom], packings: {value}}}")

    assert "'costum' is not an arm" in refusal(*packings("[custom, costum]"))
    assert "dose.packings" in refusal(*packings("[custom]"))
    assert "no other packing of itself" in refusal(*packings("[custom, custom]"))
    found = load_scenario("demo-docker", sets=packings("[custom, stand-in]")).dose
    assert found is not None and found.packings == ("custom", "stand-in")
    assert load_scenario("demo-docker", sets=[*EACH, DOSE]).dose.packings == ()


def test_pack_light_holds_packings_of_one_engine_against_each_other_and_nothing_else():
    dose = load_scenario("pack-light").dose
    assert dose is not None and dose.packings == ("as-written", "multi-stage", "stripped")
