"""The section "What is in the image?": for no image, for one, for two and for twelve, and for hostile ones."""

import dataclasses
import itertools
import re
from functools import cache

import pytest

from bench.anatomy import ImageContents, Inventory, Lint, Package, PinFinding, Saving
from bench.container import Build, Coldstart, LayerTimes
from bench.report import contents, contents_charts, contents_lists, contents_tables
from bench.report.markdown import render as markdown
from bench.report.page import render
from bench.report.subject import Subject
from bench.vocabulary import ByteGroup
from tests.insides import MB, anatomy, layer, rich, sha
from tests.insides import contents as inside
from tests.report.subjects import EVIL, containers_run, subject_of
from tests.synthetic import Fake, make_run


@cache
def two():
    return with_images({"stand-in": rich("nim", extra_mb=900), "custom": rich("custom", torch="2.9.2")})


@cache
def no_images():
    return subject_of(containers_run())


def with_images(contents, **run):
    """What is concluded of the launches does not depend on the images, so it is reckoned once."""
    data = no_images().data
    return Subject(
        dataclasses.replace(data, contents=contents, run=dataclasses.replace(data.run, **run)), no_images().summary
    )


@cache
def page_of_two():
    return render(two())


def texts(facts, name):
    return next(fact.texts for fact in facts if fact.name == name)


def test_a_run_without_images_has_no_such_section():
    assert contents.section(no_images()) is None and not contents.charts(no_images())
    assert "What is in the image?" not in markdown(no_images())


def test_the_page_has_every_part_of_the_section():
    page = page_of_two()
    parts = (
        "What a node still pulls", "Where the bytes are", "What could be left out", "GPU code",
        "How well the builds are pinned", "Differences in what the images are made of", "Layer by layer",
    )  # fmt: skip
    assert all(part in page for part in parts)
    assert 'href="#inside"' in page
    for chart in ("image-layers-wire", "image-layers-disk", "image-groups"):
        assert f'id="{chart}"' in page


def test_sizes_are_those_of_the_images():
    facts = contents_tables.total_facts(two())
    assert texts(facts, "compressed, in another arm's image too") == ("124\u00a0MiB",) * 2  # 130 001 600 bytes
    assert texts(facts, "age of the base") == ("50 days",) * 2
    assert texts(facts, "user") == ("root",) * 2
    assert texts(facts, "grade of its pins") == ("C", "C")


def test_a_node_that_holds_the_other_image_pulls_only_the_rest():
    rows = {fact.name: fact.texts for fact in contents_tables.still_pulled(two())}
    assert rows["custom"] == ("1.49\u00a0GiB", "1.37\u00a0GiB", "–")


def test_shared_layers_are_hatched_and_add_up_with_the_rest():
    chart = contents_charts.layers_on_disk(two())
    shared, alone = chart.figure.data
    assert shared.marker.pattern.shape == "/" and not alone.marker.pattern.shape
    for arm, one in (("stand-in", rich("nim", extra_mb=900)), ("custom", rich("custom"))):
        drawn = [x for bars in chart.figure.data for x, y in zip(bars.x, bars.y, strict=True) if y == arm]
        assert sum(drawn) == pytest.approx(one.anatomy.disk_bytes / 2**30, rel=1e-5)
        starts = sorted(
            (b, x) for bars in chart.figure.data for b, x, y in zip(bars.base, bars.x, bars.y, strict=True) if y == arm
        )
        assert all(a + x == pytest.approx(b, abs=1e-5) for (a, x), (b, _) in itertools.pairwise(starts))


def test_layers_too_thin_to_see_are_drawn_as_one():
    shown = [row[0] for bars in contents_charts.layers_on_wire(two()).figure.data for row in bars.customdata]
    assert shown.count("4 small layers") == 2


