"""A build step is split into the commands that a shell would run."""

import subprocess

import pytest

from bench.images.pins.shell import OUTPUT, commands
from bench.images.pins.source import Source


def words(text, **known):
    return [list(one.words) for one in commands(Source(text), known)]


SCRIPTS = (
    "a 'b c' \"d e\" f\\ g",
    "a && b || c; d & e | f",
    "X=1; a $X \"$X$X\" '$X' ${X}y",
    'X="1 2"; a $X "$X"; Y=" 3 "; a b$Y""c',
    'E=" "; a b${E}c $E d',
    'a ${Z:-d} "${Z:-e f}" ${X+g} ${Z+h} k',
    "a 2>&1 b </dev/null c 2>/dev/null",
    "a # comment && b\nb c#d",
    "for i in 1 2; do :; done; a",
    "if true; then a b; fi; { c; }; (d e)",
    "a <<X b\nbody\nX\nc",
    "a \\\n b",
    'a "x\\"y" "\\$X" \\$X',
    "a '' b",
)


SAY = 'say() { printf %s "$1"; shift; for w; do printf \'|%s\' "$w"; done; echo; };' + "".join(
    f'{name}() {{ say {name} "$@"; }};' for name in "abcdef"
)


@pytest.mark.parametrize("script", SCRIPTS)
def test_words_are_those_that_a_real_shell_gives(script):
    every = script.replace("&&", ";").replace("||", ";").replace("& e", "; e").replace("| f", "; f")  # all of them run
    told = subprocess.run(
        ["/bin/sh", "-c", f"{SAY}\n{every}"], env={}, capture_output=True, text=True, check=False, timeout=20
    )
    assert told.stdout.splitlines() == ["|".join(one) for one in words(script) if one[0] not in (":", "true")], (
        told.stderr
    )


def test_every_command_has_the_line_where_it_begins():
    script = Source("a \\\n  b\nc && \\\n  d", ((0, 10), (3, 11), (7, 12), (14, 13)))
    assert [one.line for one in commands(script, {})] == [10, 12, 13]


def test_what_is_not_known_stays_as_it_is_written():
    assert words('a $X "${Y}" ${Z%.*} $(b)') == [["b"], ["a", "$X", "${Y}", "${Z%.*}", "$(b)"]]


def test_scripts_within_scripts_are_read():
    assert words("bash -lc 'a && b'; sh -c \"c\"; eval 'd e'") == [["a"], ["b"], ["c"], ["d", "e"]]
    assert words("bash <<X\na $X\nX\ncat <<Y\nb\nY\n", X="1") == [["bash"], ["a", "1"], ["cat"]]
    assert words("bash script.sh -c x") == [["bash", "script.sh", "-c", "x"]]


def test_wrappers_are_taken_off():
    for wrapped in ("sudo -u root -E a b", "env -i X=1 a b", "timeout -k 5 30 a b", "nice -n 5 a b", "X=1 exec a b"):
        assert words(wrapped) == [["a", "b"]], wrapped
    assert words("echo x | xargs -n 1 a b") == [["echo", "x"], ["a", "b", OUTPUT]]
    assert words("echo x | xargs -I{} a {} b") == [["echo", "x"], ["a", "{}", "b"]]
    for text in (
        "conda run -n x --no-capture-output a b",
        "micromamba run -n x a b",
        "conda run -n x bash -lc 'a b'",
        "su app -c 'a b'",
        "su - app -s /bin/sh -c 'a b'",
        "su -c 'a b' app",
        "runuser -u app -- a b",
        "runuser -l app -c 'a b'",
        "gosu app a b",
        "su-exec app:app a b",
        "chroot /mnt a b",
        "setpriv --reuid 1 --clear-groups a b",
        "busybox a b",
    ):
        assert words(text) == [["a", "b"]], text
    assert words("conda install a") == [["conda", "install", "a"]]


def test_a_substitution_knows_who_asked():
    inner, outer = commands(Source('test "$(sha256sum f)" = x'), {})
    assert (inner.words, inner.parent) == (("sha256sum", "f"), "test")
    assert outer.words[0] == "test"
    (got, _) = commands(Source("bash <(curl x)"), {})
    assert (got.words, got.parent) == (("curl", "x"), "bash")


def test_a_value_that_holds_itself_takes_no_memory():
    script = "A=aaaaaaaaaaaaaaaa; " + "A=$A$A; " * 60 + "a " + "$A " * 2000
    assert sum(len(word) for one in words(script) for word in one) < 1 << 24


@pytest.mark.parametrize("piece", ["$(", "`", "${", '"', "'", "(", "<<A ", "bash -c '", "$((", "\\"])
def test_what_never_ends_is_read_to_the_end(piece):
    assert isinstance(words(piece * 3000), list)
