"""Gaps: written with the checkpoint that passes over them, closed by the first row that comes after them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, func, insert, or_, update

from monitor.core.gaps import Gap
from monitor.ports import GapEnd
from monitor.storage.engine import Database
from monitor.storage.rows import columns_of, fields_of, made
from monitor.storage.tables import gaps


class GapVerbs:
    """What the intake and the judging need to know of what was lost."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def open_gaps(self, model: str) -> Sequence[Gap]:
        """Gaps of a model after which no row has come yet."""
        return self._gaps(model, gaps.c.until.is_(None))

    def gaps(self, model: str, start: datetime, end: datetime) -> Sequence[Gap]:
        """What was lost of a model and may belong to ``[start, end)``, oldest first."""
        return self._gaps(model, touching(start, end))

    def _gaps(self, model: str, which: ColumnElement[bool]) -> Sequence[Gap]:
        query = columns_of(gaps, Gap).where(gaps.c.model == model, which).order_by(gaps.c.number)
        with self._db.read() as connection:
            return [made(Gap, row) for row in connection.execute(query)]


def touching(start: datetime | ColumnElement[datetime], end: datetime | ColumnElement[datetime]) -> ColumnElement[bool]:
    """``Gap.touches`` in SQL."""
    until = func.coalesce(gaps.c.until, gaps.c.at)
    return and_(or_(gaps.c.since.is_(None), gaps.c.since < end, until < end), or_(until >= start, gaps.c.since >= start))


def add_gaps(connection: Connection, new: Sequence[Gap], ends: Sequence[GapEnd]) -> None:
    """Write what was lost, and close what was open."""
    for end in ends:
        here = (gaps.c.model == end.model, gaps.c.topic == end.partition.topic, gaps.c.partition == end.partition.partition)
        connection.execute(update(gaps).where(*here, gaps.c.until.is_(None)).values(until=end.until))
    if new:
        connection.execute(insert(gaps), [fields_of(gap) for gap in new])
