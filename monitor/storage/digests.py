"""The daily digest: reading what it tells, and writing down that it was told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, exists, func, select, update

from monitor.core.digest import Span, Told, Warned
from monitor.core.incidents import Incident
from monitor.core.results import Result
from monitor.core.schema import rfc3339
from monitor.ports import PICTURE, Message
from monitor.storage.again import again
from monitor.storage.engine import Database, insert_into
from monitor.storage.judging import add_messages
from monitor.storage.outbox import DEAD
from monitor.storage.people_tables import digests
from monitor.storage.reading import RESULT_ORDER, VERDICT_TEXT
from monitor.storage.rows import columns_of, made
from monitor.storage.tables import deliveries, incidents, results


class DigestVerbs:
    """What digests need of the store."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def digested(self, receiver: str) -> Told | None:
        """What a receiver's last digest told."""
        with self._db.read() as connection:
            row = connection.execute(select(digests).where(digests.c.receiver == receiver)).one_or_none()
        if row is None:
            return None
        judged = {model: datetime.fromisoformat(until) for model, until in row.judged.items()}
        return Told(receiver=row.receiver, told_until=row.told_until, judged=judged)

    def warned(self, span: Span, *, verdicts: Sequence[str], newest: int) -> Warned:
        """The results of a span that have such a verdict in their last revision."""
        later = results.alias("later")
        same = [later.c[column.name] == column for column in RESULT_ORDER[:-1]]
        made_anew = exists().where(*same, later.c.revision > results.c.revision)
        query = columns_of(results, Result).where(*_within(span), VERDICT_TEXT.in_(verdicts), ~made_anew)
        windows = select(func.count(results.c.window_start.distinct())).where(*_within(span))
        with self._db.read() as connection:
            rows = connection.execute(query.order_by(*(column.desc() for column in RESULT_ORDER)).limit(newest)).all()
            return Warned(windows=connection.execute(windows).scalar_one(), results=tuple(made(Result, row) for row in rows[::-1]))

    def muted_incidents(self, *, newest: int) -> Sequence[Incident]:
        """Incidents that nobody was told of so far."""
        query = columns_of(incidents, Incident).where(incidents.c.muted.is_not(None))
        with self._db.read() as connection:
            rows = connection.execute(query.order_by(incidents.c.since.desc(), incidents.c.id.desc()).limit(newest)).all()
        return [made(Incident, row) for row in rows[::-1]]

    def given_up(self, since: datetime, until: datetime) -> Mapping[str, int]:
        """By receiver, how many deliveries were given up within ``[since, until)``."""
        mine = deliveries.c
        dead = (mine.state == DEAD, mine.kind != PICTURE, mine.ended_at >= since, mine.ended_at < until)
        query = select(mine.receiver, func.count().label("messages")).where(*dead).group_by(mine.receiver)
        with self._db.read() as connection:
            return {row.receiver: row.messages for row in connection.execute(query)}

    @again
    def write_digest(self, told: Told, previous: datetime | None, messages: Sequence[Message] = ()) -> bool:
        """What was told, and the message that tells it, by compare-and-set on ``told_until``."""
        values: dict[str, Any] = {"told_until": told.told_until, "judged": {name: rfc3339(until) for name, until in told.judged.items()}}
        with self._db.write() as connection:
            if previous is None:
                new = insert_into(connection, digests).values(receiver=told.receiver, **values)
                done = connection.execute(new.on_conflict_do_nothing(index_elements=["receiver"]).returning(digests.c.receiver)).all()
                written = bool(done)
            else:
                here = (digests.c.receiver == told.receiver, digests.c.told_until == previous)
                written = connection.execute(update(digests).where(*here).values(values)).rowcount == 1
            if written:
                add_messages(connection, messages, told.told_until)
            return written


def _within(span: Span) -> tuple[ColumnElement[bool], ...]:
    begins = () if span.after is None else (results.c.window_start >= span.after,)
    most = () if span.most_revision is None else (results.c.revision <= span.most_revision,)
    return (results.c.model == span.model, results.c.window_start < span.until, results.c.revision >= span.least_revision, *begins, *most)
