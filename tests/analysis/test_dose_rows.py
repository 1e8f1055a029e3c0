"""Which bytes a pull brought: only layers that came, each with the inside of its own layer."""

import dataclasses

import pytest

from bench.analysis.dose_rows import came_bytes, dose_rows, matched
from bench.analysis.image_times import covered_s, extract_s
from bench.analysis.numbers import Numbers
from bench.anatomy import LayerAnatomy
from bench.container import ImageFacts, ImageRecord, LayerTimes, PullRecord, PushRecord
from tests.dosed import dosed_run


def layer(name: str, *, digest: str | None = None, wire: int | None = None, disk: int = 0) -> LayerAnatomy:
    return LayerAnatomy(diff_id=f"sha256:{name}", digest=digest, wire_bytes=wire, disk_bytes=disk)


def pull(*layers: LayerTimes) -> PullRecord:
    return PullRecord(reference="r", wall_s=9.0, layers=layers, downloaded_s=4.0)


def disks(record: PullRecord, layers: list[LayerAnatomy]) -> list[int | None]:
    return [inside.disk_bytes if inside else None for _, inside in matched(record, layers)]


A, B, C = "a" * 12, "b" * 12, "c" * 12


def test_layers_that_the_host_had_bring_nothing():
    record = pull(LayerTimes(id=A, already_present=True), LayerTimes(id=B, bytes=5))
    assert disks(record, [layer("base", disk=70), layer("own", disk=9)]) == [9]


def test_layers_are_matched_by_digest_in_whatever_order_the_engine_names_them():
    layers = [
        layer("base", digest=f"sha256:{A}{'0' * 52}", disk=70),
        layer("own", digest=f"sha256:{B}{'0' * 52}", disk=9),
    ]
    assert disks(pull(LayerTimes(id=B), LayerTimes(id=A)), layers) == [9, 70]


def test_layers_built_anew_have_other_digests_and_are_matched_in_order():
    layers = [layer("base", digest=f"sha256:{A}{'0' * 52}", disk=70), layer("one", digest="sha256:" + "d" * 64, disk=1),
              layer("two", digest="sha256:" + "e" * 64, disk=2)]  # fmt: skip
    assert disks(pull(LayerTimes(id=B), LayerTimes(id=A), LayerTimes(id=C)), layers) == [1, 70, 2]


def test_layers_of_another_number_are_not_guessed():
    assert disks(pull(LayerTimes(id=A), LayerTimes(id=B)), [layer("one", disk=1)]) == [None, None]


def test_compressed_bytes_are_those_that_came_and_of_a_tiny_layer_those_of_the_registry():
    assert came_bytes(LayerTimes(id=A, bytes=7), layer("x", wire=9)) == 7
    assert came_bytes(LayerTimes(id=A), layer("x", wire=9)) == 9
    assert came_bytes(LayerTimes(id=A), None) is None


@pytest.mark.parametrize(
    ("spans", "length"),
    [([(0, 2), (2, 5)], 5), ([(0, 4), (1, 2)], 4), ([(5, 6), (0, 1)], 2), ([(0, 3), (2, 5), (7, 8)], 6), ([], 0)],
)
def test_layers_unpacked_at_once_count_once(spans, length):
    assert covered_s(spans) == length


def test_unpacking_is_not_known_where_a_layer_that_came_never_said_its_end():
    run = dosed_run(blocks=1)
    launch = next(one.launch for one in run.launches if one.launch.arm == "random-1")

    def said(*layers: LayerTimes) -> float | None:
        record = ImageRecord(facts=ImageFacts(reference="r", id="i"), pull=pull(*layers))
        return extract_s(type(launch)(**{f: getattr(launch, f) for f in launch.__slots__} | {"image": record}))

    whole = LayerTimes(id=A, extract_start_s=1.0, extract_end_s=4.0)
    assert said(whole) == 3.0
    assert said(whole, LayerTimes(id=B, extract_end_s=4.5)) == 3.0  # too small for a beginning
    assert said(whole, LayerTimes(id=B, extract_start_s=1.0)) is None
    assert said(whole, LayerTimes(id=B, already_present=True)) == 3.0
    assert said() is None


def row_of_random_1(push: PushRecord | None):
    """The row of an image whose base the host keeps: 60 + 1000 MB on the wire come down, and 30 MB of base do not."""
    run = dosed_run(blocks=1)
    one = next(one for one in run.launches if one.launch.arm == "random-1")
    image = dataclasses.replace(one.launch.image, push=push)
    launch = dataclasses.replace(one, launch=dataclasses.replace(one.launch, image=image))
    (row,) = dose_rows(Numbers(dataclasses.replace(run, launches=(launch,))))
    return row


def test_push_into_an_empty_registry_sends_the_base_too_and_the_pull_brings_it_not():
    row = row_of_random_1(PushRecord(reference="r", wall_s=9.0, layers_pushed=3))
    pulled, pushed = row.moved("pull_s"), row.moved("push_s")
    assert (pulled.wire_gb, pulled.disk_gb, pulled.kilofiles) == (1.06, 1.18, 0.901)
    assert (pushed.wire_gb, pushed.disk_gb, pushed.kilofiles) == (1.09, 1.255, 4.901)
    assert (row.dose_gb("push_s"), row.dose_gb("extract_s"), row.dose_gb("download_s")) == (1.255, 1.18, 1.06)


@pytest.mark.parametrize(
    "push",
    [None, PushRecord(reference="r", wall_s=9.0, layers_pushed=2, layers_present=1),
     PushRecord(reference="r", wall_s=9.0, layers_pushed=2)],
)  # fmt: skip
def test_bytes_of_a_push_are_not_known_where_some_layers_may_have_been_there(push):
    row = row_of_random_1(push)
    assert not row.moved("push_s").is_known and row.moved("pull_s").is_known
