"""What `pip check` inside an image becomes in the record."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from bench.container import BuildRecord, ImageFacts
from bench.images.pip_check import NO_PIP, pip_check_spec, with_pip_check

RECORD = BuildRecord(
    tool="t", args={}, base=None, dockerfile_sha256="0" * 64, context_bytes=0, wall_s=1.0, cold=True
)  # fmt: skip


@pytest.mark.parametrize(
    ("code", "output", "found"),
    [
        (0, "No broken requirements found.\n", "ok"),
        (1, "WARNING: a cache is off\na requires b, which is not there.\n", "a requires b, which is not there."),
        (NO_PIP, "", None),
        (139, "", "pip check ended with 139"),
    ],
)  # fmt: skip
def test_the_record_holds_what_pip_found(code: int, output: str, found: str | None) -> None:
    assert with_pip_check(RECORD, SimpleNamespace(exit_code=code, output=output)).pip_check == found


def test_the_question_is_put_to_the_exact_image() -> None:
    spec = pip_check_spec(ImageFacts(reference="a:b", id="sha256:" + "1" * 64))
    assert spec.image == "sha256:" + "1" * 64
    assert spec.entrypoint is not None and spec.entrypoint[0] == "/bin/sh"
