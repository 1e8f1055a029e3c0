"""Reference servers in processes of their own, gone after each test."""

from contextlib import ExitStack

import pytest

from bench.calibration import reference_server


@pytest.fixture(scope="module")
def reference():
    """Start a reference server with these flags; gives its URL."""
    with ExitStack() as stack:
        yield lambda *flags: stack.enter_context(reference_server("--first-ms", "5", "--gap-ms", "2", *flags))
