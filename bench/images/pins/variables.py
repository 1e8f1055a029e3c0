"""Variables of a Dockerfile and of a shell, filled in where their value is known.

What is not known stays as it is written, so a `$` in a filled text says that a part of it is decided elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

PLAIN = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
BRACED = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-+=?])(.*))?\}\Z", re.DOTALL)
DEPTH = 8  # defaults within defaults; a deeper one is left as it is
MOST_VALUE = 4096  # characters of a value that is filled in; a longer one may hold itself a million times
MOST_TEXT = 1 << 16


def closing(text: str, at: int, opener: str, closer: str) -> int:
    """Index after the bracket that closes the one at `at`; the end of the text where none does."""
    depth, quote = 0, ""
    while at < len(text):
        char = text[at]
        if char == "\\" and quote != "'":
            at += 1
        elif quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in (opener, closer):
            depth += 1 if char == opener else -1
            if not depth:
                return at + 1
        at += 1
    return len(text)


def parameter(text: str, at: int, known: Mapping[str, str], depth: int = 0) -> tuple[str, int]:
    """The value of the variable whose `$` is at `at`, or its own text, and the index after it."""
    if plain := PLAIN.match(text, at):
        return known.get(plain[1], plain[0]), plain.end()
    if not text.startswith("${", at):
        return "$", at + 1
    end = closing(text, at + 1, "{", "}")
    raw = text[at:end]
    braced = BRACED.match(raw)
    if braced is None or depth >= DEPTH:  # ${X%.*}, ${X/a/b} and the like are computed by a shell only
        return raw, end
    name, operator, word = braced[1], braced[2] or "", braced[3] or ""
    value = known.get(name)
    is_set = value is not None and (bool(value) or not operator.startswith(":"))
    if operator.endswith("+"):
        return (fill(word, known, depth + 1) if is_set else ""), end
    if is_set:
        return str(value), end
    return (fill(word, known, depth + 1) if operator.endswith(("-", "=")) else raw), end


def fill(text: str, known: Mapping[str, str], depth: int = 0) -> str:
    """A text with its variables filled in; a backslash before `$` keeps it."""
    out, at, length = list[str](), 0, 0
    while at < len(text):
        if text.startswith("\\$", at):
            out.append("$")
            at += 2
        elif text[at] == "$":
            value, at = parameter(text, at, known, depth)
            out.append(value)
        else:
            out.append(text[at])
            at += 1
        length += len(out[-1])
        if length > MOST_TEXT:
            return text
    return "".join(out)
