"""Files and sources from the network: url-no-checksum and git-not-pinned.

A download is checked when the same RUN, later, holds its file against a sum (`sha256sum -c` and its like) or a
signature (gpg --verify, cosign, minisign). Where the sums stand in the command itself only the files that they name
are; a list of sums that was downloaded too is itself a download without one. What goes through a pipe into a program
has no file that could be checked. ADD takes `--checksum`. MD5 and SHA-1 are
no check, as for pip: files of one such sum can be made. A clone is pinned by a checkout of a full commit in the same
stage, before the next clone; ADD by `#` and a full commit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.anatomy import PinFinding
from bench.images.pins.grade import found
from bench.images.pins.shell import Command
from bench.images.pins.shell_words import program_name
from bench.images.pins.specifier import FULL_COMMIT
from bench.images.pins.stages import Step
from bench.images.pins.variables import fill
from bench.vocabulary import PinRule

URL = re.compile(r"(https?|ftp)://(?!localhost\b|127\.|\[::1\]|0\.0\.0\.0)", re.IGNORECASE)
SUMS = re.compile(r"(sha(224|256|384|512)|b2)sum\Z|shasum\Z")
SIGNATURES = {
    "gpg": "--verify",
    "gpgv": "",
    "gpg2": "--verify",
    "cosign": "verify-blob",
    "minisign": "-V",
    "signify": "-V",
}
_CURL = """
    -A -b -c -d -D -e -E -F -H -K -m -o -Q -r -T -u -U -w -x -X -y -Y -z --connect-timeout --max-time --retry
    --retry-delay --retry-max-time --header --user --user-agent --output --output-dir --proxy --request --data
    --data-raw --form --cacert --capath --cert --key --write-out --range --cookie --referer --limit-rate --url --proto
    --config --netrc-file --resolve --speed-limit --speed-time --max-redirs --proto-redir --ciphers --interface
"""
_WGET = """
    -O -o -a -e -P -t -T -w -U -Q -i -D --output-document --directory-prefix --header --tries --timeout --user-agent
    --user --password --execute --post-data --post-file --wait --waitretry --ca-certificate --certificate --private-key
