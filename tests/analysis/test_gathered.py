"""What was seen many times is told once, with launches, count and range."""

from bench.analysis.gathered import Seen, gather, listed
from bench.vocabulary import Severity


def seen(launch, stage="c1", arm="a", number=0.0, cause="heat"):
    return Seen(arm=arm, launch=launch, stage=stage, numbers=(number,), cause=cause)


def finding(groups):
    return groups[0].finding("x", Severity.VOID, groups[0].where)


def test_each_arm_and_stage_is_one_group():
    groups = gather([seen(1), seen(2, arm="b"), seen(3), seen(3, stage="c4")])
    assert [(group.seen[0].arm, group.seen[0].stage, len(group.seen)) for group in groups] == [
        ("a", "c1", 2), ("b", "c1", 1), ("a", "c4", 1),
    ]  # fmt: skip


def test_a_finding_names_its_launch_only_where_it_is_the_only_one():
    one, two = finding(gather([seen(3), seen(3)])), finding(gather([seen(3), seen(4)]))
    assert (one.launch, one.at, one.text) == (3, {"stage": "c1"}, "2 passes (launch 3)")
    assert (two.launch, two.arm, two.text) == (None, "a", "2 passes (launches 3, 4)")
    assert finding(gather([seen(3, stage=None)])).at == {}


def test_more_than_six_launches_are_counted():
    assert finding(gather(map(seen, range(1, 11)))).text == "10 passes (launches 1, 2, 3, 4, 5, 6 and 4 more)"
    assert listed("abcdef") == "a, b, c, d, e, f"


def test_the_range_is_written_once_where_both_ends_read_the_same():
    (group,) = gather([seen(1, number=3.02), seen(2, number=3.0), seen(3, number=5.0, cause="brake")])
    assert group.range_of(0, "{:.1f}".format) == "3.0 to 5.0" and group.most(0) == 5.0
    assert gather([seen(1, number=3.02), seen(2, number=3.0)])[0].range_of(0, "{:.1f}".format) == "3.0"
    assert group.causes == "heat; brake"
