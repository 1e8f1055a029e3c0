"""A pull's events become times per layer: the classic store's and the containerd store's, which says less."""

from __future__ import annotations

import pytest

from bench.images.push import PushTally
from bench.images.refusals import refusal_of
from bench.images.timeline import PullTimeline
from bench.vocabulary import FailureKind

A, B, C = "aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc"
DIGEST = "sha256:" + "12" * 32


def fed(*events: tuple[float, dict]) -> PullTimeline:
    timeline = PullTimeline()
    for at_s, event in events:
        timeline.feed(event, at_s)
    return timeline


def event(status: str, layer: str = "", **detail: object) -> dict:
    return {"status": status, "progressDetail": detail} | ({"id": layer} if layer else {})


def times(layer) -> tuple:
    return (layer.download_start_s, layer.download_end_s, layer.extract_start_s, layer.extract_end_s)


def test_classic_store_tells_bytes_and_every_step():
    timeline = fed(
        (0.1, {"status": "Pulling from team/app", "id": "1.0"}),
        (0.1, event("Pulling fs layer", A)),
        (0.1, event("Pulling fs layer", B)),
        (0.1, event("Already exists", C)),
        (0.2, event("Waiting", B)),
        (0.3, event("Downloading", A, current=10, total=100)),
        (0.5, event("Downloading", A, current=90, total=100)),
        (0.6, event("Verifying Checksum", A)),
        (0.6, event("Download complete", A)),
        (0.7, event("Downloading", B, current=1, total=7)),
        (0.8, event("Extracting", A, current=10, total=100)),
        (0.9, event("Download complete", B)),
        (1.0, event("Extracting", A, current=100, total=100)),
        (1.1, event("Pull complete", A)),
        (1.2, event("Extracting", B, current=7, total=7)),
        (1.3, event("Pull complete", B)),
        (1.3, {"status": f"Digest: {DIGEST}"}),
        (1.4, {"status": "Status: Downloaded newer image for team/app:1.0"}),
    )
    a, b, c = timeline.layers
    assert (a.id, a.bytes, times(a)) == (A, 100, (0.3, 0.6, 0.8, 1.1))
    assert (b.id, b.bytes, times(b)) == (B, 7, (0.7, 0.9, 1.2, 1.3))
    assert (c.already_present, times(c)) == (True, (None, None, None, None))
    assert (timeline.downloaded_s, timeline.digest, timeline.error) == (0.9, DIGEST, None)
    assert timeline.state == (3, 3, 107)


def test_containerd_store_counts_seconds_while_it_extracts():
    timeline = fed(
        (0.0, event("Pulling from library/x", "latest")),
        (0.3, event("Downloading", A, current=50, total=1000)),
        (2.0, event("Download complete", A, hidecounts=True)),
        (5.4, event("Extracting", A, current=3, units="s")),  # the events before it were missed
        (6.4, event("Extracting", A, current=4, units="s")),
        (7.0, event("Pull complete", A, hidecounts=True)),
    )
    (layer,) = timeline.layers
    assert times(layer) == pytest.approx((0.3, 2.0, 3.4, 7.0))
    assert layer.bytes == 1000


def test_containerd_store_never_extracts_before_the_download_ended():
    timeline = fed((2.0, event("Download complete", A)), (2.1, event("Extracting", A, current=2, units="s")))
    assert timeline.layers[0].extract_start_s == 2.0


def test_containerd_store_may_skip_steps_and_use_another_word():
    timeline = fed(
        (0.1, event("Waiting", A)),
        (0.2, event("Pulling layer fs", A, current=5, total=9)),
        (0.4, event("Download complete", A)),
        (0.5, event("Already exists", B)),
        (0.6, event("Pull complete", B)),
        (0.7, event("Download complete", C)),  # a small layer: came and went between two looks
    )
    a, b, c = timeline.layers
    assert (a.bytes, times(a)) == (9, (0.2, 0.4, None, None))
    assert (b.already_present, b.extract_end_s) == (True, 0.6)
    assert (c.bytes, times(c)) == (None, (None, 0.7, None, None))
    assert timeline.downloaded_s == 0.7


def test_error_in_the_stream_is_kept():
    said = {"errorDetail": {"message": "write /var/lib/x: no space left on device"}, "error": "write failed"}
    assert fed((0.1, said)).error == "write /var/lib/x: no space left on device"
    assert fed((0.1, {"error": "toomanyrequests: slow down"})).error == "toomanyrequests: slow down"


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"status": None, "id": 7},
        {"status": "Downloading", "id": A, "progressDetail": None},
        {"status": "Downloading", "id": A, "progressDetail": {"total": "x", "current": -1}},
    ],
)
def test_odd_events_do_no_harm(odd):
    timeline = fed((0.1, odd), (0.2, event("Pull complete", A)))
    assert timeline.error is None
    assert timeline.layers[0].bytes is None


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Head http://127.0.0.1:5000/v2/a/manifests/1: no basic auth credentials", FailureKind.AUTH),
        ("unauthorized: authentication required", FailureKind.AUTH),
        ("pull access denied for x, repository does not exist or may require 'docker login'", FailureKind.AUTH),
        ("failed to authorize: failed to fetch anonymous token: 401 Unauthorized", FailureKind.AUTH),
        ("manifest for x:9 not found: manifest unknown: manifest unknown", FailureKind.IMAGE_NOT_FOUND),
        ("failed to resolve reference: docker.io/library/x:9: not found", FailureKind.IMAGE_NOT_FOUND),
        ("no matching manifest for linux/amd64 in the manifest list entries", FailureKind.IMAGE_NOT_FOUND),
        ("toomanyrequests: You have reached your pull rate limit.", FailureKind.RATE_LIMITED),
        ("unexpected status from HEAD request: 429 Too Many Requests", FailureKind.RATE_LIMITED),
        ("failed to register layer: write /x: no space left on device", FailureKind.DISK_FULL),
        ("dial tcp: lookup nvcr.io: no such host", FailureKind.DOWNLOAD),
        ("net/http: TLS handshake timeout", FailureKind.DOWNLOAD),
        ("x509: certificate signed by unknown authority", FailureKind.DOWNLOAD),
    ],
)
def test_refusals_are_told_apart(text, kind):
    assert refusal_of(text).kind is kind


def test_push_counts_what_was_sent_and_what_was_there():
    tally = PushTally()
    for one in (
        {"status": "The push refers to repository [127.0.0.1:5000/a]"},
        event("Preparing", A),
        event("Pushing", A, current=1, total=2),
        event("Pushed", A),
        event("Layer already exists", B),
        event("Mounted from team/base", C),
        {"progressDetail": {}, "aux": {"Tag": "1", "Digest": DIGEST, "Size": 949}},
    ):
        tally.feed(one)
    assert (tally.pushed, tally.present, tally.digest, tally.error) == (1, 2, DIGEST, None)
    assert tally.read_bytes == 1
    tally.feed({"errorDetail": {"message": "denied"}, "error": "denied"})
    assert tally.error == "denied"
