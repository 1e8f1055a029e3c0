"""The section on the dose: the sentence, the tables, the charts, and nothing of it where no dose was asked for."""

import dataclasses
import html

import pytest

from bench.conclusion import BreakEven, Estimated, Prediction
from bench.model import Dose
from bench.report import dose, dose_charts, markdown, page
from bench.report.write import read_subject
from bench.store.contents import write_contents
from tests import dosed
from tests.report import subjects
from tests.report.subjects import EVIL, Parsed
from tests.synthetic import write_run


@pytest.fixture(scope="module")
def subject():
    return subjects.subject_of(dosed.dosed_run(blocks=3))


@pytest.fixture(scope="module")
def section(subject):
    return dose.dose_section(subject)


def plain(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\u202f", " ")


def table(section, title):
    return next(one for one in section.tables if one.title.startswith(title))


def test_sentence_says_each_cost_and_the_interval_of_the_whole(section):
    text = plain(section.sentence)
    assert "A gigabyte (10^9 bytes)" in text
    assert all(part in text for part in (" s to push", " s to download", " s to unpack", "95 % interval ["))


def test_setting_says_the_bandwidth(subject, section):
    assert "loopback" in section.setting
    held = dataclasses.replace(subject.summary.dose, bandwidth_bits_per_s=1e9)
    summary = dataclasses.replace(subject.summary, dose=held)
    assert "held to 1 Gbit/s" in plain(dose.dose_section(dataclasses.replace(subject, summary=summary)).setting)


def test_tables_are_as_wide_as_their_heads(section):
    assert len(section.tables) == 6
    for one in section.tables:
        assert all(len(row) == len(one.heads) for row in one.rows), one.title


def test_slopes_stand_with_their_interval_and_the_kind_of_gigabyte(section):
    rows = {row[0]: row for row in table(section, "Seconds per gigabyte").rows}
    assert "s/GB\n[" in plain(rows["Push"][1]) and rows["Download"][2] == "on the wire"
    assert rows["Unpacking"][2] == "on the disk"


def test_bytes_that_came_are_listed_without_the_base(section):
    rows = {row[0]: [plain(cell) for cell in row[1:]] for row in table(section, "What each pull brought").rows}
    assert rows["random-2"] == ["2.060 GB", "2.180 GB", "901", "2", "2.090 GB", "2.255 GB"]


def test_charts_have_every_launch_and_the_band_of_the_line(subject):
    charts = {chart.id: chart.figure for chart in dose_charts.dose_charts(subject)}
    traces = {trace.name: trace for trace in charts["dose-push_s"].data}
    assert len(traces["series, a launch"].x) == 5 * 3
    assert len(traces["not in the line, a launch"].x) == 3 * 3
    assert traces["95 % interval of the line"].fill == "toself"


def test_prediction_charts_have_a_row_per_image(subject):
    charts = {chart.id: chart.figure for chart in dose_charts.prediction_charts(subject)}
    marked = {f"{arm} (not covered)" for arm in ("as-written", "multi-stage", "stripped")}
    for trace in charts["predicted-pull_to_first_token_s"].data:
        assert set(trace.y) == marked


def prediction(**changes) -> Prediction:
    fields = {
        "metric": "push_s", "arm": "lean", "predicted_s": 4.0, "interval95": (3.0, 5.0),
        "measured": Estimated(value=4.2, ci95=(4.0, 4.4), n=3), "ratio": Estimated(value=1.05, ci95=(1.0, 1.1), n=3),
        "within": 3, "is_informative": True, "beyond": (),
    }  # fmt: skip
    return Prediction(**(fields | changes))


def with_predictions(subject, *found: Prediction):
    response = dataclasses.replace(subject.summary.dose, predictions=found)
    return dataclasses.replace(subject, summary=dataclasses.replace(subject.summary, dose=response))


def predicted_rows(subject, *found: Prediction):
    section = dose.dose_section(with_predictions(subject, *found))
    return [[plain(cell) for cell in row] for row in table(section, "Predicted").rows]


VAGUE = {"predicted_s": 0.1, "interval95": (-3.9, 4.1), "is_informative": False}


def test_no_time_below_zero_is_printed_and_a_vague_prediction_is_called_so(subject):
    ((name, predicted, _, _, inside),) = predicted_rows(subject, prediction(**VAGUE))
    assert (name, inside) == ("Push, lean", "not informative\n3 of 3 inside")
    assert predicted.endswith("[0.0, 4.1] s") and "−" not in predicted
    ((_, below, *_),) = predicted_rows(subject, prediction(**VAGUE | {"predicted_s": -0.9}))
    assert below.startswith("0.0 s\n") or below.startswith("0 s\n")


def test_prediction_that_does_not_apply_says_so_beside_it(subject):
    rows = predicted_rows(subject, prediction(beyond=("bytes", "files", "compression")), prediction())
    assert rows[0][0] == "Push, lean\nnot covered by the series: size, number of files, compression"
    assert rows[1][0] == "Push, lean"
    text = Parsed(page.render(with_predictions(subject, prediction(beyond=("files",))))).text
    assert "not covered by the series: number of files" in text


def test_chart_of_predictions_begins_no_bar_below_zero(subject):
    some = with_predictions(subject, prediction(metric="pull_s", **VAGUE), prediction(metric="pull_s", arm="other"))
    (chart,) = dose_charts.prediction_charts(some)
    marks = chart.figure.data[0]
    assert [float(x) - back for x, back in zip(marks.x, marks.error_x.arrayminus, strict=True)] == pytest.approx(
        [0.0, 3.0], abs=1e-6
    )
    assert [float(x) + on for x, on in zip(marks.x, marks.error_x.array, strict=True)] == pytest.approx([4.1, 5.0])


def test_launches_inside_are_counted_over_what_is_covered_and_informative_alone(subject):
    found = (
        prediction(), prediction(within=2),  # 5 of 6 inside
        prediction(**VAGUE), prediction(**VAGUE | {"within": 2}),  # wide intervals, one launch outside even so
        prediction(beyond=("files",), within=0), prediction(beyond=("bytes",)),
    )  # fmt: skip
    text = dose.foretold(with_predictions(subject, *found).summary.dose)
    assert text.startswith("The series covers 4 of the 6 predictions; the others are of images with other bytes or")
    assert "Of these 2 are informative: 5 of 6 launches lie inside" in text
    assert (
        "2 are not, with an interval wider than the predicted time itself; 1 of their launches lie outside even so."
        in text
    )


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ((), ""),
        ((prediction(beyond=("files",)),), "The series covers 0 of the 1 predictions; the others are"),
        ((prediction(interval95=None, within=None, is_informative=None),), "One block gives them no interval."),
        ((prediction(),), "covers 1 of the 1 predictions. Of these 1 is informative: 3 of 3 launches"),
        ((prediction(**VAGUE),), "Of these 0 are informative. 1 is not, with an interval wider than the predicted"),
    ],
)
def test_outcome_of_the_predictions_whatever_there_is(subject, found, says):
    text = dose.foretold(with_predictions(subject, *found).summary.dose)
    assert says in text and bool(text) is bool(found)


