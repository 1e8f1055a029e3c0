"""The section on images: what they are, what they took, what was prepared, and nothing where there are none."""

import dataclasses

import pytest

from bench.container import LayerTimes
from bench.report import images, launches, markdown, page, pulls
from tests.report import subjects
from tests.report.subjects import Parsed
from tests.synthetic import write_run


@pytest.fixture(scope="module")
def subject():
    return subjects.containers()


def fact(subject, name):
    texts = next(one.texts for one in images.image_facts(subject) if one.name == name)
    return tuple(text.replace("\u00a0", " ") for text in texts)


def with_layers(subject, times):
    record = subject.run.images["custom"]
    record = dataclasses.replace(record, pull=dataclasses.replace(record.pull, layers=times))
    run = dataclasses.replace(subject.run, images={"custom": record})
    return dataclasses.replace(subject, data=dataclasses.replace(subject.data, run=run))


@pytest.mark.parametrize(
    ("name", "stand_in", "custom"),
    [
        ("reference", "127.0.0.1:5000/computed/stand-in:run", "127.0.0.1:5000/computed/custom:run"),
        ("digest", "sha256:stand-in-digest", "sha256:custom-digest"),
        ("base", "127.0.0.1:5000/computed/custom:run", "nimbench/debian-bookworm@sha256:debian-id"),
        ("size on disk", "3.67 GiB", "3.64 GiB"),
        ("size in the registry", "1.22 GiB", "1.21 GiB"),
        ("layers", "10", "8"),
        ("build", "2 min 23 s (no step from a cache)", "2 min 23 s (no step from a cache)"),
        ("build again, all cached", "1.90 s", "1.90 s"),
        ("push", "2 min 31 s (9 layers sent, 0 already there)", "2 min 31 s (7 layers sent, 0 already there)"),
        ("pull", "25.3 s (9 layers came, 1 already there)", "25.1 s (7 layers came, 1 already there)"),
        ("pulled with", "credentials", "credentials"),
        ("pip check", "ok", "ok"),
        ("most written outside volumes", "202 MiB", "40.0 KiB"),
    ],
)
def test_fact_of_each_image_stands_side_by_side(subject, name, stand_in, custom):
    assert fact(subject, name) == (stand_in, custom)


def test_arm_without_an_image_of_its_own_has_none(subject):
    run = dataclasses.replace(subject.run, images={"custom": subject.run.images["custom"]})
    alone = dataclasses.replace(subject, data=dataclasses.replace(subject.data, run=run))
    assert fact(alone, "digest") == ("none", "sha256:custom-digest")


def test_pull_is_drawn_layer_by_layer_on_one_axis_for_all_arms(subject):
    charts = [pulls.pull_layers(subject, arm).figure for arm in ("stand-in", "custom")]
    assert [trace.name for trace in charts[0].data] == ["downloading (s)", "unpacking (s)"]
    assert [len(figure.data[0].y) for figure in charts] == [9, 7]
    assert charts[0].layout.xaxis.range == charts[1].layout.xaxis.range
    assert all(trace.orientation == "h" for figure in charts for trace in figure.data)


def test_only_the_longest_layers_of_a_long_image_are_drawn(subject):
    times = subjects.layers(tuple(range(1_000_000, 91_000_000, 1_000_000)))
    chart = pulls.pull_layers(with_layers(subject, times), "custom")
    assert len(chart.figure.data[0].y) == 60 and "the 60 longest of 90 layers" in chart.title


@pytest.mark.parametrize(
    "times",
    [
        (),
        (LayerTimes(id="a", already_present=True),),
        (LayerTimes(id="a", bytes=1),),
        (LayerTimes(id="a", download_start_s=1.0),),
    ],
)
def test_pull_without_times_is_not_drawn(subject, times):
    record = subject.run.images["custom"]
    record = dataclasses.replace(record, pull=dataclasses.replace(record.pull, layers=times))
    run = dataclasses.replace(subject.run, images={"custom": record})
    assert (
        pulls.pull_layers(dataclasses.replace(subject, data=dataclasses.replace(subject.data, run=run)), "custom")
        is None
    )


def test_what_was_prepared_is_listed(subject):
    rows = {one.name: one.texts[0] for one in images.prepared_facts(subject)}
    assert rows["profiles.stand-in.name"] == "vllm-bf16-tp1-pp1"
    assert rows["weights_verified.model.safetensors"] == "computed-sha256"
    assert rows["alignment.custom.aligned"] == "/weights --max-model-len 512"
    assert rows["alignment.custom.edits"].endswith("comes from the plan; dropped --host 127.0.0.1")
    assert (rows["placement.server_cpus"], rows["placement.gpus"]) == ("0", "none")


def test_section_stands_before_what_was_run_and_survives_the_disk(tmp_path):
    from bench.report.write import read_subject

    html = page.render(read_subject(write_run(subjects.containers_run(blocks=2), tmp_path)))
    assert html.index('id="images"') < html.index('id="setup"')
    text = Parsed(html).text
    assert "Prepared before the first launch" in text and "sha256:custom-digest" in text


def test_page_and_text_without_images_have_no_such_section():
    assert 'id="images"' not in page.render(subjects.complete())
    assert "## Images" not in markdown.render(subjects.complete())


def test_markdown_lists_the_images(subject):
    text = markdown.render(subject).replace("\\", "").replace("\u00a0", " ")
    assert "| size on disk | 3.67 GiB | 3.64 GiB |" in text and "- placement.server_cpus: 0" in text


def test_launches_say_what_each_container_wrote_where_that_is_known(subject):
    assert "written outside volumes</th>" in page.render(subject)
    assert {row.written.replace("\u00a0", " ") for row in launches.launch_rows(subject)} == {"202 MiB", "40.0 KiB"}
    assert "written outside volumes</th>" not in page.render(subjects.complete())


def test_much_written_outside_the_volumes_is_a_finding(subject):
    (finding,) = [one for one in subject.findings if one.id == "written-in-container"]
    assert finding.arm == "stand-in" and "212 MB" in finding.text and "volume" in finding.next


def test_broken_packages_of_a_built_image_are_a_finding(subject):
    broken = subjects.image_record("custom", (1_000,), base=None, pip_check="torch 2 requires numpy, not installed.")
    run = subjects.containers_run(blocks=2)
    data = dataclasses.replace(run, run=dataclasses.replace(run.run, images={"custom": broken}))
    (finding,) = [one for one in subjects.subject_of(data).findings if one.id == "packages-broken"]
    assert "1 broken requirement:" in finding.text and "torch 2 requires numpy" in finding.text


def test_image_of_the_last_launch_stands_for_the_others_where_each_has_its_own(subject):
    run = dataclasses.replace(subject.run, images={})
    launches = tuple(
        dataclasses.replace(one, launch=dataclasses.replace(one.launch, image=subject.run.images[one.launch.arm]))
        for one in subject.data.launches
    )
    data = dataclasses.replace(subject.data, run=run, launches=launches)
    each = dataclasses.replace(subject, data=data)
    last = {one.launch.arm: one.launch.index for one in each.kept}
    wanted = tuple(f"of launch {last[arm]}: each launch has its own" for arm in ("stand-in", "custom"))
    assert fact(each, "which") == wanted
    assert fact(each, "digest") == ("sha256:stand-in-digest", "sha256:custom-digest")
