"""What images share, by hand-made layers: every number here can be added up on paper."""

import dataclasses
import hashlib
from functools import cache

import pytest

from bench import analysis
from bench.analysis import containers
from bench.analysis.contents import (
    age_days,
    arch_bytes,
    chain_ids,
    pulled_bytes,
    shared_layers,
    totals,
    unpacked_bytes_per_s,
)
from bench.analysis.numbers import Numbers
from bench.anatomy import DayZero, GpuBinary, Lint
from bench.container import LayerTimes, PullRecord
from bench.model import Stage
from bench.vocabulary import ByteGroup, Kind, PinRule, Verdict
from tests.insides import CONFIG_BYTES, anatomy, contents, finding, layer, rich, sha
from tests.synthetic import Fake, make_run

BASE, SSL = layer("base", 100, 300), layer("ssl", 10, 30)
IMAGES = {
    "a": contents(BASE, SSL, layer("engine a", 500, 2_000)),
    "b": contents(BASE, SSL, layer("engine b", 700, 1_000), layer("more", 1, 1)),
    "c": contents(BASE, layer("engine a", 500, 2_000)),
}


def test_a_layer_is_shared_only_with_all_that_lies_below_it():
    assert shared_layers(IMAGES, "a") == (True, True, False)  # c has the engine's tar too, but on another layer
    assert shared_layers(IMAGES, "b") == (True, True, False, False)
    assert shared_layers(IMAGES, "c") == (True, False)


def test_chain_ids_are_those_of_the_image_specification():
    # ChainID(L0|L1) = Digest(ChainID(L0) + " " + DiffID(L1)), and ChainID(L0) = DiffID(L0)
    first, second = BASE.diff_id, SSL.diff_id
    both = f"sha256:{hashlib.sha256(f'{first} {second}'.encode()).hexdigest()}"
    three = f"sha256:{hashlib.sha256(f'{both} {first}'.encode()).hexdigest()}"
    assert chain_ids((BASE, SSL, BASE)) == (first, both, three)
    assert chain_ids(()) == ()


def test_shared_and_unique_bytes_add_up_to_the_image():
    found = totals(IMAGES, "a")
    assert (found.wire_bytes, found.shared_wire_bytes, found.unique_wire_bytes) == (
        610 + CONFIG_BYTES, 110, 500 + CONFIG_BYTES,
    )  # fmt: skip
    assert (found.disk_bytes, found.shared_disk_bytes, found.unique_disk_bytes) == (2_330, 330, 2_000)
    assert found.largest_layer_ratio == pytest.approx(500 / 610)


def test_a_layer_that_two_others_have_counts_once():
    assert totals(IMAGES | {"d": IMAGES["b"]}, "a").shared_disk_bytes == 330


def test_the_only_image_shares_nothing():
    found = totals({"a": IMAGES["a"]}, "a")
    assert found.shared_wire_bytes == found.shared_disk_bytes == 0


def test_what_a_node_still_pulls():
    a, b, c = (IMAGES[name].anatomy for name in "abc")
    assert pulled_bytes(a, []) == a.wire_bytes
    assert pulled_bytes(a, [b]) == 500 + CONFIG_BYTES
    assert pulled_bytes(a, [c]) == 510 + CONFIG_BYTES
    assert pulled_bytes(b, [a]) == 701 + CONFIG_BYTES
    assert pulled_bytes(a, [anatomy(BASE)]) == 510 + CONFIG_BYTES, "a node that holds the bare base"


def test_a_blob_compressed_anew_is_pulled_again_and_stored_once():
    again = dataclasses.replace(SSL, digest=sha("compressed by another tool"), wire_bytes=9)
    images = {"a": contents(BASE, SSL), "b": contents(BASE, again)}
    assert pulled_bytes(images["b"].anatomy, [images["a"].anatomy]) == 9 + CONFIG_BYTES
    assert totals(images, "b").shared_disk_bytes == 330


def test_images_that_no_registry_has_are_compared_by_content():
    unpushed = contents(*(dataclasses.replace(one, digest=None) for one in (BASE, SSL, layer("x", 5, 5))))
    assert pulled_bytes(unpushed.anatomy, [IMAGES["a"].anatomy]) == 5 + CONFIG_BYTES


def test_an_unknown_size_is_not_known_and_never_0():
    images = {"a": contents(layer("base", None, 300), SSL), "b": contents(BASE)}
    found = totals(images, "a")
    assert (found.wire_bytes, found.shared_wire_bytes, found.unique_wire_bytes) == (None, None, None)
    assert found.largest_layer_ratio == pytest.approx((300 + 10_240) / (330 + 2 * 10_240)), "of the unpacked bytes"
    assert totals({"a": contents()}, "a").largest_layer_ratio is None


def pull_of(*layers: LayerTimes) -> PullRecord:
    return PullRecord(reference="computed:1", wall_s=9.0, layers=layers)


def came(name: str, start_s: float | None, end_s: float | None, *, present: bool = False) -> LayerTimes:
    short = sha(f"blob {name}").removeprefix("sha256:")[:12]
    return LayerTimes(id=short, extract_start_s=start_s, extract_end_s=end_s, already_present=present)


def test_unpacking_is_bytes_over_the_time_in_which_something_was_unpacked():
    image = anatomy(layer("base", 1, 900), layer("big", 1, 60_000_000), layer("large", 1, 40_000_000))
    times = (came("base", None, None, present=True), came("big", 1.0, 2.0), came("large", 1.5, 3.0))
    assert unpacked_bytes_per_s([(pull_of(*times), image)]) == pytest.approx(100_000_000 / 2.0)
    assert unpacked_bytes_per_s([(pull_of(*times), image)] * 2) == pytest.approx(100_000_000 / 2.0)