def test_sentence_is_restricted_to_images_like_those_of_the_series(section):
    """The fixture's series: pulls of 180 MB to 4.18 GB on the disk, 901 files, ballast that does not compress."""
    text = plain(section.sentence)
    assert (
        "like the series' (pulls of 0.18 to 4.2 GB on the disk, 1.00 GB on the wire for each, at most 901 files)"
        in text
    )


def test_outcome_of_the_predictions_stands_with_the_verdict_and_in_the_section(subject, section):
    assert section.foretold
    verdict = html.unescape(page.render(subject).partition("</section>")[0])
    assert section.foretold in verdict
    assert "The series covers" in markdown.render(subject)


def test_section_survives_the_disk_and_stands_in_both_texts(tmp_path):
    subject = subjects.subject_of(dosed.dosed_run(blocks=1))
    folder = write_run(subject.data, tmp_path)
    for arm, contents in subject.data.contents.items():
        write_contents(folder, arm, contents)
    read = read_subject(folder)
    assert read.summary.dose == subject.summary.dose
    html = page.render(read)
    assert 'href="#dose"' in html and "What does a gigabyte cost?" in Parsed(html).text
    assert "## What does a gigabyte cost?" in markdown.render(read)


def test_run_without_a_dose_has_no_such_section():
    complete = subjects.complete()
    assert dose.dose_section(complete) is None
    assert dose_charts.dose_charts(complete) == dose_charts.prediction_charts(complete) == ()
    assert 'id="dose"' not in page.render(complete) and "gigabyte cost" not in markdown.render(complete)


def test_dose_without_a_single_pull_is_a_question_with_its_reason():
    asked = subjects.complete(dose=Dose(series=("plain", "tuned", "tuned"), predict=(EVIL,)), blocks=2)
    found = dose.dose_section(asked)
    assert "not known" in found.sentence and found.tables == ()
    html = page.render(asked)
    assert 'id="dose"' in html and "<script>alert" not in html


def test_what_a_gigabyte_costs_stands_with_the_verdict(subject, section):
    verdict = html.unescape(page.render(subject).partition("</section>")[0])
    assert section.sentence in verdict and section.setting in verdict


def test_break_even_of_packings_says_what_is_saved_and_what_is_lost_beside_the_download(subject):
    lost = Estimated(value=4.0, ci95=(2.0, 6.0), n=3)
    one = BreakEven(
        first="fat", second="lean", bits_per_s=2e9, ci95=(1.3e9, 4e9), wire_bytes_saved=1e9, lost_beside_download_s=lost
    )
    gained = Estimated(value=-4.0, ci95=None, n=1)
    always = dataclasses.replace(one, bits_per_s=None, ci95=None, lost_beside_download_s=gained)
    response = dataclasses.replace(subject.summary.dose, break_even=(one, always))
    summary = dataclasses.replace(subject.summary, dose=response)
    found = table(dose.dose_section(dataclasses.replace(subject, summary=summary)), "Break-even")
    first, second = ([plain(cell) for cell in row] for row in found.rows)
    assert first[0] == "lean instead of fat" and first[1].startswith("2") and "Gbit/s" in first[1]
    assert first[2] == "1.00 GB" and first[3].startswith("+4")
    assert second[1] == "pays at any bandwidth" and second[3].startswith("−4")
    assert "pull to the first token less the download" in found.caption and "start lost" not in found.caption
    assert found.heads[3].startswith("lost beside the download")
