"""In which order images come to be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.container import Build
from bench.errors import InputError
from bench.model import Arm, Scenario
from bench.preparing.images import in_build_order
from bench.scenario import load_scenario
from bench.vocabulary import RuntimeKind, Side


def arm(name: str, base: str | None = None) -> Arm:
    build = Build(context="/nowhere", base_arm=base)
    return Arm(name=name, engine="vllm", side=Side.BUILD, runtime=RuntimeKind.DOCKER, build=build)


def of(*arms: Arm) -> Scenario:
    return replace(load_scenario("demo"), arms=arms)


def test_an_image_comes_after_the_one_that_it_is_built_from():
    order = [one.name for one in in_build_order(of(arm("a", "b"), arm("b", "c"), arm("c")))]
    assert order == ["c", "b", "a"]


def test_arms_without_a_container_are_left_out():
    process = replace(arm("p"), runtime=RuntimeKind.PROCESS, build=None)
    assert [one.name for one in in_build_order(of(process, arm("a")))] == ["a"]


def test_images_built_from_each_other_are_refused():
    with pytest.raises(InputError, match="built from each other: a, b"):
        list(in_build_order(of(arm("a", "b"), arm("b", "a"))))