def test_compressed_sizes_are_drawn_only_where_every_one_is_known():
    subject = with_images({"custom": inside(layer("x", None, 10))})
    assert contents_charts.layers_on_wire(subject) is None
    assert contents_charts.layers_on_disk(subject) is not None


def test_groups_and_what_lies_below_them_are_the_bytes_on_disk():
    one = rich("a")
    drawn = contents_charts.groups(two()).figure.data
    assert sum(bar.x[1] for bar in drawn) == pytest.approx(one.anatomy.disk_bytes / 2**30, rel=1e-5)
    assert set(contents_tables.GROUPS) == set(ByteGroup) == set(contents_charts._GROUP_COLOURS)


def test_seconds_saved_are_at_the_bandwidth_that_is_named():
    subject = two()
    rate = contents_tables.rate_of(subject)
    assert rate.bandwidth == "1\u00a0Gbit/s" and rate.bandwidth_from.startswith("assumed")
    (alike,) = contents_lists.saving_tables(subject, rate)
    rows = alike.rows
    assert rows[0].download == "1.36\u00a0s"  # 170 MB x 8 / 1e9
    assert rows[-1].what == "all of them" and rows[-1].download == "1.85\u00a0s"  # 231 MB
    assert rows[0].unpack == "not known", "no pull of these images was timed"
    stated = dataclasses.replace(subject.scenario, coldstart=Coldstart(bandwidth_bits_per_s=2e8))
    slow = with_images(subject.data.contents, scenario=stated)
    rate = contents_tables.rate_of(slow)
    assert (rate.bandwidth, rate.bandwidth_from) == ("200\u00a0Mbit/s", "the scenario's own")
    (alike,) = contents_lists.saving_tables(slow, rate)
    assert alike.rows[0].download == "6.80\u00a0s"


def test_seconds_of_unpacking_come_from_a_pull_of_this_run():
    subject = two()
    record = subject.run.images["custom"]
    short = sha("blob wheels of custom").removeprefix("sha256:")[:12]
    times = (LayerTimes(id=short, extract_start_s=1.0, extract_end_s=10.0),)  # 3.6 GB in 9 s
    record = dataclasses.replace(record, pull=dataclasses.replace(record.pull, layers=times))
    rate = contents_tables.rate_of(with_images(subject.data.contents, images={"custom": record}))
    assert rate.unpacked_bytes_per_s == pytest.approx(400 * MB)
    assert rate.unpack(440 * MB) == "1.10\u00a0s"


def test_gpu_code_for_the_gpu_of_this_host_is_marked():
    subject = two()
    host = dict(subject.run.host) | {"gpus": [{"name": "H100", "compute_capability": "9.0"}]}
    there = with_images(subject.data.contents, host=host)
    marked = {fact.name: fact.differs for fact in contents_tables.arch_facts(there)}
    assert marked == {"sm_90": True, "sm_80": False, "sm_90a": True, "compute_90": False}
    assert not any(fact.differs for fact in contents_tables.arch_facts(subject)), "no GPU, so none is needed"


def test_differences_name_versions_and_packages_of_one_side():
    (found,) = contents_lists.differences(two())
    rows = {row.name: (row.baseline, row.candidate) for row in found.rows}
    assert rows["torch"] == rows["pypi: torch"] == ("2.9.1", "2.9.2")
    assert rows["pypi: only-nim"] == ("1.0", "not there")
    assert found.sentence.startswith("1 package is the same in both; 1 has another version; 1 in stand-in alone")


@pytest.mark.parametrize(
    ("history", "shown"),
    [
        ("/bin/sh -c #(nop)  ENV A=b", "ENV A=b"),
        ("/bin/sh -c apt-get update", "RUN apt-get update"),
        ("RUN /bin/sh -c pip install x # buildkit", "RUN pip install x"),
        ("RUN |1 V=2 /bin/sh -c make # buildkit", "RUN |1 V=2 /bin/sh -c make"),
        ("COPY a b # buildkit", "COPY a b"),
        ("", "not said"),
    ],
)
def test_history_is_shown_as_instructions(history, shown):
    assert contents_tables.instruction(history) == shown


