"""The page says what to do, why, and what is not known; nothing foreign acts on it."""

import dataclasses
import re

import pytest
from plotly.offline import get_plotlyjs

from bench.model import Cost
from bench.record import Finding
from bench.report import page
from bench.report.headline import banner
from bench.vocabulary import RunStatus, Severity
from tests.report import subjects
from tests.report.subjects import Parsed
from tests.synthetic import Fake, make_run

SECTIONS = [
    *("verdict", "comparisons", "curve", "distributions", "blocks-section", "startup-section", "telemetry", "setup"),
    *("findings", "instrument", "money", "definitions", "files"),
]


@pytest.fixture(scope="module")
def complete():
    return page.render(subjects.complete())


@pytest.fixture(scope="module")
def hostile():
    return page.render(subjects.hostile())


def test_all_sections_are_there_in_order(complete):
    ids = [attrs["id"] for _, attrs in Parsed(complete).tags if attrs.get("id")]
    assert [one for one in ids if one in SECTIONS] == SECTIONS


def test_gpus_of_the_host_stand_in_the_header_and_each_fact_of_them_below():
    subject = subjects.complete()
    host = {"cpu_model": "computed", "cpu_cores": 2, "gpus": [{"name": "card", "memory_bytes": 2**30}] * 2}
    run = dataclasses.replace(subject.run, host=host)
    html = page.render(dataclasses.replace(subject, data=dataclasses.replace(subject.data, run=run)))
    text = Parsed(html).text.replace("\u00a0", " ")
    assert "on computed, 2 cores, 2 × card." in text
    assert "host.gpus 2.memory_bytes" in text and "1.00 GiB" in text


def test_verdict_stands_on_top_with_interval_and_next_step(complete):
    text = Parsed(complete).text
    top = text[: text.index("Comparisons\n")]
    assert "Choose tuned" in top and "95 % interval [1." in top and "Next:" in top


def test_primary_row_comes_first_and_is_marked(complete):
    table = complete[complete.index('<table class="comparisons">') :]
    assert table.index('class="primary"') < table.index('<td class="way">')
    assert table.count(">primary<") == 1


def test_page_is_self_contained(complete):
    parsed = Parsed(complete)
    refs = [attrs.get(name) for _, attrs in parsed.tags for name in ("src", "href", "xlink:href", "action", "data")]
    assert not [ref for ref in refs if ref and re.match(r"(?i)\s*(https?:)?//|\s*https?:", ref)]
    assert not parsed.named("iframe") and not parsed.named("object") and not parsed.named("img")
    assert "url(" not in parsed.code and "@import" not in parsed.code
    assert [attrs for attrs in parsed.named("meta") if attrs.get("http-equiv") == "Content-Security-Policy"]


def test_plotly_is_inlined_once_and_the_rest_is_small(complete):
    assert complete.count(get_plotlyjs()[:2000]) == 1
    assert len(complete.encode()) - len(get_plotlyjs().encode()) < 400_000


def test_tables_are_accessible(complete):
    parsed = Parsed(complete)
    assert all(attrs.get("scope") in ("col", "row") for attrs in parsed.named("th"))
    charts = [attrs for attrs in parsed.named("div") if attrs.get("class") == "chart"]
    assert len(charts) >= 9 and all(attrs.get("aria-label") for attrs in charts)
    assert all(attrs.get("aria-label") for attrs in parsed.named("svg"))


def test_page_without_scripts_still_has_verdict_and_tables(complete):
    without = re.sub(r"<script.*?</script>", "", complete, flags=re.DOTALL)
    assert "Choose tuned" in without and "<table" in without and "noscript" in without


def test_unknown_metrics_are_said_with_their_reason(complete):
    text = Parsed(complete).text
    assert "not known" in text and "needs 300 good requests" in text
    assert not re.search(r">\s*(None|nan|null)\b", complete[: complete.index("<script>")].replace("None: no check", ""))


def test_money_is_a_question_without_prices(complete):
    money = complete[complete.index('id="money"') : complete.index('id="definitions"')]
    assert "cost.gpu_hour_usd" in money and "not known" in money
    assert not re.search(r"\d", Parsed(money[: money.index("</section>")]).text)


def test_money_shows_given_prices_with_their_source():
    html = page.render(subjects.complete(cost=Cost(gpu_hour_usd=2.5, source="an invoice")))
    text = Parsed(html).text
    assert "2.5" in text and "USD per GPU hour" in text and "an invoice" in text


def test_burn_in_is_listed_and_left_out(complete):
    assert "left out: burn-in" in complete


def test_commands_stand_side_by_side_with_the_difference_marked(complete):
    assert "<mark>--parallel</mark>" in complete


