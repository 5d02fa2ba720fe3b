"""Evidently's HTML report of a window. Runs in the worker only.

Evidently writes names and values into a script without escaping them: a category ``</script><script>…`` would run in the browser of
whoever opens the report (0.7.23). So no text reaches it with an angle bracket in it, and the page may load and call nothing.
"""

from __future__ import annotations

from html import escape

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.metrics import ValueDrift

from monitor.reports import wire

POLICY = ("default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; font-src data:; "
          "img-src data: blob:; base-uri 'none'; form-action 'none'")
_HARMLESS = str.maketrans({"<": "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}", ">": "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}",
                           "\u2028": " ", "\u2029": " ", "\0": " "})
_STYLE = "font: 15px/1.5 sans-serif; margin: 1.5em auto; max-width: 70em; padding: 0 1em"


def render(request: wire.Render) -> str:
    """The whole page. A column without values on one side, or that Evidently cannot draw, is left out and said to be. Raises ValueError."""
    columns = [column for column in map(harmless, request.columns) if any(_there(column.reference)) and any(_there(column.window))]
    empty = sorted({harmless_text(column.name) for column in request.columns} - {column.name for column in columns})
    notes = [*request.notes, *([f"Left out, for they have no values on one side: {', '.join(empty)}."] if empty else [])]
    if not columns:
        raise ValueError("no column has values on both sides")
    try:
        html = _drawn(columns)
    except Exception:  # any library's any error: one column's trouble is not the others'
        columns, undrawn = _one_by_one(columns)
        html, notes = _drawn(columns), notes + undrawn
    return _told(html, request.title, notes)


def _drawn(columns: list[wire.Column]) -> str:
    definition = DataDefinition(
        numerical_columns=[column.name for column in columns if column.numeric],
        categorical_columns=[column.name for column in columns if not column.numeric],
    )
    reference, window = (
        Dataset.from_pandas(pd.DataFrame({column.name: _padded(getattr(column, side), column.numeric) for column in columns}),
                            data_definition=definition)
        for side in ("reference", "window")
    )
    report = Report([ValueDrift(column=column.name) for column in columns])  # the drift preset would run every test three times
    html: str = report.run(window, reference).get_html_str(as_iframe=False)
    return html


def _one_by_one(columns: list[wire.Column]) -> tuple[list[wire.Column], list[str]]:
    """The columns that can be drawn, and why the others cannot. Raises ValueError where none can."""
    fit, notes = [], []
    for column in columns:
        try:
            _drawn([column])
        except Exception as error:
            notes.append(f"Left out, for Evidently cannot draw it: {column.name} ({type(error).__name__}: {error}).")
        else:
            fit.append(column)
    if not fit:
        raise ValueError(" ".join(notes))
    return fit, notes


def _there(values: list[float | str | None]) -> list[bool]:
    return [value is not None for value in values]


def _padded(values: list[float | str | None], numeric: bool) -> pd.Series[float] | pd.Series[str]:
    """With the missing ones: rows stay rows."""
    return pd.Series(values, dtype="float64") if numeric else pd.Series(values, dtype="object")


def harmless(column: wire.Column) -> wire.Column:
    """A column whose texts are no markup."""
    return wire.Column(name=harmless_text(column.name), numeric=column.numeric, reference=_texts(column.reference),
                       window=_texts(column.window))


def harmless_text(text: str) -> str:
    """Without what a browser could take for a tag."""
    return text.translate(_HARMLESS)


def _texts(values: list[float | str | None]) -> list[float | str | None]:
    return [harmless_text(value) if isinstance(value, str) else value for value in values]


def _told(html: str, title: str, notes: list[str]) -> str:
    """With a title and notes of ours, and a policy that lets the page reach nothing."""
    head = f'<head><meta http-equiv="Content-Security-Policy" content="{POLICY}"><title>{escape(title)}</title>'
    said = "".join(f"<li>{escape(note)}</li>" for note in notes)
    body = f'<body><header style="{_STYLE}"><h1 style="font-size: 1.4em">{escape(title)}</h1><ul>{said}</ul></header>'
    for tag, ours in (("<head>", head), ("<body>", body)):
        if html.count(tag) != 1:
            raise ValueError(f"Evidently's page has no single {tag}")
        html = html.replace(tag, ours)
    return html.lstrip()
