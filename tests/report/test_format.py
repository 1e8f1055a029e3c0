"""Units change in one place, and digits say no more than the interval does."""

import pytest

from bench.report import format as fmt

NBSP = "\u00a0"


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0.01234, "s", "12.3 ms"),
        (1.5, "s", "1.50 s"),
        (0.000042, "s", "42.0 µs"),
        (3 * 2**30, "bytes", "3.00 GiB"),
        (512, "bytes", "512 bytes"),
        (0.034, "ratio", "3.40 %"),
        (12_345.6, "tok/s", "12\u202f346 tok/s"),
        (-2.5, "tok/s", "\u22122.50 tok/s"),
        (0.0, "tok/s", "0 tok/s"),
        (7, "furlong", "7.00 furlong"),
    ],
)
def test_quantity_has_a_unit_and_three_digits(value, unit, shown):
    assert fmt.quantity(value, unit).replace(NBSP, " ") == shown


def test_unknown_is_never_a_number():
    assert fmt.quantity(None, "s") == fmt.quantity(float("nan"), "s") == "not known"
    assert fmt.ratio(None) == fmt.percent(None) == fmt.interval(None, "s") == fmt.duration(None) == "not known"
    assert fmt.exact(None, "s") == "not known"


@pytest.mark.parametrize(
    ("ci", "shown"),
    [((99.0, 101.4), "100.2"), ((90.0, 110.0), "100"), ((100.13, 100.19), "100.16"), ((60.0, 140.0), "100")],
)
def test_digits_end_where_the_interval_begins(ci, shown):
    assert fmt.quantity(100.16, "tok/s", ci=ci).split(NBSP)[0] == shown


def test_both_ends_of_an_interval_share_unit_and_digits():
    assert fmt.interval((0.0098, 0.0104), "s").replace(NBSP, " ") == "[9.8, 10.4] ms"


def test_numbers_beside_each_other_share_a_scale():
    scale = fmt.scale_for("s", (0.9, 1.2, None))
    assert fmt.quantity(0.9, "s", scale=scale, decimals=1).replace(NBSP, " ") == "0.9 s"


def test_ratio_near_one_keeps_the_third_decimal():
    assert fmt.ratio(1.0342, (0.95, 1.12)) == "1.034"
    assert fmt.ratio(1.932, (1.90, 1.96)) == "1.93"
    assert fmt.ratio_interval(1.0342, (0.95, 1.12)) == "[0.950, 1.120]"


def test_what_somebody_chose_gets_no_digits_added():
    assert fmt.exact(8.0, "s").replace(NBSP, " ") == "8 s"
    assert fmt.exact(0.05, "ratio").replace(NBSP, " ") == "5 %"


def test_sign_is_written_only_where_there_is_one():
    assert fmt.quantity(0.0, "tok/s", sign=True).replace(NBSP, " ") == "0 tok/s"
    assert fmt.quantity(1.0, "tok/s", sign=True).startswith("+1")


def test_infinity_is_said():
    assert fmt.number(float("inf")) == "∞"
    assert fmt.number(float("-inf")) == "\u2212∞"


def test_long_times_are_in_words():
    assert fmt.duration(200) == "3 min 20 s"
    assert fmt.duration(3_720) == "1 h 2 min"


def test_foreign_text_is_bounded_and_has_no_control_characters():
    shown = fmt.safe_text("a\x1b[31mb\u202ec\x00" + "x" * 1000, limit=20)
    assert "\x1b" not in shown and "\u202e" not in shown and "\x00" not in shown
    assert shown.startswith("a\ufffd[31mb\ufffdc\ufffd") and "more characters" in shown and len(shown) < 60
