"""Files that a RUN or an ADD fetches from the network: with curl, wget, aria2c, rpm, or a line of Python."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from bench.images.pins.installers import PYTHON
from bench.images.pins.shell import Command
from bench.images.pins.shell_words import program_name
from bench.images.pins.stages import Step
from bench.images.pins.variables import fill

URL = re.compile(r"(https?|ftp)://(?!localhost\b|127\.|\[::1\]|0\.0\.0\.0)", re.IGNORECASE)
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
FETCHES = re.compile(r"\b(urlretrieve|urlopen|requests\.(get|request)|httpx\.(get|stream)|wget\.download)\s*\(")
LITERAL = re.compile(r"""(["'])((?:https?|ftp)://[^"'\s]+)\1(?:\s*,\s*(?:filename\s*=\s*)?(["'])([^"'\n]+)\3)?""")
WRITTEN = re.compile(r"""(?:open|Path)\(\s*(["'])([^"'\n]+)\1""")
HELD_AGAINST = re.compile(r"hashlib.*[\"'][0-9a-f]{64,128}[\"']|[\"'][0-9a-f]{64,128}[\"'].*hashlib", re.DOTALL)


@dataclass(slots=True, kw_only=True)
class Download:
    """One file that came over the network."""

    line: int
    address: str
    name: str | None  # of the file it was written to; None = it went through a pipe
    checked: bool = False


def added(step: Step) -> list[Download]:
    """By ADD, which has `--checksum`."""
    add = step.instruction
    words = [fill(word, step.known) for word in add.json or tuple(add.args.text.split())]
    if (add.flag("checksum") or "").strip():
        return []
    fetched = [word for word in words[:-1] if URL.match(word) and not GIT_ADDRESS.match(word)]
    return [Download(line=add.line, address=word, name=word) for word in fetched]


def fetched(command: Command) -> Iterator[Download]:
    """By one command of a RUN."""
    name = program_name(command.words[0])
    if name in ("curl", "wget", "aria2c"):
        yield from _of_program(command, name)
    elif PYTHON.match(name):
        yield from _of_python(command)
    elif name == "rpm":
        for word in command.words[1:]:
            if URL.match(word):
                yield Download(line=command.line, address=word, name=None)


def _of_program(command: Command, name: str) -> Iterator[Download]:
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


def _of_python(command: Command) -> Iterator[Download]:
    """`python3 -c "…urlretrieve('https://…', 'file')"`, or such a program in a here-document."""
    code = next((after for word, after in zip(command.words, command.words[1:], strict=False) if word == "-c"), "")
    code = code or command.stdin
    if not FETCHES.search(code):
        return
    written = WRITTEN.search(code)
    for match in LITERAL.finditer(code):
        if URL.match(match[2]):
            own = match[2].partition("?")[0].rstrip("/").rsplit("/", 1)[-1]
            name = match[4] or (written[2] if written else own)
            held = HELD_AGAINST.search(code) is not None
            yield Download(line=command.line, address=match[2], name=program_name(name), checked=held)