def test_instrument_error_stands_beside_the_measured_ttft(complete):
    text = Parsed(complete[complete.index('id="instrument"') :]).text
    assert "100 µs / 500 µs" in text.replace("\u00a0", " ") and "of it)" in text


def test_killed_run_is_provisional_and_says_what_is_missing():
    parsed = Parsed(page.render(subjects.killed()))
    assert "still going, or was killed" in parsed.text
    assert "launch 6 (arm tuned, block 2) never finished" in parsed.text
    assert "--resume" in parsed.text and "Choose" not in parsed.text


def test_run_without_any_launch_still_gives_a_page():
    text = Parsed(page.render(subjects.empty())).text
    assert "Provisional" in text and "everything" in text and "no launch that counts has these data" in text


@pytest.mark.parametrize(
    ("status", "said"),
    [(RunStatus.INTERRUPTED, "was interrupted"), (RunStatus.FAILED, "failed"), (RunStatus.VOID, "Void")],
)
def test_every_other_ending_is_said_before_the_verdict(status, said):
    subject = subjects.complete()
    run = dataclasses.replace(subject.run, status=status)
    assert said in banner(dataclasses.replace(subject, data=dataclasses.replace(subject.data, run=run)))


def test_void_finding_on_the_whole_run_takes_the_choice_away():
    finding = Finding(id="slept", severity=Severity.VOID, text="the host slept")
    text = Parsed(page.render(subjects.complete(findings=(finding,)))).text
    assert "Void" in text and "Choose" not in text


def test_findings_come_void_first():
    rows = [
        Finding(id=s.value, severity=s, text=f"seen {s}", launch=3)
        for s in (Severity.INFO, Severity.WARN, Severity.VOID)
    ]
    found = subjects.complete(findings=tuple(rows)).findings
    ranks = [list(reversed(Severity)).index(one.severity) for one in found]
    assert ranks == sorted(ranks)


def test_equal_arms_without_a_difference_are_no_choice():
    subject = subjects.subject_of(make_run(blocks=6, noise=0.002))
    assert page.headline(subject).word == "No practical difference"


def test_same_arms_are_an_aa_run():
    top = page.headline(subjects.subject_of(make_run({"one": Fake(), "other": Fake()}, blocks=6, noise=0.002)))
    assert (top.word, top.next) == (
        "A/A: the same arm twice",
        "No difference between equal arms: as it should be, in 19 of 20 such runs at least.",
    )


def test_same_arms_that_differ_are_luck_or_a_fault_but_never_a_sure_direction():
    top = page.headline(subjects.subject_of(make_run({"one": Fake(), "other": Fake()}, blocks=6, ratio=1.07)))
    assert "By luck alone 1 run in 20" in top.next and "direction is sure" not in top.next
    assert top.command == "nimbench run synthetic"


def test_open_question_says_how_many_launches_would_tell():
    subject = subjects.subject_of(
        make_run({"plain": Fake(), "tuned": Fake(args=("--x",))}, blocks=4, noise=0.05, seed=3)
    )
    top = page.headline(subject)
    assert top.word == "Not yet known" and "more launches of each arm" in top.next
    assert top.command == f"nimbench run synthetic --set launches.blocks={subject.primary.launches_needed}"


def test_nothing_hostile_becomes_markup(hostile):
    parsed = Parsed(hostile)
    charts = [attrs for attrs in parsed.named("div") if attrs.get("class") == "chart"]
    assert len(parsed.named("script")) == len(charts) + 2
    assert not parsed.named("img") and len(parsed.named("style")) == 1
    assert not [attrs for _, attrs in parsed.tags if any(name.startswith("on") for name in attrs)]
    assert "<script>alert(1)</script>" in parsed.text and "49" not in re.findall(r"\{\{.*?\}\}", parsed.text)
    assert "\x1b" not in hostile


def test_hostile_text_is_bounded(hostile):
    assert len(hostile.encode()) - len(get_plotlyjs().encode()) < 600_000
    assert "more characters)" in hostile


def test_failed_launch_shows_its_last_words_and_the_repair(hostile):
    text = Parsed(hostile).text
    assert "Launches that failed" in text and "crashed" in text and "last log lines" in text


def test_three_arms_keep_their_colours_and_get_a_table_each():
    arms = {**subjects.ARMS, "third": dataclasses.replace(subjects.ARMS["tuned"], speed=0.9)}
    subject = subjects.subject_of(make_run(arms))
    html = page.render(subject)
    assert len({subject.colour(name) for name in arms}) == 3
    assert html.count('<table class="comparisons">') == 2


def test_what_a_server_counted_stands_beside_what_the_client_saw():
    html = page.render(subjects.complete())
    table = html[html.index("What the servers counted") :].partition("</table>")[0]
    assert table.count("<tr>") == 1 + 2 * len(subjects.complete().scenario.load.stages)
    assert "not known" in table  # these servers count no first tokens