def test_too_little_unpacked_gives_no_rate():
    image = anatomy(layer("base", 1, 49_000_000))
    assert unpacked_bytes_per_s([(pull_of(came("base", 0.0, 1.0)), image)]) is None
    assert unpacked_bytes_per_s([(pull_of(came("base", 1.0, 1.0)), image)]) is None
    assert unpacked_bytes_per_s([]) is None


def test_gpu_code_is_summed_over_the_binaries():
    binaries = (
        GpuBinary(path="a.so", disk_bytes=9, arch_bytes={"sm_80": 3, "sm_90": 4}),
        GpuBinary(path="b.so", disk_bytes=9, arch_bytes={"sm_90": 1}),
    )
    assert arch_bytes(anatomy(gpu_binaries=binaries)) == {"sm_80": 3, "sm_90": 5}


@pytest.mark.parametrize(
    ("created", "days"),
    [
        ("2025-12-02T00:00:00Z", 30.0),
        ("2025-12-31T14:00:00+02:00", 0.5),
        ("2025-12-02T00:00:00.123456789Z", pytest.approx(30.0)),  # nanoseconds, as Docker writes them
        ("1970-01-01T00:00:00Z", None),  # a reproducible build: no date
        ("0001-01-01T00:00:00Z", None),
        ("2026-06-01T00:00:00Z", None),  # younger than the run: one of the clocks is wrong
        ("2025-12-02", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_the_age_of_a_base_is_known_only_from_a_date(created, days):
    assert age_days(created, "2026-01-01T00:00:00+00:00") == days


@cache
def measured():
    stage = Stage(id="c1", concurrency=1, duration_s=2.0)
    return make_run({"a": Fake(), "b": Fake(args=("--parallel", "4"))}, blocks=3, burn_in=0, stages=(stage,))


def run_of(**images):
    return dataclasses.replace(measured(), contents=images)


def comparison(data, metric):
    return next(c for c in analysis.summarise(data).comparisons if c.metric == metric)


def test_images_are_compared_exactly_by_margin():
    found = comparison(
        run_of(a=contents(layer("x", 1_000_000, 100)), b=contents(layer("y", 900_000, 104))), "image_wire_bytes"
    )
    assert (found.kind, found.verdict, found.ci95, found.method) == (Kind.EXACT, Verdict.BETTER, None, "exact")
    assert found.ratio == pytest.approx((900_000 + CONFIG_BYTES) / (1_000_000 + CONFIG_BYTES))
    assert found.n == {"baseline": 1, "candidate": 1, "pairs": 1}, "one image each, however many launches"


def test_four_per_cent_more_bytes_do_not_matter():
    data = run_of(a=contents(layer("x", 1, 100)), b=contents(layer("y", 1, 104)))
    assert comparison(data, "image_disk_bytes").verdict is Verdict.EQUAL


def test_an_arm_without_an_image_is_not_compared_and_says_why():
    found = comparison(run_of(a=contents(layer("x", 1, 100))), "image_disk_bytes")
    assert (found.verdict, found.ratio) == (Verdict.UNKNOWN, None)
    assert found.reason == "what is in the image of b is not known"


def test_a_run_without_images_does_not_speak_of_their_bytes():
    summary = analysis.summarise(run_of())
    assert not [c for c in summary.comparisons if c.metric.startswith("image_")]
    assert not [v for arm in summary.arms.values() for v in arm.values if v.metric.startswith("image_")]


def test_bytes_of_an_image_have_no_interval():
    summary = analysis.summarise(run_of(a=rich("a"), b=rich("b")))
    values = [v for arm in summary.arms.values() for v in arm.values if v.metric == "image_wire_bytes"]
    assert [(v.n, v.ci95) for v in values] == [(1, None), (1, None)]


def findings(name, **images):
    numbers = Numbers(run_of(**images))
    return [one for check in containers.CHECKS for one in check(numbers) if one.id == name]


@pytest.mark.parametrize(("grade", "count"), [("A", 0), ("B", 0), ("C", 1), ("F", 1)])
def test_pins_worse_than_b_are_a_finding_that_names_the_worst_place(grade, count):
    found = findings("image-not-pinned", a=rich("a", grade=grade))
    assert len(found) == count
    assert all("Dockerfile:1 (FROM python:3.12-slim)" in one.text and one.arm == "a" for one in found)


def test_an_image_that_was_not_built_here_has_no_pins_to_judge():
    assert not findings("image-not-pinned", a=contents(layer("x", 1, 1)))


def test_nightly_builds_on_purpose_are_told_with_reason_and_date():
    lint = Lint(
        grade="A", day_zero=DayZero(reason="the model is a day old", until="2026-12-31"),
        excused=(finding(PinRule.NIGHTLY, 3, "pip install --pre vllm"),),
    )  # fmt: skip
    (found,) = findings("day-zero", a=contents(layer("x", 1, 1), lint=lint))
    assert "until 2026-12-31: the model is a day old. 1 place is excused" in found.text


def test_weights_inside_an_image_are_a_finding_and_a_test_model_is_not():
    heavy = contents(layer("x", 1, 1), groups={ByteGroup.WEIGHTS: 16_000_000_000})
    light = contents(layer("x", 1, 1), groups={ByteGroup.WEIGHTS: 2_000_000})
    (found,) = findings("weights-in-image", a=heavy, b=light)
    assert found.arm == "a" and "16,000 MB" in found.text
