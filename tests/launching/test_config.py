"""What a server says of itself is found where this server has it."""

import contextlib
import http.server
import threading
from types import SimpleNamespace

import pytest

from bench.engines import get_engine
from bench.launching import sampling
from bench.launching.config import exposition_url
from bench.launching.sampling import Sampling

COUNTS = "# TYPE num_requests_running gauge\nnum_requests_running 3\n"
NO_COUNTS = ("", "# TYPE num_requests_running gauge\n", "<html>not here</html>", "process_open_fds 9\n")


@contextlib.contextmanager
def serving(pages):
    """A server of these pages, path -> text; anything else is not found."""
    asked = []

    class Pages(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            body = pages.get(self.path, "").encode()
            self.send_response(200 if self.path in pages else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def found(engine, pages):
    with serving(pages) as (url, asked):
        metrics_url = exposition_url(get_engine(engine), url + get_engine(engine).metrics_path)
        return metrics_url.removeprefix(url), asked


def test_a_nim_1_0_is_asked_where_it_has_its_metrics():
    assert found("nim", {"/metrics": COUNTS})[0] == "/metrics"


def test_a_nim_that_has_them_in_the_usual_place_is_asked_nowhere_else():
    assert found("nim", {"/v1/metrics": COUNTS, "/metrics": COUNTS}) == ("/v1/metrics", ["/v1/metrics"])


@pytest.mark.parametrize("text", NO_COUNTS)
def test_a_page_without_a_number_that_is_asked_for_is_not_the_place(text):
    assert found("nim", {"/v1/metrics": text, "/metrics": COUNTS})[0] == "/metrics"
    assert found("nim", {"/v1/metrics": text})[0] == "/v1/metrics", "the usual one, whose failures are told"


def test_an_engine_with_one_place_is_not_asked_for_it():
    assert found("vllm", {"/metrics": ""}) == ("/metrics", [])


def test_a_server_that_shows_no_metrics_or_is_gone_leaves_the_place_as_it_was():
    nim = get_engine("nim")
    assert exposition_url(nim, None) is None
    assert exposition_url(nim, "http://127.0.0.1:9/v1/metrics") == "http://127.0.0.1:9/v1/metrics"


def test_the_sampler_of_a_launch_is_sent_to_the_place_that_was_found(monkeypatch, tmp_path):
    begun = []
    monkeypatch.setattr(sampling, "Telemetry", lambda: SimpleNamespace(also=begun.append))
    attempt = SimpleNamespace(
        engine=get_engine("nim"),
        t0_ns=0,
        prepared=SimpleNamespace(placement=SimpleNamespace(gpus=())),
        launch_dir=SimpleNamespace(scratch=tmp_path),
        scenario=SimpleNamespace(launches=SimpleNamespace(telemetry_interval_s=0.5)),
    )
    with serving({"/metrics": COUNTS}) as (url, _):
        running = SimpleNamespace(pids=lambda: {"engine": 1})
        Sampling(attempt).begin_load(SimpleNamespace(metrics_url=f"{url}/v1/metrics"), running)
    assert [spec.metrics_url for spec in begun] == [f"{url}/metrics"]
