"""Judging: closing windows to further rows, and writing what a closed window came to, each by compare-and-set."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, exists, func, insert, select, update

from monitor import failpoints
from monitor.core.audit import AuditEntry
from monitor.core.incidents import Incident, IncidentEvent, IncidentState
from monitor.core.reference import Reference
from monitor.core.results import ALL_ROWS, Result, WindowKey
from monitor.failpoints import Point
from monitor.ports import Judgement, Message, Progress, Revision, StoredWindow
from monitor.storage.again import again
from monitor.storage.asking import may_ask, write_asking
from monitor.storage.audit import put_audit
from monitor.storage.engine import Database, insert_into
from monitor.storage.outbox import PENDING
from monitor.storage.progress import held_progress, read_progress
from monitor.storage.reading import CHECK_TEXT, RESULT_ORDER, last_judged
from monitor.storage.references import put_active
from monitor.storage.rows import columns_of, fields_of, made
from monitor.storage.tables import deliveries, id_chunks, incident_events, incidents, progress, results, windows
from monitor.storage.windows import GridShelf, make_empty, stored_windows


class JudgingVerbs:
    """What the judging needs of the store."""

    def __init__(self, database: Database, shelf: GridShelf) -> None:
        self._db = database
        self._shelf = shelf

    def progress(self, model: str) -> Progress:
        """How far the model is sealed and judged."""
        with self._db.read() as connection:
            return read_progress(connection, model)

    def next_start(self, model: str, after: datetime | None) -> datetime | None:
        """The start of the earliest window with an account whose start is at or after ``after`` (None: the very first)."""
        query = select(func.min(windows.c.start)).where(windows.c.model == model)
        with self._db.read() as connection:
            start: datetime | None = connection.execute(query if after is None else query.where(windows.c.start >= after)).scalar_one()
        return start

    @again
    def seal(self, model: str, until: datetime, previous: datetime | None) -> bool:
        """Compare-and-set ``sealed_until``; drops the id hashes of sealed windows. False: another replica was first."""
        with self._db.write() as connection:
            held_progress(connection, model)
            if not _move(connection, model, "sealed_until", until, previous):
                return False
            connection.execute(delete(id_chunks).where(id_chunks.c.model == model, id_chunks.c.window_start < until))
            failpoints.at(Point.SEAL_BEFORE_COMMIT)
        failpoints.at(Point.SEAL_AFTER_COMMIT)
        return True

    def windows(self, model: str, start: datetime) -> Sequence[StoredWindow]:
        """Every version and segment of the window that starts then, ordered by key."""
        with self._db.read() as connection:
            return stored_windows(connection, self._shelf, model, start)

    @again
    def add_empty_window(self, key: WindowKey) -> None:
        """Make an account of zeros, so that silence shows; nothing where the window exists."""
        with self._db.write() as connection:
            make_empty(connection, key)

    def last_busy(self, model: str, before: datetime) -> WindowKey | None:
        """The latest window with counted rows that starts before then; of several versions, the one with the most rows."""
        newest = (windows.c.start.desc(), windows.c.counted.desc(), windows.c.version.desc())
        busy = (windows.c.model == model, windows.c.segment == ALL_ROWS, windows.c.start < before, windows.c.counted > 0)
        query = columns_of(windows, WindowKey).where(*busy).order_by(*newest).limit(1)
        with self._db.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else made(WindowKey, row)

    def latest_window(self, model: str) -> WindowKey | None:
        """The window with an account that starts last; of several versions and segments, the last by name."""
        last = (windows.c.start.desc(), windows.c.version.desc(), windows.c.segment.desc())
        query = columns_of(windows, WindowKey).where(windows.c.model == model).order_by(*last).limit(1)
        with self._db.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else made(WindowKey, row)

    def open_incident(self, model: str) -> Incident | None:
        """The incident of a model's windows that is not resolved, pending ones included."""
        query = (
            columns_of(incidents, Incident)
            .where(*are_open(model))
            .order_by(incidents.c.since.desc(), incidents.c.id.desc())
            .limit(1)
        )
        with self._db.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else made(Incident, row)

    def recent_results(self, model: str, checks: Sequence[str], windows: int) -> Sequence[Result]:
        """The results of these checks in the last ``windows`` judged windows, oldest first."""
        asked = (results.c.model == model, CHECK_TEXT.in_(checks), results.c.window_start.in_(last_judged(model, windows)))
        query = columns_of(results, Result).where(*asked).order_by(*RESULT_ORDER)
        with self._db.read() as connection:
            return [made(Result, row) for row in connection.execute(query)]

    @again
    def record(self, judgement: Judgement) -> bool:
        """One transaction, by compare-and-set on ``judged_until``, on the incident and on what a request was decided after.

        False: another replica was first, or a person changed the incident or a request meanwhile; nothing written.
        """
        with self._db.write() as connection:
            before = held_progress(connection, judgement.model).judged_until
            if before != judgement.previous or not is_as_known(connection, judgement) or not may_ask(connection, judgement):
                return False
            _move(connection, judgement.model, "judged_until", judgement.judged_until, judgement.previous)
            write_outcome(connection, judgement, judgement.at or judgement.judged_until)
            failpoints.at(Point.JUDGE_BEFORE_COMMIT)
        failpoints.at(Point.JUDGE_AFTER_COMMIT)
        return True

    @again
    def save_incident(
        self, incident: Incident, event: IncidentEvent, messages: Sequence[Message] = (), audit: AuditEntry | None = None, *,
        seen: Incident | None = None, in_force: Sequence[Reference] = (),
    ) -> bool:
        """A person's change, its line of history, what goes out about it and who did it, by compare-and-set on the stored state.

        ``seen``: the incident that the change was made of; None: its state alone counts. ``in_force``: kept references that are active
        from then on. All in one transaction. False: the stored one is no longer in ``event.before``, is not as it was seen, or is gone;
        nothing written.
        """
        with self._db.write() as connection:
            if event.before is None or _stored_state(connection, incident.id) != event.before:
                return False
            if seen is not None and _stored_incident(connection, incident.id) != seen:
                return False
            put_incident(connection, incident)
            add_events(connection, (event,))
            add_messages(connection, messages, event.at)
            if audit is not None:
                put_audit(connection, audit)
            for reference in in_force:
                put_active(connection, reference, event.at)
            return True


