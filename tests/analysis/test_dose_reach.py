"""What the series covers: an image that is unlike it in what costs time is marked, one that is like it is foretold."""

import dataclasses

import pytest

from bench.analysis.dose import _dose
from bench.analysis.dose_doubts import doubts
from bench.analysis.dose_prediction import informs, predictions
from bench.analysis.dose_reach import beyond, covered
from bench.analysis.dose_rows import PER, DoseRow, Moved
from bench.conclusion import Dose as Dosed
from bench.conclusion import Estimated, Split
from bench.model import Dose

PUSH, UNPACK = ("push_s", "extract_s")
SERIES_GB = (0.0, 0.5, 1.0, 2.0, 4.0)
ASKED = Dose(series=tuple(f"random-{gb:g}" for gb in SERIES_GB), predict=("zeros", "random-3", "packages"))


def dosed(arm: str, wire_gb: float, disk_gb: float, files: float, *, base_gb: float = 0.3) -> Dosed:
    """An image on a base of 8,000 files that is pushed and not pulled."""
    return Dosed(
        arm=arm, wire_bytes=wire_gb * 1e9, disk_bytes=disk_gb * 1e9, files=files, layers=1.0,
        pushed_wire_bytes=(wire_gb + base_gb / 3) * 1e9, pushed_disk_bytes=(disk_gb + base_gb) * 1e9,
        pushed_files=files + 8000,
    )  # fmt: skip


SERIES = [dosed(arm, gb, gb, 1) for arm, gb in zip(ASKED.series, SERIES_GB, strict=True)]


@pytest.mark.parametrize(
    ("image", "of_metric"),
    [
        # ballast of another size, and the same in four files: as the series
        (dosed("random-3", 3.0, 3.0, 1), {}),
        (dosed("random-2-in-4", 2.0, 2.0, 4), {}),
        # more than any of the series; a download knows the wire alone
        (dosed("random-9", 9.0, 9.0, 1), dict.fromkeys(PER, ("bytes",))),
        # all of it on the disk: a download of nothing is in the series, and a start does not decompress
        (dosed("zeros", 0.002, 2.0, 1), dict.fromkeys((PUSH, UNPACK, "pull_s", "pull_to_first_token_s"),
                                                      ("compression",))),
        # 18,133 files where the series has one, incompressible; 26,133 are pushed where it pushes 8,001
        (dosed("files", 1.0, 1.0, 18_133), dict.fromkeys(set(PER) - {"download_s"}, ("files",))),
        # 5,000 files: 13,000 pushed for 8,001 is less than twice as many
        (dosed("some-files", 1.0, 1.0, 5_000), dict.fromkeys(set(PER) - {"download_s", PUSH}, ("files",))),
        # both: what an engine's own image is like
        (dosed("packages", 0.88, 1.77, 18_133),
         {"build_s": ("files",), PUSH: ("files", "compression"), UNPACK: ("files", "compression"),
          "pull_s": ("files", "compression"), "start_to_first_token_s": ("files",),
          "pull_to_first_token_s": ("files", "compression")}),
    ],
    ids=lambda one: one.arm if isinstance(one, Dosed) else "",
)  # fmt: skip
def test_image_lies_beyond_the_series_by_what_matters_to_the_metric(image, of_metric):
    assert {metric: found for metric in PER if (found := beyond(metric, image, SERIES))} == of_metric


def test_few_files_more_cost_nothing_to_speak_of():
    assert beyond("pull_s", dosed("a", 1.0, 1.0, 90), SERIES) == ()
    assert beyond("pull_s", dosed("a", 1.0, 1.0, 110), SERIES) == ("files",)


def test_fewer_files_than_all_of_the_series_are_beyond_it_too():
    many = [dataclasses.replace(one, files=4_000.0) for one in SERIES]
    assert beyond("pull_s", dosed("a", 1.0, 1.0, 1_000), many) == ("files",)
    assert beyond("pull_s", dosed("a", 1.0, 1.0, 3_000), many) == ()


def test_image_on_the_series_own_line_of_wire_over_disk_compresses_as_it_does():
    """A series on a base that halves: 0.5 GB of it, then incompressible. The bare base is at its beginning."""
    series = [dosed(f"s{gb}", 0.25 + gb, 0.5 + gb, 1) for gb in SERIES_GB]
    assert beyond("pull_s", dosed("bare", 0.25, 0.5, 1), series) == ()
    assert beyond("pull_s", dosed("other", 0.5, 1.0, 1), series) == ("compression",)  # 0.75 GB would be the series'


