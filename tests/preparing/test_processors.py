"""The load keeps to its processors."""

from __future__ import annotations

import os

import pytest

from bench.errors import PrerequisiteError
from bench.preparing.processors import on_cpus


def test_the_process_runs_there_meanwhile_and_where_it_ran_before_afterwards():
    before = os.sched_getaffinity(0)
    with on_cpus(str(min(before))):
        assert os.sched_getaffinity(0) == {min(before)}
    assert os.sched_getaffinity(0) == before


def test_processors_that_the_kernel_does_not_give_are_told_with_those_that_it_does():
    with pytest.raises(PrerequisiteError, match="may use"), on_cpus("1023"):
        pytest.fail("it cannot run there")
