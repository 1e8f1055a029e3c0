"""A Dockerfile is read as BuildKit reads it."""

from bench.images.pins.dockerfile import MOST_INSTRUCTIONS, parse


def read(text):
    instructions, problems = parse(text)
    assert not problems
    return instructions


def test_comments_and_empty_lines_between_continued_lines_are_skipped():
    found = read("RUN a \\\n  # no\n\n  b \\\n c\nUSER x\n")
    assert [(one.word, one.line) for one in found] == [("RUN", 1), ("USER", 6)]
    assert found[0].args.text.split() == ["a", "b", "c"]
    assert found[0].args.line_at(found[0].args.text.index("b")) == 4


def test_the_escape_directive_holds_only_at_the_top():
    assert [one.word for one in read("# escape=`\nRUN a `\n b\nRUN c \\\nRUN d\n")] == ["RUN", "RUN", "RUN"]
    assert [one.word for one in read("# a comment\n# escape=`\nRUN a `\nRUN b\n")] == ["RUN", "RUN"]
    assert read("\n# escape=`\nRUN a \\\n b\n")[0].args.text.split() == ["a", "b"]


def test_a_directive_may_stand_behind_another_one():
    assert len(read("# syntax=docker/dockerfile:1\n# escape=`\nRUN a `\n b\n")) == 1


def test_an_escaped_escape_character_continues_nothing():
    assert [one.word for one in read("RUN echo \\\\\nUSER x\n")] == ["RUN", "USER"]


def test_white_space_may_follow_the_escape_character():
    assert len(read("RUN a \\  \n b\n")) == 1


def test_heredocs_follow_in_the_order_of_their_names():
    run, user = read("RUN cat <<A <<-'B' > /x\none\nA\n\ttwo\n\tB\nUSER x\n")
    assert [(one.name, one.body.text) for one in run.heredocs] == [("A", "one\n"), ("B", "two\n")]
    assert (run.heredocs[1].body.line_at(0), user.line) == (4, 6)


def test_only_an_undashed_heredoc_keeps_its_tabs():
    assert read("RUN <<A\n\tA\nA\n")[0].heredocs[0].body.text == "\tA\n"


def test_a_here_string_and_a_shift_are_no_heredocs():
    for text in ("RUN cat <<< A\n", "RUN echo $((1 <<2))\n", "RUN cat<<A\n", 'RUN ["cat", "<<A"]\n', "CMD cat <<A\n"):
        assert read(text)[0].heredocs == (), text


def test_flags_are_no_arguments():
    (run,) = read('RUN --mount=type=cache,target="/root/.cache" --network=none pip install --no-cache-dir x\n')
    assert run.flags == (("mount", "type=cache,target=/root/.cache"), ("network", "none"))
    assert run.args.text == "pip install --no-cache-dir x"


def test_what_is_no_json_is_the_shell_form():
    assert read('RUN ["a", "b"]\n')[0].json == ("a", "b")
    assert read("RUN ['a', 'b']\n")[0].json is None
    assert read("RUN [ -f /x ] && y\n")[0].json is None


def test_onbuild_is_the_instruction_behind_it():
    (run,) = read("ONBUILD RUN a\n")
    assert (run.word, run.onbuild, run.args.text) == ("RUN", True, "a")


def test_what_cannot_be_read_is_named_with_its_line():
    instructions, problems = parse("FROM a\nINSTALL x\nONBUILD ONBUILD RUN x\nRUN cat <<X\nnever\n")
    assert [one.word for one in instructions] == ["FROM", "RUN"]
    assert [one.line for one in problems] == [2, 3, 4]


def test_a_byte_order_mark_and_windows_lines_do_no_harm():
    assert [one.word for one in read("\ufeffFROM a\r\nRUN b \\\r\n c\r\n")] == ["FROM", "RUN"]


def test_a_file_without_end_is_read_to_a_limit():
    instructions, problems = parse("FROM a\n" * (MOST_INSTRUCTIONS + 1))
    assert (len(instructions), len(problems)) == (MOST_INSTRUCTIONS, 1)