def test_what_is_not_known_is_not_held_against_the_image():
    dark = Dosed(arm="dark", wire_bytes=None, disk_bytes=None, files=None, layers=1.0)
    assert all(beyond(metric, dark, SERIES) == () for metric in PER)
    assert all(beyond(metric, dosed("a", 9.0, 9.0, 9), []) == () for metric in PER)
    assert covered([dark]) is None


def test_what_the_series_covers_in_numbers():
    found = covered(SERIES)
    assert (found.disk_bytes, found.most_files) == ((0.0, 4e9), 1.0)
    assert found.wire_per_disk_ratio == pytest.approx(1.0)


def pushes():
    """A push takes 17 s for a gigabyte on the wire, 5 s for one on the disk, 1 s for 1,000 files."""
    images = {arm: (gb, gb, 1.0) for arm, gb in zip(ASKED.series, SERIES_GB, strict=True)}
    images |= {"zeros": (0.0, 2.0, 1.0), "random-3": (3.0, 3.0, 1.0), "packages": (0.9, 1.8, 18_000.0)}
    for block in range(3):
        for arm, (wire, disk, files) in images.items():
            # blocks differ by a steady share, launches by a fixed pattern, so that there is an interval
            seconds = (1.0 + 17 * wire + 5 * disk + files / 1e3) * (1 + 0.01 * block) + 0.1 * (-1) ** (block + len(arm))
            yield DoseRow(
                launch=0, block=block, arm=arm, wire_gb=wire, disk_gb=disk, kilofiles=files / 1e3, layers=1,
                times={"push_s": seconds, "extract_s": seconds}, pushed=Moved(wire, disk, files / 1e3),
            )  # fmt: skip


@pytest.fixture(scope="module")
def foretold():
    rows = list(pushes())
    doses = [dose for arm in (*ASKED.series, *ASKED.predict) if (dose := _dose(arm, rows))]
    found = predictions(ASKED, rows, doses)
    return found, doses


def test_push_of_zeros_is_foretold_far_too_long_and_is_marked_while_ballast_is_foretold_right(foretold):
    """A line of incompressible bytes lays 22 s to a gigabyte on the disk: 2 GB of zeros 45 s; they take 11 s."""
    of = {one.arm: one for one in foretold[0] if one.metric == "push_s"}
    assert of["zeros"].predicted_s == pytest.approx(1 + 2 * 22, rel=0.02)
    assert of["zeros"].measured.value == pytest.approx(11, rel=0.05)
    assert (of["zeros"].beyond, of["zeros"].within) == (("compression",), 0)
    assert of["packages"].beyond == ("files", "compression")
    assert (of["random-3"].beyond, of["random-3"].within, of["random-3"].is_informative) == ((), 3, True)


def test_doubt_names_the_images_that_compress_otherwise_and_what_of_them_is_not_foretold(foretold):
    found, doses = foretold
    (said,) = [text for text in doubts(ASKED, doses, [], [], found) if "compress otherwise" in text]
    assert "1.00 GB on the wire for each on the disk" in said
    assert "zeros, packages compress otherwise" in said and "(push, unpacking)" in said and "random-3" not in said


@pytest.mark.parametrize(("wire_ci95", "is_said"), [((14.0, 20.0), True), ((3.0, 31.0), False)])
def test_push_that_is_paid_for_the_wire_is_said_where_that_is_sure(wire_ci95, is_said):
    split = Split(
        metric="push_s", arms=ASKED.series, s_per_wire_gb=Estimated(value=17.0, ci95=wire_ci95, n=3),
        s_per_disk_gb=Estimated(value=4.6, ci95=(4.2, 5.0), n=3), s_per_1000_files=None,
    )  # fmt: skip
    said = [text for text in doubts(ASKED, SERIES, [], [split]) if text.startswith("A push is paid for the wire")]
    assert bool(said) is is_said
    assert all("17 s" in text and "4.6 s" in text for text in said)


@pytest.mark.parametrize(
    ("interval", "predicted", "says"),
    [
        ((-2.0, 13.0), 5.6, False),  # cut at 0 it would still be wider than 5.6
        ((-1.0, 3.0), 3.5, False),  # cut at 0 it would be 3 s wide: a cut makes nothing sharper
        ((42.0, 57.0), 50.0, True),  # sharp, and a miss where 15 s are measured: it counts
        ((2.0, 6.0), 4.0, True),
        ((1.9, 6.1), 4.0, False),
        ((-3.0, 2.0), -0.5, False),
    ],
)
def test_interval_wider_than_the_prediction_says_nothing(interval, predicted, says):
    assert informs(interval, predicted) is says
