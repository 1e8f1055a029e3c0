"""Launches and the cards that they ran on."""

import dataclasses

import pytest

from bench.analysis import summarise
from tests.synthetic import Fake, make_run


def on_cards(data, choose):
    """`choose(launch)` gives a launch's devices."""
    launches = tuple(
        dataclasses.replace(one, launch=dataclasses.replace(one.launch, devices=choose(one.launch)))
        for one in data.launches
    )
    return dataclasses.replace(data, launches=launches)


@pytest.fixture(scope="module")
def run():
    return make_run({"a": Fake(), "b": Fake(speed=1.1)}, blocks=4, burn_in=0)


def found(data):
    return {one.id: one for one in summarise(data).findings if "gpus" in one.id}


def test_one_card_for_all_is_no_finding(run):
    assert not found(on_cards(run, lambda launch: ("GPU-a",)))
    assert not found(run), "nor is no card at all"


def test_cards_that_take_turns_by_block_are_told_with_their_distance(run):
    told = found(on_cards(run, lambda launch: (f"GPU-{launch.block % 2}",)))
    assert list(told) == ["gpus-took-turns"]
    assert "2 places of 1 GPU" in told["gpus-took-turns"].text and "% apart" in told["gpus-took-turns"].text


def test_arms_of_a_block_on_different_cards_are_found(run):
    told = found(on_cards(run, lambda launch: (f"GPU-{launch.arm}",)))
    assert "In 4 of 4 blocks" in told["pairs-on-different-gpus"].text