def _move(connection: Connection, model: str, line: str, until: datetime, previous: datetime | None) -> bool:
    """Compare-and-set of one end of a model's line, which is held."""
    here = (progress.c.model == model, progress.c[line].is_not_distinct_from(previous))
    return connection.execute(update(progress).where(*here).values({line: until})).rowcount == 1


def is_as_known(connection: Connection, outcome: Judgement | Revision) -> bool:
    """Whether the incident still stands as it was when it was judged from, and is the only one of its model that is open.

    The model's progress is held, or another could be opened at the same time. Locked until the end of the transaction.
    """
    incident, events = outcome.incident, outcome.events
    if incident is None:
        return True
    stored = _stored_state(connection, incident.id)
    if outcome.opened is not None and outcome.opened.id == incident.id and _stored_incident(connection, incident.id) != outcome.opened:
        return False
    if stored is None and connection.execute(select(exists().where(*are_open(incident.model)))).scalar_one():
        return False
    return stored == events[0].before if events else stored in (None, incident.state)


def are_open(model: str) -> tuple[ColumnElement[bool], ...]:
    """Of a row of ``incidents``: it is of the model's windows, and not resolved."""
    return incidents.c.model == model, incidents.c.state != IncidentState.RESOLVED, incidents.c.condition.is_(None)


def write_outcome(connection: Connection, outcome: Judgement | Revision, at: datetime) -> None:
    """Results, the incident with its history, the wish to retrain and what goes out about them."""
    if outcome.results:
        connection.execute(insert(results), [fields_of(result) for result in outcome.results])
    if outcome.incident is not None:
        put_incident(connection, outcome.incident)
    add_events(connection, outcome.events)
    write_asking(connection, outcome, at)
    add_messages(connection, outcome.messages, at)


def _stored_state(connection: Connection, incident: str) -> IncidentState | None:
    """Locked until the end of the transaction."""
    query = select(incidents.c.state).where(incidents.c.id == incident).with_for_update()
    state: IncidentState | None = connection.execute(query).scalar_one_or_none()
    return state


def _stored_incident(connection: Connection, incident: str) -> Incident | None:
    row = connection.execute(columns_of(incidents, Incident).where(incidents.c.id == incident)).one_or_none()
    return None if row is None else made(Incident, row)


def put_incident(connection: Connection, incident: Incident) -> None:
    """Write an incident as it now stands."""
    values = fields_of(incident)
    new = insert_into(connection, incidents).values(values)
    changes = {name: new.excluded[name] for name in values if name != "id"}
    connection.execute(new.on_conflict_do_update(index_elements=["id"], set_=changes))


def add_events(connection: Connection, events: Sequence[IncidentEvent]) -> None:
    """Lines of history, in order."""
    if events:
        connection.execute(insert(incident_events), [fields_of(event) for event in events])


def add_messages(connection: Connection, messages: Sequence[Message], at: datetime) -> None:
    """One row each, in order: their numbers are the order of sending. A message that is there already stays as it is."""
    for message in messages:
        values = {**fields_of(message), "id": message.id, "state": PENDING, "attempts": 0, "created_at": at}
        connection.execute(insert_into(connection, deliveries).values(values).on_conflict_do_nothing(index_elements=["id"]))
