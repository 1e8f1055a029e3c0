"""HTTP/1.1 responses from pieces: framings, limits, and what is malformed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.wire.http import ResponseReader
from bench.wire.sse import StreamError

CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA;x=y\r\n0123456789\r\n0\r\nTrailer: z\r\n\r\n"
)
LENGTH = b"HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\nConnection: close\r\n\r\ngone"
CONTINUED = b"HTTP/1.1 100 Continue\r\n\r\n" + LENGTH
UNTIL_CLOSE = b"HTTP/1.0 200 OK\r\n\r\nall the rest"


def read(*pieces, close=False):
    reader = ResponseReader()
    for t_ns, piece in enumerate(pieces):
        reader.feed(piece, t_ns)
    if close:
        reader.close()
    return reader


@pytest.mark.parametrize(
    ("response", "status", "body", "keep_alive"),
    [
        (CHUNKED, 200, b"hello0123456789", True),
        (LENGTH, 404, b"gone", False),
        (CONTINUED, 404, b"gone", False),
        (UNTIL_CLOSE, 200, b"all the rest", False),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
    ],
)
@given(data=st.data())
def test_any_split_gives_the_same_response(response, status, body, keep_alive, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(response)), max_size=8)))
    reader = read(*(response[a:b] for a, b in zip([0, *cuts], [*cuts, len(response)], strict=True)), close=True)
    assert (reader.status, reader.body_bytes(), reader.complete) == (status, body, True)
    assert reader.keep_alive is keep_alive


def test_body_bytes_keep_the_time_at_which_their_piece_came():
    reader = read(CHUNKED[:-20], CHUNKED[-20:])
    assert reader.head_ns == 0
    assert [t_ns for t_ns, _ in reader.body] == sorted(t_ns for t_ns, _ in reader.body)
    assert reader.body[0] == (0, b"hello")
    assert reader.complete


def test_a_response_that_is_cut_is_not_complete():
    for end in range(1, len(CHUNKED)):
        assert not read(CHUNKED[:end], close=True).complete


@pytest.mark.parametrize(
    "response",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 2xx OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\nab\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70000,
        LENGTH + b"too much",
    ],
)
def test_malformed_responses_are_refused(response):
    with pytest.raises(StreamError):
        read(response)
