"""The event-stream parser against the specification's own cases, split anywhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.wire import sse
from bench.wire.sse import SseParser, StreamError


def parse(*pieces):
    parser = SseParser()
    return [
        (event.event, event.data.decode()) for t_ns, piece in enumerate(pieces) for event in parser.feed(piece, t_ns)
    ]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\n", [("message", "a")]),
        (b"data: a\r\n\r\n", [("message", "a")]),
        (b"data: a\r\r", [("message", "a")]),
        (b"data: a\r\n\n", [("message", "a")]),
        (b"\xef\xbb\xbfdata: a\n\n", [("message", "a")]),
        (b"data:YHOO\ndata:+2\ndata: 10\n\n", [("message", "YHOO\n+2\n10")]),
        (b": comment\n\ndata: a\n\n", [("message", "a")]),
        (b"data\n\ndata\ndata\n\ndata:", [("message", "\n")]),
        (b"data:test\n\ndata: test\n\n", [("message", "test"), ("message", "test")]),
        (b"data:  two spaces\n\n", [("message", " two spaces")]),
        (b"event: error\ndata: x\n\ndata: y\n\n", [("error", "x"), ("message", "y")]),
        (b"event: ping\n\ndata: y\n\n", [("message", "y")]),
        (b"id: 7\nretry: 10\nfoo: bar\ndata: y\n\n", [("message", "y")]),
        (b"data: never finished\n", []),
    ],
)
def test_streams_of_the_specification(stream, events):
    assert parse(stream) == events
    assert parse(*(stream[i : i + 1] for i in range(len(stream)))) == events


LINES = st.lists(
    st.sampled_from([b"data: a", b"data:b", b"", b"", b": c", b"event: error", b"data", b"id: 1"]), max_size=30
)


@given(LINES, st.lists(st.sampled_from([b"\n", b"\r\n", b"\r"]), min_size=30, max_size=30), st.data())
def test_splitting_the_stream_anywhere_gives_the_same_events(lines, ends, data):
    stream = b"".join(line + end for line, end in zip(lines, ends, strict=False))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert parse(*pieces) == parse(stream)


def test_an_event_has_the_time_of_the_piece_that_completed_it():
    parser = SseParser()
    assert parser.feed(b"data: a\n", 1) == []
    events = parser.feed(b"\ndata: b\n\ndata:", 2) + parser.feed(b" c\n\n", 3)
    assert [(event.t_ns, event.data) for event in events] == [(2, b"a"), (2, b"b"), (3, b"c")]


def test_comments_are_counted():
    parser = SseParser()
    parser.feed(b": ping\n\n: ping\n\n", 0)
    assert parser.comments == 2


def test_an_endless_event_is_refused(monkeypatch):
    monkeypatch.setattr(sse, "MOST_EVENT_BYTES", 100)
    with pytest.raises(StreamError, match="more than 100 bytes"):
        parse(b"data: " + b"x" * 200)
