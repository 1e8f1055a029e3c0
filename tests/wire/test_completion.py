"""Tokens from OpenAI events, of both routes and of several servers' dialects."""

import json

import pytest

from bench.wire.completion import Completion, ServerErrorEvent
from bench.wire.sse import SseEvent, StreamError


def completion(*documents, keep_text=False):
    found = Completion(keep_text=keep_text)
    found.feed(
        SseEvent(
            t_ns, document if isinstance(document, bytes) else json.dumps(document, separators=(",", ":")).encode()
        )
        for t_ns, document in enumerate(documents)
    )
    return found


def text(value, finish=None, **more):
    return {"id": "x", "choices": [{"index": 0, "text": value, "finish_reason": finish}], **more}


def delta(finish=None, **parts):
    return {"choices": [{"index": 0, "delta": parts, "finish_reason": finish}]}


USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 8}}


def test_a_completion_has_its_times_and_counts():
    found = completion(text("a"), text("b"), text("c", "length"), {"choices": [], "usage": USAGE}, b"[DONE]")
    assert list(found.chunk_ns) == [0, 1, 2]
    assert (found.prompt_tokens, found.cached_tokens, found.output_tokens) == (9, 8, 3)
    assert (found.finish_reason, found.done) == ("length", True)
    assert found.chunk_tokens() == [1, 1, 1]


def test_the_role_chunk_of_a_chat_is_no_token():
    found = completion(delta(role="assistant", content=""), delta(content="a"), delta("stop"), b"[DONE]")
    assert list(found.chunk_ns) == [1]
    assert found.first_answer_ns == 1


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
def test_reasoning_is_a_token_but_not_an_answer(key):
    found = completion(delta(**{key: "hm"}), delta(**{key: "so"}), delta(content="42"), delta("stop"))
    assert list(found.chunk_ns) == [0, 1, 2]
    assert found.first_answer_ns == 2


def test_several_tokens_per_chunk_are_not_invented():
    found = completion(text("a b"), text("c", "length"), {"choices": [], "usage": USAGE})
    assert found.chunk_tokens() is None
    assert found.output_tokens == 3


def test_the_servers_running_count_gives_tokens_per_chunk():
    found = completion(text("a b", usage={"completion_tokens": 2}), text("c", "stop", usage={"completion_tokens": 3}))
    assert found.chunk_tokens() == [2, 1]


def test_chunks_alike_are_read_without_json_and_give_the_same():
    values = ["a", " b", 'q"uote', "back\\slash", "é", "line\nfeed", "", "z"]
    documents = [text(value) for value in values] + [text("end", "length")]
    quick, whole = completion(*documents), completion(*documents, keep_text=True)
    assert list(quick.chunk_ns) == list(whole.chunk_ns)
    assert "".join(whole.text) == "".join(values) + "end"
    assert quick.finish_reason == "length"


def test_an_error_payload_after_good_chunks_is_seen():
    with pytest.raises(ServerErrorEvent, match="out of memory"):
        completion(text("a"), text("b"), {"error": {"message": "out of memory"}})


def test_an_error_event_is_seen_whatever_its_data():
    with pytest.raises(ServerErrorEvent):
        Completion().feed([SseEvent(0, b"boom", "error")])


@pytest.mark.parametrize("data", [b"not json", b"[1]", b'{"choices": [1]}'])
def test_other_data_is_a_bad_stream(data):
    with pytest.raises(StreamError):
        completion(data)


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000,
        b'{"choices":5}',
        b'{"choices":[{"text":["a"]}]}',
        b'{"choices":[{"delta":{"content":{"a":1}}}]}',
    ],
)
def test_documents_of_another_shape_are_a_bad_stream(data):
    with pytest.raises(StreamError):
        completion(data)


def test_half_a_surrogate_pair_is_a_token_like_any_other():
    found = completion(text("\ud83d"), text("\ude00"), text("c", "\ud83d"), b"[DONE]")
    assert list(found.chunk_ns) == [0, 1, 2]
    assert found.finish_reason == "?"


def test_counts_that_cannot_be_are_not_known():
    usage = {"prompt_tokens": -1, "completion_tokens": 10**30}
    found = completion(text("a", usage={"completion_tokens": 5}), text("b", usage={"completion_tokens": 3}))
    assert found.chunk_tokens() is None
    found = completion(text("a"), {"choices": [], "usage": usage})
    assert (found.prompt_tokens, found.output_tokens) == (None, None)
