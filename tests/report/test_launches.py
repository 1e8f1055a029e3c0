"""The table of launches."""

import dataclasses

import pytest

from bench.report import launches
from bench.vocabulary import Mark
from tests.report import subjects


def test_start_to_ready_is_the_same_number_as_the_metric():
    subject = subjects.complete()
    value = subject.value("plain", "start_to_ready_s", None)
    row = next(one for one in launches.launch_rows(subject) if one.index in value.per_launch)
    assert row.ready.split("\u00a0")[0] == f"{value.per_launch[row.index]:.2f}"


@pytest.mark.parametrize("mark", [Mark.CREATED, Mark.READY])
def test_launch_without_the_marks_has_no_start_to_ready(mark):
    subject = subjects.complete()
    first = subject.data.launches[0]
    marks = {name: t_s for name, t_s in first.launch.marks.items() if name is not mark}
    data = dataclasses.replace(
        subject.data, launches=(dataclasses.replace(first, launch=dataclasses.replace(first.launch, marks=marks)),)
    )
    assert launches.launch_rows(dataclasses.replace(subject, data=data))[0].ready == "not known"
