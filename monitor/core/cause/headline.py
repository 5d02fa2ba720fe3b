"""The one line that people read."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitor.core.cause.causes import ColumnCause
from monitor.core.cause.sentence import short

TOGETHER = 3  # columns that are bad in one window, from which on their number is the news
NAMED = 5  # of them
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a headline is made of. ``volume`` and ``whole``: sentences about the whole model, before and after the columns.

    ``together``: the columns that are bad in the same window as the first; ``paired``: a column that the first's sentence names
    already; ``since``: when it began, ``until``: the end of the judged window.
    """

    volume: Sequence[str]
    columns: Sequence[ColumnCause]
    whole: Sequence[str]
    together: Collection[str] = ()
    paired: str = ""
    only: str = ""
    since: datetime
    until: datetime


def headline(told: Told) -> str:
    """Empty where nothing is bad."""
    sentences = [*told.volume, *(column.sentence for column in told.columns), *told.whole]
    if not sentences:
        return ""
    if told.volume or not told.columns:
        return _with_more(sentences[0], len(sentences) - 1)
    if len(told.together) >= TOGETHER:
        return _with_more(_moved_together(told), len(sentences) - len(told.together))
    first = told.columns[0].sentence + (f", {told.only}" if told.only else "")
    paired = any(column.name == told.paired for column in told.columns)
    return _with_more(first, len(sentences) - 1 - paired)


def _moved_together(told: Told) -> str:
    """The number of columns, since when, where, and the largest of them."""
    names = [short(column.name) for column in told.columns if column.name in told.together]
    listed = ", ".join(names[:NAMED]) + (" …" if len(names) > NAMED else "")
    where = f", {told.only}" if told.only else ""
    return f"{len(names)} columns moved together since {_moment(told)}{where}: {listed}; the largest: {told.columns[0].sentence}"


def _moment(told: Told) -> str:
    """The clock alone where it was within the last day."""
    return told.since.strftime("%H:%M UTC" if told.until - told.since <= ONE_DAY else "%Y-%m-%d %H:%M UTC")


def _with_more(sentence: str, more: int) -> str:
    return f"{sentence}; and {more} more" if more > 0 else sentence