def test_twelve_arms_have_a_column_each_and_no_colour_alone_tells_them_apart():
    arms = {f"arm-{place}": Fake(args=(str(place),)) for place in range(12)}
    data = make_run(arms, blocks=1, burn_in=0)
    data = dataclasses.replace(data, contents={arm: rich(arm) for arm in arms})
    found = contents.section(subject_of(data))
    assert all(len(fact.texts) == 12 for fact in found["totals"])
    assert all(len(fact.texts) == 13 for fact in found["pulled"])
    assert len(found["differences"]) == 11


def hostile() -> ImageContents:
    bad = layer("x", 10, 9 * 10**18, created_by=EVIL * 40, files=9 * 10**18)
    return ImageContents(
        anatomy=anatomy(
            bad, bad, reference=EVIL, platform=EVIL, source=EVIL, doubts=(EVIL,) * 50, visible_bytes=0,
            savings=(Saving(what=EVIL, group=ByteGroup.CACHE, disk_bytes=1, wire_bytes=None, how=EVIL, caution=EVIL,
                            paths=(EVIL,) * 9),) * 30,
        ),
        inventory=Inventory(
            os=EVIL, user=EVIL, engine=EVIL, pip_check=EVIL * 90, created_utc=EVIL, base_created_utc=EVIL,
            packages=tuple(Package(manager=EVIL, name=f"{EVIL}{i}", version=EVIL) for i in range(3_000)),
        ),
        lint=Lint(grade=EVIL, files=(EVIL,), hadolint=EVIL, findings=(
            PinFinding(rule=EVIL, file=EVIL, line=1, text=EVIL * 99, repair=EVIL),) * 500),
    )  # fmt: skip


def test_nothing_in_an_image_can_break_out_of_the_page():
    page = render(with_images({"custom": hostile()}))
    section = page[page.index('<h2 id="inside">') : page.index('<h2 id="images">')]
    assert EVIL not in section
    prose = re.sub(r'<script type="application/json">.*?</script>', "", section, flags=re.S)
    assert "<script" not in prose and "<img" not in prose
    assert len(section) < 600_000, "thousands of packages and findings are cut"
    assert "… and 460 more" in section


def test_an_image_of_nothing_is_shown():
    empty = ImageContents(anatomy=anatomy(), inventory=Inventory())
    page = render(with_images({"custom": empty}))
    assert "No image was looked into for stand-in" in page and "nothing found" in page


def test_the_text_report_has_the_totals():
    text = markdown(two())
    assert "## What is in the image?" in text and "| compressed | 2.33" in text


def test_images_that_could_leave_out_the_same_files_share_one_list():
    one = rich("one")
    (alike,) = contents.section(with_images({"stand-in": one, "custom": rich("other")}))["savings"]
    assert alike.arms == ("stand-in", "custom") and len(alike.rows) > 1
    fewer = dataclasses.replace(one, anatomy=dataclasses.replace(one.anatomy, savings=one.anatomy.savings[:1]))
    apart = contents.section(with_images({"stand-in": one, "custom": fewer}))["savings"]
    assert [(each.arms, len(each.rows)) for each in apart] == [(("stand-in",), 3), (("custom",), 1)]


def test_grade_of_an_image_built_on_another_arms_names_the_grade_below_it():
    subject = with_images({"stand-in": rich("a", grade="A"), "custom": rich("b", grade="E")})
    arms = tuple(
        dataclasses.replace(arm, build=Build(context="x", base_arm="custom")) if arm.name == "stand-in" else arm
        for arm in subject.scenario.arms
    )
    on_other = with_images(subject.data.contents, scenario=dataclasses.replace(subject.scenario, arms=arms))
    assert texts(contents_tables.total_facts(on_other), "grade of its pins") == ("A, on custom with E", "E")
