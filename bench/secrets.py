"""Redaction: no secret reaches a file, a log or a page, by name or by value."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

REDACTED = "[redacted]"
_SECRET_NAME = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL)S?$", re.IGNORECASE)
_NOT_SECRET = re.compile(r"(MAX|NUM|MIN|INPUT|OUTPUT|BATCHED)_?\w*TOKENS?$", re.IGNORECASE)
_LEAST_LENGTH = 6  # shorter values would black out ordinary words


def is_secret_name(name: str) -> bool:
    """Whether an environment variable of this name holds a secret (NGC_API_KEY, HF_TOKEN …)."""
    return bool(_SECRET_NAME.search(name)) and not _NOT_SECRET.search(name)


def _spellings(value: str) -> Iterable[str]:
    yield value
    yield quote(value, safe="")
    yield from (line.strip() for line in value.splitlines() if len(line.strip()) >= _LEAST_LENGTH)  # logs come in lines
    encoded = base64.b64encode(value.encode()).decode()
    yield encoded
    yield encoded.rstrip("=")


class Redactor:
    """Replaces the values of secret variables in any text: plain, base64 and URL-encoded."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        source = os.environ if environ is None else environ
        values = {v for n, v in source.items() if is_secret_name(n) and len(v) >= _LEAST_LENGTH}
        spellings = {s for v in values for s in _spellings(v)}
        ordered = sorted(spellings, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    @classmethod
    def knowing(cls, *environs: Mapping[str, str]) -> Redactor:
        """Of this process's secrets and those of other environments, which may use the same names."""
        known = (os.environ, *environs)
        return cls({f"{number}/{name}": value for number, env in enumerate(known) for name, value in env.items()})

    def text(self, text: str) -> str:
        """`text` with every secret value replaced."""
        return self._pattern.sub(REDACTED, text) if self._pattern else text

    def env(self, env: Mapping[str, str]) -> dict[str, str]:
        """`env` with secret variables emptied by name and every value cleaned."""
        return {n: REDACTED if is_secret_name(n) else self.text(v) for n, v in env.items()}
