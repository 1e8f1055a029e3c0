"""The section on the dose: the sentence, the tables, the charts, and nothing of it where no dose was asked for."""

import dataclasses
import html

import pytest

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
    assert rows["random-2"] == ["2.060 GB", "2.180 GB", "901", "2"]


def test_charts_have_every_launch_and_the_band_of_the_line(subject):
    charts = {chart.id: chart.figure for chart in dose_charts.dose_charts(subject)}
    traces = {trace.name: trace for trace in charts["dose-push_s"].data}
    assert len(traces["series, a launch"].x) == 5 * 3
    assert len(traces["not in the line, a launch"].x) == 3 * 3
    assert traces["95 % interval of the line"].fill == "toself"


def test_prediction_charts_have_a_row_per_image(subject):
    charts = {chart.id: chart.figure for chart in dose_charts.prediction_charts(subject)}
    assert set(charts["predicted-pull_to_first_token_s"].data[0].y) == {"as-written", "multi-stage", "stripped"}


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
