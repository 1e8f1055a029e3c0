"""First token and steady answers of a small real HTTP server, and marks in a log."""

import json
import re
import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench.clock import now_ns
from bench.engines.base import LogPattern
from bench.model import Load, Stage
from bench.probes.coldstart import STEADY_MOST_REQUESTS, FirstToken, Probe, is_steady, log_marks, steady_ns
from bench.probes.documents import gather_documents
from bench.vocabulary import Api, Mark

EVENTS = b'data: {"choices":[{"index":0,"text":"a","finish_reason":"length"}]}\n\ndata: [DONE]\n\n'


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serving(port, *, refuse=0):
    """Answers 503 `refuse` times, then one token; keeps the bodies it was sent."""
    bodies = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))) | {"path": self.path})
            answer = EVENTS if len(bodies) > refuse else b"loading"
            self.send_response(200 if answer is EVENTS else 503)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def do_GET(self):
            self.send_response(200 if self.path == "/v1/models" else 404)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield bodies
        server.shutdown()
        thread.join()


def probe(port, **changes):
    load = Load(stages=(Stage(id="c1", concurrency=1),), input_tokens=16, output_tokens=4, **changes)
    return Probe(url=f"http://127.0.0.1:{port}", model="m", load=load, extras={"ignore_eos": True}, seed=3)


def test_first_token_is_asked_for_until_the_server_gives_one():
    port = free_port()
    first = FirstToken(probe(port))
    time.sleep(0.15)
    opened_ns = now_ns()
    with serving(port, refuse=2) as bodies:
        first.hurry()
        assert first.wait(20.0, lambda: True) > opened_ns
    assert len(bodies) == 3
    assert len({body["prompt"] for body in bodies}) == 3, "the same text twice would measure a cache"
    assert bodies[0]["ignore_eos"] and bodies[0]["stream"] and bodies[0]["max_tokens"] >= 1


def test_first_token_of_a_dead_arm_is_not_waited_for():
    first = FirstToken(probe(free_port()))
    assert first.wait(600.0, lambda: False) is None
    first.hurry()


def test_time_that_is_up_says_what_the_last_attempt_met():
    with serving(free := free_port(), refuse=10_000):
        first = FirstToken(probe(free))
        assert first.wait(0.3, lambda: True) is None
    assert "503" in first.last_error()


def test_chat_scenario_is_probed_by_chat():
    with serving(port := free_port()) as bodies:
        assert probe(port, api=Api.CHAT).ask(0).first_token_ns is not None
    assert bodies[0]["path"] == "/v1/chat/completions"
    assert bodies[0]["messages"][0]["role"] == "user"


def test_steady_search_is_bounded():
    with serving(port := free_port()) as bodies:
        steady_ns(probe(port))
    assert 5 <= len(bodies) <= STEADY_MOST_REQUESTS
    assert steady_ns(probe(port)) is None, "nobody answers any more"


@pytest.mark.parametrize(
    ("ttfts_s", "steady"),
    [
        ([0.1] * 4, False),
        ([0.1] * 5, True),
        ([9.0, 0.1, 0.1, 0.109, 0.091, 0.1], True),
        ([0.1, 0.1, 0.112, 0.1, 0.1], False),
    ],
)
def test_steady_means_five_in_a_row_near_their_median(ttfts_s, steady):
    assert is_steady(ttfts_s) is steady


def test_first_pattern_of_a_mark_that_occurs_wins_over_an_earlier_line(tmp_path):
    log = tmp_path / "server.log"
    log.write_text(
        "1.000000 nginx loaded\n1.500000 engine graph part\nno time: loaded\n2.000000 engine loaded\n"
        "2.500000 engine graph whole\n3.000000 engine loaded again \xff\n",
        "latin-1",
    )
    patterns = (
        LogPattern(None, re.compile("loaded")),
        LogPattern(Mark.WEIGHTS_LOADED, re.compile("loaded")),
        LogPattern(Mark.GRAPHS_READY, re.compile("graph whole")),
        LogPattern(Mark.GRAPHS_READY, re.compile("graph part")),
        LogPattern(Mark.COMPILED, re.compile("compiled")),
    )
    assert log_marks(log, patterns) == {Mark.WEIGHTS_LOADED: 2.0, Mark.GRAPHS_READY: 2.5}
    assert log_marks(tmp_path / "absent", patterns) == {}


def test_documents_are_those_that_answer(tmp_path):
    with serving(port := free_port()):
        found = gather_documents(f"http://127.0.0.1:{port}", ("/v1/models", "/version"), tmp_path / "absent")
    assert found == {"/v1/models": "{}"}
    assert gather_documents(f"http://127.0.0.1:{port}", ("/v1/models",), tmp_path / "absent") == {}
