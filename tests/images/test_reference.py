"""Names of images are taken apart as Docker does it."""

import pytest

from bench.errors import InputError
from bench.images.reference import is_loopback, parse_reference

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("text", "whole", "host", "wanted", "exact"),
    [
        ("nginx", "docker.io/library/nginx", "registry-1.docker.io", "latest", "docker.io/library/nginx:latest"),
        ("a/b:1", "docker.io/a/b:1", "registry-1.docker.io", "1", "docker.io/a/b:1"),
        ("index.docker.io/a/b", "docker.io/a/b", "registry-1.docker.io", "latest", "docker.io/a/b:latest"),
        ("nvcr.io/nim/meta/x:2.0.12", "nvcr.io/nim/meta/x:2.0.12", "nvcr.io", "2.0.12", "nvcr.io/nim/meta/x:2.0.12"),
        ("localhost/x", "localhost/x", "localhost", "latest", "localhost/x:latest"),
        ("127.0.0.1:5000/a__b/c-d:t", "127.0.0.1:5000/a__b/c-d:t", "127.0.0.1:5000", "t", "127.0.0.1:5000/a__b/c-d:t"),
        (f"h:1/x:t@{DIGEST}", f"h:1/x:t@{DIGEST}", "h:1", DIGEST, f"h:1/x@{DIGEST}"),
        (
            f"x@{DIGEST}",
            f"docker.io/library/x@{DIGEST}",
            "registry-1.docker.io",
            DIGEST,
            f"docker.io/library/x@{DIGEST}",
        ),
    ],
)
def test_reference_has_its_parts(text, whole, host, wanted, exact):
    found = parse_reference(text)
    assert (str(found), found.host, found.wanted, found.exact) == (whole, host, wanted, exact)
    assert parse_reference(str(found)) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":1",
        "a/B",
        "nvcr.io/NIM/x",
        "x:",
        "x:ta g",
        "x@sha256:ab",
        "x@md5:" + "a" * 32,
        "http://x/y",
        "h:99x/a",
        "a//b",
        "x" * 300,
        "x:1:2",
        f"x@{DIGEST}@{DIGEST}",
        "../x",
        "h/x?y=1",
        "user:pw@h/x",
    ],
)
def test_what_is_no_reference_is_refused(text):
    with pytest.raises(InputError, match="is no name of an image"):
        parse_reference(text)


def test_only_this_host_is_loopback():
    assert all(map(is_loopback, ("localhost", "localhost:5000", "127.0.0.1", "127.9.9.9:1", "[::1]:5000", "[::1]")))
    assert not any(map(is_loopback, ("nvcr.io", "10.0.0.1:5000", "localhost.example", "127.0.0.1.example:80", "")))
