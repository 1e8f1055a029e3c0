"""The page answers whether the arms are comparable before it compares them."""

import pytest

from bench.report import markdown, page
from bench.report.audit import audit_table
from bench.vocabulary import Question
from tests.report import subjects
from tests.report.subjects import Parsed


@pytest.fixture(scope="module")
def unequal():
    return subjects.subject_of(subjects.containers_run({"max_model_len": 256, "prefix_caching": False}))


def row_of(subject, key):
    return next(row for row in audit_table(subject).rows if row.fact == key)


def test_table_stands_between_the_verdict_and_the_comparisons(unequal):
    ids = [attrs["id"] for _, attrs in Parsed(page.render(unequal)).tags if attrs.get("id")]
    assert ids.index("verdict") < ids.index("comparable") < ids.index("comparisons")


def test_equal_arms_are_comparable_and_the_answer_is_one_sentence():
    table = audit_table(subjects.containers())
    assert (table.sentence, table.next) == ("Yes: the 9 facts that decide it are equal.", None)
    assert {row.word for row in table.rows} == {"same"}


def test_unequal_fact_shows_both_values_and_the_verdict_of_its_row(unequal):
    row = row_of(unequal, "max_model_len")
    assert (row.texts, row.word) == (("512", "256"), "unequal: not comparable")
    assert audit_table(unequal).sentence.startswith("No. Unequal configuration: max_model_len 512 (stand-in) and 256")


def test_headline_of_unequal_arms_names_the_reason_and_the_verb_that_aligns_and_no_ratio(unequal):
    top = page.headline(unequal)
    assert (top.css, top.word, top.command) == ("unknown", "Not comparable", "nimbench align synthetic")
    assert "max_model_len 512 (stand-in) and 256 (custom)" in top.sentence and "1.2" not in top.interval
    html = page.render(unequal)
    assert "Choose" not in html[: html.index('id="comparable"')]
    assert '<div class="big">' not in html


def test_reason_is_told_in_full_once_and_not_in_every_row(unequal):
    assert page.render(unequal).count("max_model_len 512 (stand-in) and 256 (custom)") == 4  # top, table, row, finding


def test_fact_that_one_engine_does_not_tell_is_not_known():
    subject = subjects.subject_of(subjects.containers_run({"speculative": None, "kv_cache_tokens": None}))
    assert row_of(subject, "speculative").word == row_of(subject, "kv_cache_tokens").word == "not known"
    assert audit_table(subject).sentence.startswith("Not proved: 2 of 9 facts")


def test_defaults_that_differ_are_declared_and_the_verdict_says_what_was_compared():
    data = subjects.containers_run({"max_model_len": 256, "max_num_seqs": 16}, question=Question.SHIPPED)
    subject = subjects.subject_of(data)
    assert row_of(subject, "max_model_len").word == "differs, declared"
    assert "2 facts differ (max_model_len, max_num_seqs)" in audit_table(subject).sentence
    top = page.headline(subject)
    assert top.word == "Choose custom" and "Defaults were compared with defaults" in top.sentence


def test_setting_of_scheduling_differs_and_blocks_nothing():
    subject = subjects.subject_of(subjects.containers_run({"max_num_seqs": 16}))
    assert row_of(subject, "max_num_seqs").word == "differs, see the findings"
    assert page.headline(subject).word == "Choose custom"


def test_kv_caches_of_nearly_one_size_say_so():
    subject = subjects.subject_of(subjects.containers_run({"kv_cache_tokens": 261_000}))
    assert row_of(subject, "kv_cache_tokens").word.replace("\u00a0", " ") == "same within 1.0 %"


def test_run_whose_engines_tell_nothing_has_no_table():
    assert audit_table(subjects.complete()) is None
    assert 'id="comparable"' not in page.render(subjects.complete())
    assert "comparable?" not in markdown.render(subjects.complete())


def test_markdown_has_the_table_too(unequal):
    text = markdown.render(unequal).replace("\\", "")
    assert "| max_model_len | 512 | 256 | unequal: not comparable |" in text
    assert text.index("## Are the arms comparable?") < text.index("## custom against stand-in")


def test_stand_in_is_called_one_in_the_header():
    html = page.render(subjects.containers())
    header = html[html.index('<header class="top"') : html.index('<section class="verdict')]
    assert "stand-in: stand-in, not NVIDIA NIM" in Parsed(header).text
