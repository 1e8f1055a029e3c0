"""The page in a real browser, from file://: charts drawn, no console error, not one network request."""

import pytest

from bench.report import write_report
from bench.report.write import write_subject
from tests.report import subjects
from tests.report.browser import open_tab
from tests.synthetic import make_run, write_run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    with open_tab(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.fixture
def page(request, tmp_path):
    if request.param == "hostile":
        return write_subject(subjects.folder(tmp_path, subjects.hostile()))
    if request.param == "containers":
        return write_report(write_run(subjects.containers_run({"max_model_len": 256}), tmp_path))
    return write_report(write_run(make_run(subjects.ARMS), tmp_path))


@pytest.mark.parametrize(
    ("page", "sections"), [("complete", 12), ("containers", 14), ("hostile", 14)], indirect=["page"]
)
@pytest.mark.parametrize("width", [1280, 390])
def test_page_draws_its_charts_offline_without_an_error(tab, page, sections, width):
    tab.errors.clear()
    tab.requests.clear()
    tab.open(page, width=width)
    assert tab.errors == []
    assert [
        url for url in tab.requests if not url.startswith(page.resolve().as_uri()) and not url.startswith("data:")
    ] == []
    charts = tab.evaluate("document.querySelectorAll('.chart').length")
    drawn = tab.evaluate("[...document.querySelectorAll('.plot')].filter(p => p.querySelector('.main-svg')).length")
    assert charts == drawn >= 9
    assert tab.evaluate("document.querySelectorAll('main section').length") == sections
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
