"""What a registry asks for when it answers 401: the WWW-Authenticate header, taken apart. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

_SCHEME = re.compile(r"(?:^|,)\s*([A-Za-z][A-Za-z0-9-]*)(?=\s+[A-Za-z]+=|\s*$|\s*,)")
_PARAMETER = re.compile(r'([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_HEADER_CHARACTERS = 8192


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way in: `bearer` with realm, service and scope, or `basic`."""

    scheme: str
    parameters: dict[str, str] = field(default_factory=dict)


def parse_challenges(headers: Iterable[str]) -> list[Challenge]:
    """Every challenge of every header, in order; what is no challenge is left out."""
    found = []
    for text in [header for header in headers if len(header) <= _HEADER_CHARACTERS]:
        starts = [match for match in _SCHEME.finditer(text) if not _inside_quotes(text, match.start(1))]
        ends = [*(match.start() for match in starts[1:]), len(text)][: len(starts)]
        for match, end in zip(starts, ends, strict=True):
            found.append(Challenge(match[1].lower(), _parameters(text[match.end() : end])))
    return found


def _parameters(text: str) -> dict[str, str]:
    """Names in small letters; the last of two of one name wins."""
    values = {}
    for name, quoted, bare in _PARAMETER.findall(text):
        values[name.lower()] = re.sub(r"\\(.)", r"\1", quoted) or bare
    return values


def _inside_quotes(text: str, position: int) -> bool:
    return text[:position].replace('\\"', "").count('"') % 2 == 1
