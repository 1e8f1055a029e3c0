"""CUDA's rules of compatibility, each with the GPU that it is about."""

from __future__ import annotations

import pytest

from bench.images.anatomy.architecture import runs_on, unneeded_bytes


@pytest.mark.parametrize(
    ("code", "needed", "runs"),
    [
        ("sm_90", "sm_90", True), ("sm_90a", "sm_90", True), ("sm_80", "sm_86", True), ("sm_80", "sm_89", True),
        ("sm_86", "sm_80", False), ("sm_80", "sm_90", False), ("sm_100", "sm_90", False), ("sm_90a", "sm_100", False),
        ("sm_100f", "sm_103", True), ("sm_100a", "sm_103", False), ("sm_100f", "sm_120", False),
        ("sm_120", "sm_121", True),
        ("compute_80", "sm_90", True), ("compute_90", "sm_80", False), ("compute_90a", "sm_100", False),
        ("compute_100f", "sm_103", True), ("lto_90", "sm_90", None), ("several", "sm_90", None),
        ("sm_90", "H100", None),
    ],
)  # fmt: skip
def test_code_runs_where_cuda_says(code: str, needed: str, runs: bool | None) -> None:
    assert runs_on(code, needed) is runs


def test_ptx_is_of_no_use_only_where_there_is_code_for_the_gpu() -> None:
    assert unneeded_bytes({"sm_80": 10, "sm_90": 5, "compute_90": 3}, "sm_90") == 13
    assert unneeded_bytes({"sm_80": 10, "compute_80": 3}, "sm_90") == 10


def test_a_file_without_anything_for_the_gpu_is_left_alone() -> None:
    """It may choose its own way at run time: all or nothing of it is needed, and nobody can tell."""
    assert unneeded_bytes({"sm_80": 10, "sm_100": 5}, "sm_90") == 0


def test_what_cannot_be_told_is_not_counted() -> None:
    assert unneeded_bytes({"several": 100, "lto_90": 10, "sm_90": 1, "sm_75": 2}, "sm_90") == 2
