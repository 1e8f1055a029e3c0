"""Accounting: which tokens fall into a window, and in which phase a request is."""

from bench.load.reference_answer import STREAM_HEAD, Answer, Behaviour
from bench.load.rows import Lag, Sent, Span, make_tables, phase_of, window_tokens
from bench.vocabulary import Phase, RequestStatus
from bench.wire.reply import Reply


def reply(**facts):
    return Reply(status=RequestStatus.OK, start_ns=0, end_ns=100, **facts)


def test_tokens_count_where_their_chunk_arrived():
    found = reply(chunk_ns=(10, 20, 30, 40), chunk_tokens=(1, 2, 3, 4), output_tokens=10)
    assert window_tokens(found, Span(20, 30)) == 5
    assert window_tokens(found, Span(0, 100)) == 10
    assert window_tokens(found, Span(41, 100)) == 0


def test_tokens_of_unknown_chunks_are_spread_and_none_is_lost():
    found = reply(chunk_ns=(10, 20, 30), output_tokens=10)
    parts = [window_tokens(found, Span(a, b)) for a, b in ((0, 10), (11, 20), (21, 30))]
    assert sum(parts) == 10
    assert max(parts) - min(parts) <= 1


def test_a_request_without_usage_counts_its_chunks():
    assert window_tokens(reply(chunk_ns=(10, 20, 30)), Span(15, 40)) == 2
    assert window_tokens(reply(), Span(0, 40)) == 0


def test_the_phase_is_where_the_request_started():
    sent = Sent(0, 0, "k", measured=True)
    phases = []
    for start_ns in (5, 10, 20, 21):
        sent.start_ns = start_ns
        phases.append(phase_of(sent, Span(10, 20)))
    assert phases == [Phase.WARMUP, Phase.WINDOW, Phase.WINDOW, Phase.DRAIN]
    assert phase_of(Sent(0, 0, "k", measured=False), Span(0, 99, counted=True)) is Phase.WARMUP


def test_a_row_holds_the_facts_of_its_bytes():
    answer = Answer(
        1, {"max_tokens": 3, "prompt": "a b", "stream_options": {"include_usage": True}}, False, Behaviour()
    )
    sent = Sent(4, 2, "c/0/4/m2", measured=True)
    pieces = [STREAM_HEAD, answer.chunk(0), answer.chunk(1), answer.chunk(2), answer.end()]
    sent.start_ns, sent.end_ns = 1_000_000, 6_000_000
    sent.data = b"".join(pieces)
    sent.sizes.extend(map(len, pieces))
    sent.read_ns.extend(range(2_000_000, 7_000_000, 1_000_000))
    sent.stamps = bytes(16 * len(pieces))
    facts = {"stage": "c", "round": 0, "worker": 0, "output_tokens_asked": 3}
    requests, chunks = make_tables([sent], Span(0, 4_500_000), facts, Lag(), t0_ns=0, keep_chunks=True)
    row = requests.to_pylist()[0]
    assert (row["first_token_s"], row["last_token_s"], row["end_s"]) == (0.003, 0.005, 0.006)
    assert (row["itl_mean_s"], row["itl_max_s"], row["chunks"]) == (0.001, 0.001, 3)
    assert (row["prompt_tokens"], row["output_tokens"], row["window_tokens"]) == (2, 3, 2)
    assert (row["status"], row["phase"], row["turn"], row["prompt_id"]) == ("ok", "window", 2, "c/0/4/m2")
    assert row["scheduled_s"] is None
    assert chunks.to_pylist() == [{"seq": 0, "offsets_us": [2000, 3000, 4000], "tokens": [1, 1, 1]}]
