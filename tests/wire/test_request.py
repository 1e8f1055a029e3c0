"""One-shot requests against a real server that misbehaves in every way we know."""

import socket
import threading

import pytest

from bench.calibration import reference_server
from bench.errors import InputError
from bench.vocabulary import ErrorKind, RequestStatus
from bench.wire.request import get_once, parse_url, post_once, stream_once

BODY = {"prompt": "a b c", "max_tokens": 6, "stream": True, "stream_options": {"include_usage": True}}
CHAT = {**BODY, "messages": [{"role": "user", "content": "a b"}]}


def ask(*flags, body=BODY, path="/v1/completions", **options):
    with reference_server("--first-ms", "2", "--gap-ms", "1", *flags) as url:
        return stream_once(url, path, body, **options)


def test_a_stream_is_read_to_its_end():
    with reference_server("--first-ms", "2", "--gap-ms", "1", "--split-bytes") as url:
        reply = stream_once(url, "/v1/completions", BODY, keep_text=True, headers={"X-Request-Id": "one"})
        log = get_once(url, "/writes?request=one").json()["requests"][0]
    assert reply.status is RequestStatus.OK
    assert (reply.prompt_tokens, reply.output_tokens, reply.finish_reason) == (3, 6, "length")
    assert reply.text == " t0 t1 t2 t3 t4 t5"
    assert len(reply.chunk_ns) == len(log["writes_ns"]) == 6
    assert all(came >= wrote for came, wrote in zip(reply.chunk_ns, log["writes_ns"], strict=True))
    assert reply.start_ns < log["read_ns"] < reply.headers_ns <= reply.first_token_ns < reply.last_token_ns


def test_a_chat_with_reasoning_knows_the_first_answer():
    reply = ask("--reasoning-chunks", "2", body=CHAT, path="/v1/chat/completions")
    assert reply.first_token_ns == reply.chunk_ns[0]
    assert reply.first_answer_ns == reply.chunk_ns[2]


@pytest.mark.parametrize(
    ("flags", "kind"),
    [
        (("--status", "429"), ErrorKind.HTTP_429),
        (("--status", "404"), ErrorKind.HTTP_4XX),
        (("--status", "500"), ErrorKind.HTTP_5XX),
        (("--cut-after", "3"), ErrorKind.CUT),
        (("--malformed-after", "3"), ErrorKind.BAD_STREAM),
        (("--error-after", "3"), ErrorKind.SERVER_ERROR_EVENT),
        (("--stall-after", "3"), ErrorKind.TIMEOUT),
    ],
)
def test_every_fault_has_its_kind(flags, kind):
    reply = ask(*flags, timeout_s=1.0)
    assert (reply.status, reply.error_kind) == (RequestStatus.ERROR, kind)
    assert reply.error
    assert len(reply.chunk_ns) == (0 if "--status" in flags else 3)


def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert stream_once(f"http://127.0.0.1:{port}", "/", BODY).error_kind is ErrorKind.CONNECT


def serve_once(answer):
    """The URL of a server that sends `answer` to its first connection and closes it."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with listener, listener.accept()[0] as connection:
            connection.recv(65536)
            connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}", thread


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"", ErrorKind.CUT),
        (b"SSH-2.0-OpenSSH_9.2\r\n", ErrorKind.BAD_STREAM),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", ErrorKind.BAD_STREAM),
        (b'HTTP/1.1 200 OK\r\n\r\ndata: {"choices":[{"text":"a"}]}\n\n', ErrorKind.CUT),
        (b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", ErrorKind.BAD_STREAM),
    ],
)
def test_other_servers_answers_have_their_kind(answer, kind):
    url, thread = serve_once(answer)
    reply = stream_once(url, "/v1/completions", BODY, timeout_s=5.0)
    thread.join()
    assert reply.error_kind is kind


def test_tls_to_a_server_without_tls_is_a_tls_error():
    url, thread = serve_once(b"HTTP/1.1 200 OK\r\n\r\n")
    assert stream_once(url.replace("http", "https"), "/", BODY, timeout_s=5.0).error_kind is ErrorKind.TLS
    thread.join()


def test_documents_are_got_and_posted():
    with reference_server() as url:
        assert get_once(url, "/health").json() == {"status": "ok"}
        assert get_once(url, "/nothing").status == 404
        assert post_once(url, "/tokenize", {"content": "a b c"}).json()["count"] == 3


@pytest.mark.parametrize("url", ["ftp://x", "http://", "http://host:port", "", "http://[::1", "http://a..b:80"])
def test_what_is_no_url_is_refused(url):
    with pytest.raises(InputError):
        parse_url(url)


def test_urls_are_read():
    assert parse_url("https://host/base/") == parse_url("https://host:443/base")
    assert parse_url("http://[::1]:8000").host_header == "[::1]:8000"


def test_a_header_cannot_smuggle_a_line():
    with pytest.raises(InputError):
        stream_once("http://127.0.0.1:1", "/", BODY, headers={"X": "a\r\nEvil: b"})
