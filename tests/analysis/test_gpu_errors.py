"""What the driver reported against a card."""

import numpy as np
import pytest

from bench.analysis import summarise
from bench.vocabulary import Severity
from tests.analysis.test_energy_checks import STAGES, found, with_gpu
from tests.synthetic import Fake, make_run


@pytest.fixture(scope="module")
def run():
    return make_run({"a": Fake(), "b": Fake()}, blocks=2, burn_in=0, stages=STAGES)


def at(instant_s, before, after):
    return lambda t, _: np.where(t < instant_s, before, after)


def test_an_xid_is_told_with_its_number_and_when_it_first_came(run):
    told = found(with_gpu(run, xid=lambda t, _: np.where((t > 5.0) & (t < 5.15), 79.0, np.nan)), "gpu-xid")
    assert len(told) == 4
    assert "XID 79 on GPU-a, first 5.1 s into" in told[0].text


def test_errors_that_memory_could_not_correct_take_the_launch_away(run):
    data = with_gpu(run, ecc_uncorrected=at(5.0, 2.0, 3.0), ecc_corrected=at(5.0, 7.0, 11.0))
    assert found(data, "gpu-memory-errors")[0].severity is Severity.VOID
    assert not any(
        v.n for one in summarise(data).arms.values() for v in one.values if v.metric == "output_tokens_per_s"
    )
    assert found(data, "gpu-memory-corrected")[0].text.startswith("4 errors")


def test_counters_that_stood_before_the_launch_are_no_finding(run):
    data = with_gpu(run, ecc_uncorrected=at(0.0, 2.0, 2.0), ecc_corrected=at(0.0, 7.0, 7.0))
    assert not found(data, "gpu-memory-errors") and not found(data, "gpu-memory-corrected")
