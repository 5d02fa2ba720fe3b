"""What an incident is about, in a few words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

SUMMARY_COLUMNS = 5
"""Columns named in a summary; the rest is a number."""


def summary_of(checks: tuple[str, ...], columns: tuple[str, ...]) -> str:
    """``drift and quality alert on dep_delay, carrier and 3 more columns``."""
    return f"{listed(checks)} alert on {_listed(columns)}"


def listed(words: Sequence[str]) -> str:
    """``drift``, ``drift and quality``, ``drift, quality and performance``."""
    return " and ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)


def _listed(columns: tuple[str, ...]) -> str:
    if not columns:
        return "the whole model"
    more = len(columns) - SUMMARY_COLUMNS
    return ", ".join(columns[:SUMMARY_COLUMNS]) + (f" and {more} more columns" if more > 0 else "")


def union(*parts: Iterable[str]) -> tuple[str, ...]:
    """Every word once, in the order of its first appearance."""
    return tuple(dict.fromkeys(word for part in parts for word in part))