"""
CURL_VALUED, WGET_VALUED = frozenset(_CURL.split()), frozenset(_WGET.split())
SENDS = re.compile(
    r"-[a-zA-Z]*I[a-zA-Z]*\Z|--head\Z|--spider\Z|-X(HEAD|POST|PUT|DELETE)\Z|--upload-file|--data|--version\Z"
)
GIT_ADDRESS = re.compile(r"(https?://|git@|ssh://)[^#\s]*\.git(/?)(#|\?|\Z)|(git@|git://|ssh://git@)", re.IGNORECASE)
URL_REPAIR = "check it in the same RUN: echo 'SHA256  FILE' | sha256sum -c -, or fetch it with ADD --checksum=sha256:…"
GIT_REPAIR = "check out the full commit of 40 digits behind the clone, or use ADD REPOSITORY#COMMIT"


@dataclass(slots=True, kw_only=True)
class Download:
    """One file that came over the network."""

    line: int
    address: str
    name: str | None  # of the file it was written to; None = it went through a pipe
    checked: bool = False


def url_findings(step: Step, runs: Sequence[Command], file: str) -> Iterator[PinFinding]:
    """Of one ADD or RUN."""
    downloads = _added(step) if step.instruction.word == "ADD" else _downloads(runs)
    for one in downloads:
        if not one.checked:
            text = f"{one.address[:200]}: whatever lies at that address " + (
                "becomes a part of the image" if one.name else "is run or unpacked, and no file is left to check"
            )
            yield found(PinRule.URL_NO_CHECKSUM, file, one.line, text, URL_REPAIR)


def _added(step: Step) -> list[Download]:
    add = step.instruction
    words = [fill(word, step.known) for word in add.json or tuple(add.args.text.split())]
    if (add.flag("checksum") or "").strip():
        return []
    fetched = [word for word in words[:-1] if URL.match(word) and not GIT_ADDRESS.match(word)]
    return [Download(line=add.line, address=word, name=word) for word in fetched]


def _downloads(runs: Sequence[Command]) -> list[Download]:
    out: list[Download] = []
    for at, command in enumerate(runs):
        name = program_name(command.words[0])
        if name in ("curl", "wget", "aria2c"):
            out += _fetched(command, name)
        elif SUMS.match(name):
            _check(out, command, _piped_text(runs, at))
        elif name in SIGNATURES and (not SIGNATURES[name] or SIGNATURES[name] in command.words):
            for one in out:
                one.checked = one.checked or one.name is not None
    return out


def _fetched(command: Command, name: str) -> Iterator[Download]:
    if any(SENDS.match(word) for word in command.words[1:]):
        return
    valued = WGET_VALUED if name == "wget" else CURL_VALUED
    target, addresses, rest = None, list[str](), iter(command.words[1:])
    for word in rest:
        option, equals, value = word.partition("=")
        if word in valued or (equals and option in valued):
            value = value if equals else next(rest, "")
            target = value if option in ("-o", "--output", "-O", "--output-document") else target
            addresses += [value] if option == "--url" else []
        elif re.match(r"-[a-zA-Z]*[oO]\Z", word) and (name == "wget") == word.endswith("O"):
            target = next(rest, "")  # -qO FILE, -Lo FILE
        elif not word.startswith("-") and (URL.match(word) or word.startswith("$") or "://$" in word):
            addresses.append(word)
    keeps = name != "curl" or any(
        re.match(r"(-[a-zA-Z]*[OJ][a-zA-Z]*|--remote-name(-all)?)\Z", w) for w in command.words
    )
    for address in addresses:
        own = address.partition("?")[0].rstrip("/").rsplit("/", 1)[-1] if keeps else None
        written = target if target is not None else (command.writes[-1] if command.writes else own)
        piped = command.after in ("|", "|&") or command.parent or written in ("-", "/dev/stdout")
        if written != "/dev/null":
            kept = None if piped or written is None else program_name(written)
            yield Download(line=command.line, address=address, name=kept)


def _check(downloads: Sequence[Download], command: Command, text: str) -> None:
    """Marks what this command holds against a sum."""
    words = command.words[1:]
    compares = any(re.match(r"-[a-zA-Z]*c|--check", word) for word in words)
    lists = [program_name(word) for word in words if not word.startswith("-")]
    literal = text or command.stdin
    if not compares and command.parent not in ("[", "test", "[["):
        return
    for one in downloads:
        if one.name is None or one.checked:
            continue
        if not compares:
            one.checked = one.name in lists
        elif literal:
            one.checked = one.name in literal or "$" in literal
        else:
            one.checked = one.name not in lists


def _piped_text(runs: Sequence[Command], at: int) -> str:
    """What the commands in front of the pipe print, as far as it stands in their words."""
    text = ""
    while at > 0 and runs[at].before in ("|", "|&"):
        at -= 1
        while at > 0 and runs[at].parent:
            at -= 1
        text = " ".join((*runs[at].words[1:], runs[at].stdin, text))
    return text


def git_findings(runs: Sequence[tuple[Step, Sequence[Command]]], file: str) -> Iterator[PinFinding]:
    """Of one stage."""
    waiting: tuple[int, str] | None = None
    for step, commands in runs:
        if step.instruction.word == "ADD":
            yield from _added_repositories(step, file)
        for command in commands:
            kind, address = _of_git(command)
            if kind == "clone":
                if waiting:
                    yield _unpinned(file, *waiting)
                waiting = (command.line, address)
            elif kind == "commit":
                waiting = None
    if waiting:
        yield _unpinned(file, *waiting)


def _unpinned(file: str, line: int, address: str) -> PinFinding:
    text = f"{address[:200]}: a branch or a tag may be something else tomorrow"
    return found(PinRule.GIT_NOT_PINNED, file, line, text, GIT_REPAIR)


def _of_git(command: Command) -> tuple[str, str]:
    """("clone", address), ("commit", …) where one full commit is asked for, or ("", "")."""
    if program_name(command.words[0]) != "git":
        return "", ""
    words = command.words[1:]
    verb = next((word for word in words if word in ("clone", "checkout", "reset", "switch", "fetch", "submodule")), "")
    if verb == "clone":
        exact = any(word.startswith("--revision") for word in words) and any(_commit(w) for w in words)
        address = next((word for word in words if "/" in word and not word.startswith("-")), "a repository")
        return ("commit" if exact else "clone"), address
    if verb == "submodule" and "--remote" in words:
        return "clone", "git submodule update --remote"
    if verb in ("checkout", "reset", "switch", "fetch") and any(_commit(word) for word in words):
        return "commit", ""
    return "", ""


def _commit(word: str) -> bool:
    """A full commit, or one that only the caller of the build knows."""
    value = word.rpartition("=")[2]
    return bool(FULL_COMMIT.fullmatch(value)) or re.fullmatch(r"\$\{?\w+\}?", value) is not None


def _added_repositories(step: Step, file: str) -> Iterator[PinFinding]:
    add = step.instruction
    if add.flag("checksum"):
        return
    for word in [fill(word, step.known) for word in add.json or tuple(add.args.text.split())][:-1]:
        revision = word.partition("#")[2].partition(":")[0]
        if GIT_ADDRESS.match(word) and not _commit(revision) and not re.search(r"[?&]commit=[0-9a-f]{40}", word):
            yield _unpinned(file, add.line, word)
