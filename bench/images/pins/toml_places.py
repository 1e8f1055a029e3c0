"""Finds the line of a value in a TOML file, which the standard library's parser does not tell."""

from __future__ import annotations

import re
from itertools import islice

_HEADER = re.compile(r"^\s*\[\[?\s*(?P<name>[^\]]+?)\s*\]\]?\s*(#.*)?$")


class Places:
    """The lines of one file. A value that cannot be found has the line of its table, or 1."""

    def __init__(self, text: str) -> None:
        self.lines = text.splitlines()
        self.headers = [
            (number, re.sub(r"\s|[\"']", "", match["name"]))
            for number, line in enumerate(self.lines, start=1)
            if (match := _HEADER.match(line))
        ]

    def tables(self, name: str) -> list[int]:
        """The lines of all headers of this name, in order: one for each element of an array of tables."""
        return [number for number, header in self.headers if header == name]

    def of_text(self, text: str, table: str) -> int:
        """Where `text` stands in quotes, in `table` or, if it is written elsewhere, anywhere."""
        spelled = (f'"{text}"', f"'{text}'", '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"')
        start = next(iter(self.tables(table)), 1)
        for first in (start, 1):
            for number, line in enumerate(islice(self.lines, first - 1, None), start=first):
                if any(one in line for one in spelled):
                    return number
        return start

    def of_key(self, key: str, table: str) -> int:
        """Where `key = …` stands in `table`, or `[table.key]`."""
        if own := self.tables(f"{table}.{key}"):
            return own[0]
        start = next(iter(self.tables(table)), 1)
        wanted = re.compile(rf"""^\s*["']?{re.escape(key)}["']?\s*[=.]""")
        for number, line in enumerate(islice(self.lines, start, None), start=start + 1):
            if _HEADER.match(line):
                break
            if wanted.match(line):
                return number
        return start
