"""What the host held back, and clocks that follow the load."""

import dataclasses

import pytest

from bench.analysis import summarise
from tests.analysis.test_processes import changed, frame
from tests.synthetic import Fake, make_run


@pytest.fixture(scope="module")
def run():
    return make_run({"a": Fake(), "b": Fake()}, blocks=2, burn_in=0)


def found(data, name):
    return [one for one in summarise(data).findings if one.id == name]


@pytest.mark.parametrize(("share", "is_found"), [(0.2, True), (0.001, False)])
def test_a_quota_that_held_the_container_back_is_found_by_its_periods(run, share, is_found):
    """Four processors' queues held back at once: the time would be 80 % where a fifth of the periods was used up."""

    def change(rows, _):
        for metric, rate in (
            ("cpu_periods", 10),
            ("cpu_throttled_periods", 10 * share),
            ("cpu_throttled_s", 4 * share),
        ):
            whole = frame(rows, "container", metric, 0.0)
            yield whole.assign(value=whole["t_s"] * rate)

    told = found(changed(run, change), "container-throttled")
    assert bool(told) is is_found
    assert all("in 20 % of its periods" in one.text for one in told)


@pytest.mark.parametrize(
    ("governor", "preference", "words"),
    [
        ("performance", None, None),
        (None, None, None),
        ("powersave", "balance_power", "powersave (balance_power)"),
        ("powersave ×12, performance ×4", None, "powersave ×12, performance ×4"),
        ("schedutil", None, "schedutil"),
    ],
)
def test_clocks_that_are_not_held_up_are_found(run, governor, preference, words):
    host = {**run.run.host, "cpu_governor": governor, "cpu_energy_preference": preference}
    told = found(dataclasses.replace(run, run=dataclasses.replace(run.run, host=host)), "cpu-governor")
    assert [words in one.text and "cpupower" in one.next for one in told] == ([True] if words else [])
