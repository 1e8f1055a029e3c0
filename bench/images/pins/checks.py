"""Which downloads a command holds against a sum or a signature: those that it names, and no others.

`sha256sum -c` of sums that stand in the command checks the files that they name. Of a list that is a file it checks
what a list of one file is called by (`a.tgz.sha256`), or what `grep` takes out of it; a list of all (SHA256SUMS) is
taken at its word. The list itself is a download like any other. A signature checks the file it is given for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from bench.images.pins.downloads import Download
from bench.images.pins.shell import Command
from bench.images.pins.shell_words import program_name

SUMS = re.compile(r"(sha(224|256|384|512)|b2)sum\Z|shasum\Z")
SIGNATURES = {
    "gpg": ("--verify", "--decrypt", "-d"),
    "gpg2": ("--verify", "--decrypt", "-d"),
    "gpgv": (),
    "cosign": ("verify-blob",),
    "minisign": ("-V",),
    "signify": ("-V",),
}
SUFFIX = re.compile(r"\.(sha\d{3}(sum)?|sum|b2|digest|checksum|sig|sign|asc|gpg|minisig)(\.txt)?\Z", re.IGNORECASE)
TAKES_OUT = {"grep", "egrep", "fgrep"}
READS = {"cat", "sed", "awk", "head", "tail", "sort", "tr", "cut"}
IGNORES = {"true", ":", "echo"}  # behind ||: a check that fails changes nothing
VARIABLE = re.compile(r"\$\{?\w+\}?")


def check(downloads: Sequence[Download], runs: Sequence[Command], at: int) -> None:
    """Marks what the command at `at` checks of what came before it."""
    command = runs[at]
    name = program_name(command.words[0])
    if command.after == "||" and at + 1 < len(runs) and program_name(runs[at + 1].words[0]) in IGNORES:
        return
    if SUMS.match(name):
        names = _summed(downloads, runs, at)
    elif name in SIGNATURES and (
        not SIGNATURES[name] or any(word.startswith(SIGNATURES[name]) for word in command.words[1:])
    ):
        names = _signed(command)
    else:
        return
    for one in downloads:
        one.checked = one.checked or one.name in names


def _signed(command: Command) -> set[str]:
    """Each file that is named; a signature alone is for the file that it is called by."""
    named = {program_name(word.partition("=")[2] or word) for word in command.words[1:]}
    files = [word for word in command.words[1:] if not word.startswith("-")]
    alone = len(files) == 1
    return named | ({SUFFIX.sub("", program_name(files[0]))} if alone else set())


def _summed(downloads: Sequence[Download], runs: Sequence[Command], at: int) -> set[str]:
    command = runs[at]
    words = command.words[1:]
    files = [program_name(word) for word in words if not word.startswith("-")]
    if not any(re.match(r"-[a-zA-Z]*c|--check", word) for word in words):
        return set(files) if command.parent in ("[", "test", "[[") else set()
    out = _in_text(command.stdin, downloads)
    for source in _piped(runs, at):
        out |= _in_source(source, downloads)
    for file in files:
        out |= _in_list(file, downloads)
    return out


def _in_source(source: Command, downloads: Sequence[Download]) -> set[str]:
    """What the sums name that a command in front of the pipe prints."""
    program, words = program_name(source.words[0]), [word for word in source.words[1:] if not word.startswith("-")]
    if program in TAKES_OUT and words:
        wanted = re.sub(r"[\\^$*\s]", "", words[0]).replace(".*", "")
        known = {one.name for one in downloads if one.name is not None}
        lists = {program_name(word) for word in words[1:]}
        return {name for name in known - lists if wanted and (wanted in name or name in wanted)}
    if program in READS and not source.stdin:
        here = {one.name for one in downloads}
        return set().union(*(_in_list(one, downloads) for one in map(program_name, words) if one in here))
    return _in_text(" ".join((*source.words[1:], source.stdin)), downloads)


def _in_text(text: str, downloads: Sequence[Download]) -> set[str]:
    """The names behind sums; a text that only the caller's variable holds is taken at its word."""
    tokens = [program_name(token.lstrip("*")) for token in re.split(r"\s|\\n", text)]
    if VARIABLE.fullmatch(text.strip()):
        return {one.name for one in downloads if one.name is not None}
    return set(tokens)


def _in_list(file: str, downloads: Sequence[Download]) -> set[str]:
    """What a file of sums names, as far as its own name tells."""
    known = {one.name for one in downloads if one.name is not None}
    of_one = SUFFIX.sub("", file)
    if of_one != file and of_one in known:
        return {of_one}
    return known - {file}


def _piped(runs: Sequence[Command], at: int) -> Iterator[Command]:
    """The commands in front of the pipe."""
    while at > 0 and runs[at].before in ("|", "|&"):
        at -= 1
        while at > 0 and runs[at].parent:
            at -= 1
        yield runs[at]
