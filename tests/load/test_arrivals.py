"""The closed loop's streams, shared out over processes."""

import pytest

from bench.load.arrivals import ClosedLoop, pause_after_failures_s


@pytest.mark.parametrize(("concurrency", "workers"), [(1, 1), (5, 2), (2, 4), (128, 3)])
def test_every_stream_is_run_once_and_every_request_counted_once(concurrency, workers):
    loops = [ClosedLoop(concurrency, 1.0, worker, workers) for worker in range(workers)]
    assert sorted(stream for loop in loops for stream in loop.streams()) == list(range(concurrency))
    for requests in (concurrency, concurrency + 1, 3 * concurrency + 2):
        assert sum(loop.quota(requests) for loop in loops) == requests


def test_first_starts_are_spread_over_the_ramp():
    loop = ClosedLoop(4, 2.0, 0, 1)
    assert [loop.first_start_s(stream) for stream in loop.streams()] == [0.0, 0.5, 1.0, 1.5]


def test_pauses_grow_and_are_bounded():
    pauses = [pause_after_failures_s(failures) for failures in range(100)]
    assert pauses[0] == 0.0
    assert pauses == sorted(pauses)
    assert pauses[-1] == 1.0
