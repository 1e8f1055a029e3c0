"""Launches and the cards that they ran on."""

import dataclasses
import re

import pytest

from bench.analysis import summarise
from bench.analysis.cards import cards_took_turns
from bench.analysis.numbers import Numbers
from bench.model import Stage
from tests.synthetic import Fake, make_run

STAGES = (Stage(id="c1", concurrency=1, duration_s=5.0),)


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


def test_cards_that_take_turns_by_block_are_told(run):
    told = found(on_cards(run, lambda launch: (f"GPU-{launch.block % 2}",)))
    assert list(told) == ["gpus-took-turns"] and "2 places of 1 GPU" in told["gpus-took-turns"].text


@pytest.mark.slow
def test_equal_cards_are_called_apart_no_more_often_than_the_test_errs():
    apart = []
    for seed in range(30):
        noisy = make_run({"a": Fake(), "b": Fake()}, blocks=8, burn_in=0, stages=STAGES, noise=0.03, seed=seed)
        cards = Numbers(on_cards(noisy, lambda launch: (f"GPU-{launch.block % 4}",)))
        (told,) = cards_took_turns(cards)
        apart.append("apart" in told.text)
    assert sum(apart) <= 4  # of 30, at 5 % each


def test_cards_that_differ_are_told_with_distance_and_launches():
    even = make_run({"a": Fake(), "b": Fake()}, blocks=8, burn_in=0, stages=STAGES, noise=0.003)
    slow = make_run({"a": Fake(speed=0.95), "b": Fake()}, blocks=8, burn_in=0, stages=STAGES, noise=0.003)
    mixed = tuple(
        quick if quick.launch.block % 2 else late for quick, late in zip(even.launches, slow.launches, strict=True)
    )
    data = on_cards(dataclasses.replace(even, launches=mixed), lambda launch: (f"GPU-{launch.block % 2}",))
    (told,) = cards_took_turns(Numbers(data))
    assert "over 4 launches of each" in told.text and 4 < float(re.search(r"are ([\d.]+) %", told.text)[1]) < 7


def test_the_same_cards_in_another_order_are_the_same_place(run):
    def swapped(launch):
        return ("GPU-0", "GPU-1") if launch.arm == "a" else ("GPU-1", "GPU-0")

    assert not found(on_cards(run, swapped))


def test_arms_of_a_block_on_different_cards_are_found(run):
    told = found(on_cards(run, lambda launch: (f"GPU-{launch.arm}",)))
    assert "In 4 of 4 blocks" in told["pairs-on-different-gpus"].text
