"""WWW-Authenticate headers as real registries send them, and worse ones."""

import pytest

from bench.images.challenge import Challenge, parse_challenges

NVCR = {"realm": "https://nvcr.io/proxy_auth", "scope": "repository:nim/meta/x:pull"}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (['Bearer realm="https://nvcr.io/proxy_auth",scope="repository:nim/meta/x:pull"'], [("bearer", NVCR)]),
        (['Basic realm="Registry"'], [("basic", {"realm": "Registry"})]),
        (["Basic"], [("basic", {})]),
        (['bearer REALM="a, Basic b=c",service=plain'], [("bearer", {"realm": "a, Basic b=c", "service": "plain"})]),
        (['Bearer realm="a\\"b"'], [("bearer", {"realm": 'a"b'})]),
        (['Negotiate, Basic realm="x"'], [("negotiate", {}), ("basic", {"realm": "x"})]),
        (
            ['Bearer realm="x",scope="p"', 'Basic realm="y"'],
            [("bearer", {"realm": "x", "scope": "p"}), ("basic", {"realm": "y"})],
        ),
        (
            ['Bearer realm="x",error="insufficient_scope", Basic realm="y"'],
            [("bearer", {"realm": "x", "error": "insufficient_scope"}), ("basic", {"realm": "y"})],
        ),
        ([], []),
        (["", '"', "=", "," * 50], []),
    ],
)
def test_challenges_are_taken_apart(headers, expected):
    assert parse_challenges(headers) == [Challenge(scheme, parameters) for scheme, parameters in expected]


def test_header_without_end_is_left_out():
    assert parse_challenges(["Bearer " + 'a="b",' * 100_000]) == []
