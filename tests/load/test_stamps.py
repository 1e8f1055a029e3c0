"""Arrival times: the kernel's where they can be believed, the client's own where not."""

import socket
import struct
import time
from array import array

from bench.load import stamps
from bench.load.stamps import NO_STAMP, arrivals, offset_ns

REAL = 5_000_000_000  # CLOCK_REALTIME minus CLOCK_MONOTONIC in these facts


def stamp(t_ns):
    return struct.pack("qq", *divmod(t_ns + REAL, 1_000_000_000))


def found(read_ns, stamped_ns, offsets_ns=(-REAL, -REAL), start_ns=100):
    data = b"".join(NO_STAMP if t_ns is None else stamp(t_ns) for t_ns in stamped_ns)
    return arrivals(array("q", read_ns), data, start_ns, offsets_ns)


def test_the_kernels_time_replaces_a_late_reading():
    assert found([900, 1900], [500, 1500]) == ([500, 1500], 2)


def test_a_piece_without_a_stamp_keeps_the_clients_time():
    assert found([900, 1900], [None, 1500]) == ([900, 1500], 1)


def test_a_stamp_before_the_request_or_after_its_reading_is_not_believed():
    assert found([900, 1900], [50, 2000]) == ([900, 1900], 0)


def test_times_never_decrease():
    assert found([900, 950], [None, 400]) == ([900, 900], 1)


def test_a_clock_that_was_set_in_between_takes_the_stamps_away():
    assert found([900], [500], offsets_ns=(-REAL, -REAL + 1_000_000)) == ([900], 0)


def test_no_pieces_have_no_times():
    assert found([], []) == ([], 0)


def test_this_kernel_stamps_what_comes_over_a_socket():
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as client,
        listener.accept()[0] as server,
    ):
        stamps.enable(client)
        time.sleep(0.05)  # the kernel turns its stamps on a moment after the first socket asks
        offset, before_ns = offset_ns(), time.monotonic_ns()
        server.sendall(b"x")
        time.sleep(0.05)
        _, ancillary, _, _ = client.recvmsg(10, stamps.ANCILLARY_BYTES)
        read_ns = time.monotonic_ns()
    times, stamped = arrivals(array("q", [read_ns]), ancillary[0][2], before_ns, (offset, offset))
    assert stamped == 1
    assert before_ns < times[0] < read_ns
