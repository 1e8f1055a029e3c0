"""Energy on the page: a chart where GPUs were sampled, and nothing where none were."""

import pytest

from bench.report import energy, glossary, page
from bench.report.subject import Subject
from tests.analysis.test_energy_checks import WATTS, with_gpu
from tests.report import subjects
from tests.synthetic import Fake, make_run


@pytest.fixture(scope="module")
def subject() -> Subject:
    return subjects.subject_of(with_gpu(make_run({"a": Fake(), "b": Fake(speed=1.25)}, blocks=2, burn_in=0)))


def test_each_launch_and_stage_is_a_point_at_its_concurrency(subject):
    figure = energy.by_concurrency(subject).figure
    points = [trace for trace in figure.data if trace.mode == "markers"]
    stages = subject.scenario.load.stages
    assert [len(trace.x) for trace in points] == [2 * len(stages)] * 2
    assert set(points[0].x) == {float(stage.concurrency) for stage in stages}
    assert min(points[0].y) > 0


def test_joules_are_those_of_the_summary(subject):
    stage = subject.scenario.load.stages[0].id
    joules, speed = (subject.value("a", name, stage).value for name in (energy.METRIC, "output_tokens_per_s"))
    assert joules * speed == pytest.approx(WATTS, rel=0.01)
    assert 'id="energy-by-concurrency"' in page.render(subject)


def test_a_run_without_gpus_has_no_such_chart():
    assert energy.by_concurrency(subjects.complete()) is None
    assert "energy-by-concurrency" not in page.render(subjects.complete())


def test_the_chart_says_what_its_joules_are_of_and_at_what_they_are_compared(subject):
    chart = energy.by_concurrency(subject)
    assert "equal concurrency, not at an equal rate" in chart.reading and "nor the wall" in chart.reading
    point = next(trace for trace in chart.figure.data if trace.mode == "markers")
    assert point.customdata[0][1] == pytest.approx(1 / point.y[0], rel=1e-3), "tokens per joule beside each point"


def test_the_words_of_energy_are_explained(subject):
    terms = {one.term: one.text for one in glossary.method_entries()}
    html = page.render(subject)
    assert all(term in terms and term in html for term in ("gross and net energy", "edge error", "cross-check"))
    assert "no number" in terms["void stage"] and "agreement proves less" in terms["cross-check"]
