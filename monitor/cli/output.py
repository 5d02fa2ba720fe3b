"""Lists on stdout: a table for people, jsonl and csv for scripts."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum

import typer

from monitor.contract import parse_moment

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins so is run as a formula by spreadsheets: what comes from a log line must not."""


PIPED_WIDTH = 10_000
"""Characters of a line that goes to a file or a pipe: one line a row, whatever the terminal's width."""


class Format(StrEnum):
    """How a list is written."""

    TABLE = "table"
    JSONL = "jsonl"
    CSV = "csv"


class ListFormat(StrEnum):
    """How a short list is written."""

    TABLE = "table"
    JSONL = "jsonl"


def moment(text: str) -> datetime:
    """A time given on the command line."""
    try:
        return parse_moment(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    except OverflowError:
        raise typer.BadParameter(f"{text!r} lies before the year 1 or after 9999") from None


def write(rows: Iterable[Mapping[str, object]], form: Format | ListFormat, *, columns: Sequence[str], empty: str) -> None:
    """Write rows; ``columns`` are those of the table, ``empty`` is what a person reads where there is none."""
    if form == Format.JSONL:
        for row in rows:
            sys.stdout.write(json_line(row))
    elif form == Format.CSV:
        _csv(list(rows))
    else:
        _table(list(rows), columns, empty)


def json_line(row: Mapping[str, object]) -> str:
    """An object on a line of its own."""
    return json_text(json.dumps(row, ensure_ascii=False)) + "\n"


def json_text(text: str) -> str:
    """A JSON document for standard output: characters that its encoding lacks are escaped, which says the same."""
    return text if text == _writable(text) else "".join(c if c.isascii() else json.dumps(c)[1:-1] for c in text)


def _writable(text: str) -> str:
    """The text with characters that the encoding of standard output lacks as escapes, so that two of them stay two."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _csv(rows: Sequence[Mapping[str, object]]) -> None:
    if rows:
        out = csv.DictWriter(sys.stdout, fieldnames=list(rows[0]))
        out.writeheader()
        out.writerows({name: _cell(value) for name, value in row.items()} for row in rows)


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    return _writable("'" + value if value.startswith(FORMULA_STARTS) else value)


def _table(rows: Sequence[Mapping[str, object]], columns: Sequence[str], empty: str) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not rows:
        sys.stderr.write(empty + "\n")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_text(row.get(name))) for name in columns))
    Console(width=None if sys.stdout.isatty() else PIPED_WIDTH).print(table)


def _text(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return printable(", ".join(map(str, value)))
    return printable(str(value))


def printable(text: str) -> str:
    """Texts come from logs: none of them may move a terminal's cursor."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
