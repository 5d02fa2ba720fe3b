"""What an incident is about, in a few words."""

from __future__ import annotations

from collections.abc import Iterable

SUMMARY_COLUMNS = 5
"""Columns named in a summary; the rest is a number."""


def summary_of(checks: tuple[str, ...], columns: tuple[str, ...]) -> str:
    """``drift, quality and performance alert on dep_delay, carrier and 3 more columns``."""
    together = " and ".join(filter(None, (", ".join(checks[:-1]), *checks[-1:])))
    return f"{together} alert on {_listed(columns)}"


def _listed(columns: tuple[str, ...]) -> str:
    if not columns:
        return "the whole model"
    more = len(columns) - SUMMARY_COLUMNS
    return ", ".join(columns[:SUMMARY_COLUMNS]) + (f" and {more} more columns" if more > 0 else "")


def union(*parts: Iterable[str]) -> tuple[str, ...]:
    """Every word once, in the order of its first appearance."""
    return tuple(dict.fromkeys(word for part in parts for word in part))
