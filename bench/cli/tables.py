"""Tables on standard output: drawn for a person's terminal, plain columns for a pipe."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click


def show_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """One row a line; only a terminal gets lines and wrapping."""
    if sys.stdout.isatty():
        _draw(headings, rows)
        return
    widths = [max(len(row[i]) for row in (headings, *rows)) for i in range(len(headings))]
    for row in (headings, *rows):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _draw(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich import box  # a second of start-up that only a terminal pays
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # Text: brackets in a path are no markup
    Console().print(table)
