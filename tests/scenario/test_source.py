"""No file can hurt: whatever lies in it, there is a scenario or one clear error."""

import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.errors import InputError
from bench.scenario import load_scenario
from bench.scenario.source import DEPTH, FILE_BYTES, read_document
from tests.scenario.sample import TEXT, write


def bomb() -> str:
    """Eleven lines that stand for ten to the eleventh values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 11)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"# only a comment\n", "the file is empty"),
        (b"---\n...\n", "the file is empty"),
        (b"- a\n- b\n", "not a mapping"),
        (b"just words\n", "not a mapping"),
        (b"a: [1", "not YAML"),
        (b"a: 1\n\tb: 2\n", "a tab where YAML wants spaces"),
        (b"a: 1\n---\nb: 2\n", "not YAML"),
        (b"a: *nowhere\n", "not YAML"),
        (b"a: \x00", "not YAML"),
        (b"a: \xff\xfe", "not text in UTF-8"),
        (bomb().encode(), "grows without end"),
        (b"a: &a [*a]\n", "nested too deep"),
        (b"a: " + b"[" * 3000, "nested too deep"),
        (b"a: " + b"[" * (DEPTH + 1) + b"]" * (DEPTH + 1), "nested too deep"),
        (b"a: " + b"x" * FILE_BYTES, "too large"),
    ],
)
def test_a_bad_file_is_one_clear_error(tmp_path, content, said):
    path = tmp_path / "scenario.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said) as caught:
        load_scenario(str(path))
    assert caught.value.exit_code == 2
    assert "scenario.yaml" in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="no such scenario: .*absent"):
        load_scenario(str(tmp_path / "absent.yaml"))


def test_the_line_of_a_syntax_error_is_named(tmp_path):
    path = tmp_path / "scenario.yaml"
    path.write_text("a: 1\nb: 'open\n")
    with pytest.raises(InputError, match=r"scenario\.yaml:\d: not YAML"):
        load_scenario(str(path))


def test_scalars_are_read_as_yaml_1_2(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("a: [1, 0x10, 0o17, 007, 2.5, 1e3, true, False, null, ~, yes, 5%, 60s, '1', 2026-01-01, .inf]\n")
    expected = [1, 16, 15, 7, 2.5, 1000.0, True, False, None, None, "yes", "5%", "60s", "1", "2026-01-01", ".inf"]
    assert read_document(path).data["a"] == expected


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_document(path).data == {"a": 1}


_BITS = st.sampled_from([*string.printable, "\x00", "é", "- ", ": ", "&a ", "*a", "<<: ", "!!map ", "${", "5%", "60s"])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, len(TEXT)), length=st.integers(0, 40), bits=st.lists(_BITS, max_size=12))
def test_any_damage_to_a_scenario_ends_in_a_scenario_or_a_clear_error(tmp_path, at, length, bits):
    text = TEXT[:at] + "".join(bits) + TEXT[at + length :]
    folder = write(tmp_path / "s")
    (folder / "scenario.yaml").write_text(text, newline="")
    try:
        load_scenario(str(folder))
    except InputError as error:
        assert "scenario.yaml" in str(error)
