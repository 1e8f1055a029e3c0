"""The busiest processes of a server stand on the page of every run whose processes were sampled."""

import re

from bench.report import page
from bench.report.processes import process_rows
from tests.analysis.test_processes import ENGINE, changed, frame, served
from tests.report import subjects
from tests.synthetic import make_run

TITLE = "<h3>Busiest processes of the server"


def test_each_stage_and_arm_has_its_processes_with_threads_and_what_they_did_idle():
    data = served(make_run(blocks=2, burn_in=0), 0.97, thread=0.91, idle=0.95)
    html = page.render(subjects.subject_of(data))
    table = html[html.index(TITLE) :].partition("</table>")[0]
    assert table.count("<tr>") == 1 + 4 and table.count(ENGINE) == 4
    assert all(f">{number}<" in table for number in ("0.97", "0.91", "0.95"))
    assert "with nobody asking" in table


def test_a_run_without_a_gpu_has_the_table_too_and_one_without_processes_has_none():
    def change(rows, _):
        yield frame(rows, "server/77 llama-server", "cpu_cores", 1.8)

    data = changed(make_run(blocks=2, burn_in=0), change, devices=())
    rows = process_rows(subjects.subject_of(data))
    assert {(row.process, row.cores, row.thread, row.idle) for row in rows} == {
        ("llama-server", "1.80", "not known", "not known")
    }
    assert "with nobody asking" not in page.render(subjects.subject_of(data)), "it was not watched"
    assert TITLE not in page.render(subjects.complete())


def test_a_server_has_five_rows_at_most_and_names_are_harmless():
    def change(rows, _):
        for pid in range(70, 80):
            yield frame(rows, f"server/{pid} worker {pid} <b>\u202e", "cpu_cores", pid / 100)
        for pid in (91, 92, 93):
            yield frame(rows, f"server/{pid} nginx: worker process", "cpu_cores", 0.5)

    data = changed(make_run(blocks=2, burn_in=0), change, devices=())
    rows = process_rows(subjects.subject_of(data))
    assert len(rows) == 5 * 4
    assert rows[0].process == "nginx: worker process × 3" and rows[0].cores == "1.50"
    html = page.render(subjects.subject_of(data))
    assert not re.search("<b>.?\u202e|\u202e", html[html.index(TITLE) :].partition("</table>")[0])
