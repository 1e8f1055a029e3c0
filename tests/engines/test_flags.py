"""Command lines laid side by side, however they are spelt."""

from __future__ import annotations

from bench.cli.align_verb import own_args
from bench.engines.flags import differences, flags, groups


def test_a_joined_value_and_one_behind_its_flag_are_the_same():
    assert flags(["--a=1", "--b", "2", "--c"]) == flags(["--c", "--b=2", "--a", "1"])


def test_negative_numbers_are_values():
    assert flags(["--seed", "-1"]) == {"--seed": "-1"}


def test_repeated_flags_and_several_values_stay_apart():
    assert groups(["MODEL", "--m", "a", "--m", "b", "--o", "x", "y"]) == [("--m", "a"), ("--m", "b"), ("--o", "x", "y")]


def test_each_difference_is_told_with_both_sides_and_the_place_is_none():
    told = differences(["--dtype", "half", "--port", "1"], ["MODEL", "--port=2", "--eager"])
    assert told == [
        "--dtype: half in the NIM, not given in the custom arm",
        "--eager: not given in the NIM, given in the custom arm",
    ]


def test_the_custom_arm_is_given_what_the_shared_arguments_do_not_say():
    aligned = ["--port", "8001", "--m", "a", "--m", "b", "--o", "x", "y", "--dtype", "half"]
    assert own_args(aligned, ["--dtype=half"]) == ["--m=a", "--m=b", "--o", "x", "y"]
