"""Labels: what waits for them, the rounds that join them by compare-and-set, and what they make of judged windows.

Locks are taken in one order, so that no writers wait in a circle: a model's ``progress``, its incident, its ``join_progress``, its windows
by key. A checkpoint holds ``progress`` with others and only adds chunks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import accumulate
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, Row, Select, func, literal, select, update

from monitor import failpoints
from monitor.core.labels.beside import joined_matches, joined_rows, no_matches
from monitor.core.labels.labels import Joined, Matches
from monitor.core.labels.packing import unpack_ids, unpack_labels, unpack_matches, unpack_predicted
from monitor.core.labels.predicted import Predicted
from monitor.core.results import Result, WindowKey, identity, latest
from monitor.core.schema import Hashes
from monitor.errors import DecodeError
from monitor.failpoints import Point
from monitor.ports import Curve, JoinRound, KeptKey, KeptWindow, Known, LabelAccount, Revision, StoredLabels, Tally
from monitor.storage.again import again
from monitor.storage.asking import may_ask
from monitor.storage.engine import Database
from monitor.storage.judging import is_as_known, write_outcome
from monitor.storage.kept import AT_ONCE, SUMS, begin_round, of_window, put_tallies, write_round
from monitor.storage.label_tables import (
    join_progress,
    kept_chunks,
    kept_rows,
    kept_windows,
    label_chunks,
    label_curves,
    label_matches,
    tallies,
)
from monitor.storage.postgres import AS_BYTES
from monitor.storage.progress import held_progress, read_progress
from monitor.storage.rows import columns_of, made
from monitor.storage.tables import results


class LabelVerbs:
    """What joining labels needs of the store."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def join_number(self, model: str) -> int:
        """How many rounds were written."""
        with self._db.read() as connection:
            return connection.execute(select(join_progress.c.number).where(join_progress.c.model == model)).scalar_one_or_none() or 0

    def unsettled(self, model: str, until: datetime) -> Sequence[KeptKey]:
        """Windows with predictions that were not settled yet, that end at or before then."""
        chunk = kept_chunks.c
        query = columns_of(kept_chunks, KeptKey).distinct()
        ended = (chunk.model == model, chunk.start < until, chunk.end <= until)  # the start finds them in the index
        with self._db.read() as connection:
            return sorted(made(KeptKey, row) for row in connection.execute(query.where(*ended)))

    def kept_chunks(self, model: str, key: KeptKey) -> Sequence[Predicted]:
        """The predictions of a window as checkpoints wrote them; of a settled one a single chunk, sorted by id.

        Chunks first: a window that is settled between both reads is found by the second.
        """
        chunks = select(kept_chunks.c.ids, kept_chunks.c.data).where(of_window(kept_chunks, model, key)).order_by(kept_chunks.c.number)
        with self._db.read() as connection:
            found = connection.execute(chunks.execution_options(**AS_BYTES)).all() or connection.execute(_rows_of(model, key)).all()
        return [unpack_predicted(row.ids, row.data) for row in found]

    def settled(self, model: str, until: datetime | None = None) -> Sequence[KeptWindow]:
        """Every settled window (that ends at or before then), without its rows."""
        window = kept_windows.c
        return self._kept_windows(model, *([] if until is None else [window.start < until, window.end <= until]))

    def unrevised(self, model: str) -> Sequence[KeptWindow]:
        """Settled windows that have labels which no revision of their results knows."""
        return self._kept_windows(model, kept_windows.c.changes != func.coalesce(kept_windows.c.judged_changes, 0))

    def _kept_windows(self, model: str, *asked: ColumnElement[bool]) -> Sequence[KeptWindow]:
        """The database chooses: every second the few that are asked for are looked for among all that wait."""
        counts = [column for column in kept_windows.c if column is not kept_windows.c.have]
        with self._db.read() as connection:
            found = connection.execute(select(*counts).where(kept_windows.c.model == model, *asked)).all()
        return sorted((_kept_window(row) for row in found), key=lambda window: window.key)

    def settled_ids(self, model: str, key: KeptKey) -> Hashes:
        """The ids of a settled window, ascending; none where it is not there (any more)."""
        query = select(kept_rows.c.ids).where(of_window(kept_rows, model, key))
        with self._db.read() as connection:
            ids = connection.execute(query.execution_options(**AS_BYTES)).scalar_one_or_none()
        return np.empty(0, dtype=np.uint64) if ids is None else unpack_ids(ids)

    def settled_flags(self, model: str) -> Mapping[KeptKey, bytes]:
        """Which rows of each settled window have a label, packed."""
        query = columns_of(kept_windows, KeptKey).add_columns(kept_windows.c.have).where(kept_windows.c.model == model)
        with self._db.read() as connection:
            found = connection.execute(query.execution_options(**AS_BYTES)).all()
        return {_kept_key(row): row.have for row in found}

    def matches(self, model: str, key: KeptKey, ids: Hashes) -> Matches:
        """Every label that was applied to a settled window so far; ``ids``: the window's."""
        with self._db.read() as connection:
            packed = _matches_of(connection, model, key)
        return _unpacked(packed, ids)

    def label_chunks(self, model: str, *, fresh: bool, most: int) -> Sequence[StoredLabels]:
        """The oldest chunks that together hold at most ``most`` labels, but at least one chunk. Damage of one is told in it."""
        chunk = label_chunks.c
        oldest = select(chunk.number, chunk.rows).where(chunk.model == model, chunk.fresh.is_(fresh)).order_by(chunk.number)
        with self._db.read() as connection:
            found = connection.execute(oldest.limit(max(most, 1))).all()  # none of them is empty
            held = accumulate(row.rows for row in found)
            numbers = [row.number for at, (row, rows) in enumerate(zip(found, held, strict=True)) if at == 0 or rows <= most]
            chunks: list[Any] = []
            for first in range(0, len(numbers), AT_ONCE):
                some = chunk.number.in_(numbers[first : first + AT_ONCE])
                named = select(chunk.number, chunk.fresh, chunk.rows, chunk.data).where(some).order_by(chunk.number)
                chunks += connection.execute(named.execution_options(**AS_BYTES)).all()
        return [_stored_labels(row) for row in chunks]

    def fresh_numbers(self, model: str) -> tuple[int, int] | None:
        """The numbers of the oldest and of the newest fresh chunk of labels; None where there is none."""
        chunk = label_chunks.c
        ends = select(func.min(chunk.number), func.max(chunk.number)).where(chunk.model == model, chunk.fresh.is_(True))
        with self._db.read() as connection:
            oldest, newest = connection.execute(ends).one()
        return None if oldest is None else (oldest, newest)

    def joined(self, model: str, key: KeptKey) -> Joined | None:
        """A settled window's predictions with their labels as they stand; None where it is not there (any more).

        Matches first: where the window is dropped between both reads, there are no rows without their labels.
        """
        with self._db.read() as connection:
            packed = _matches_of(connection, model, key)
            row = connection.execute(_rows_of(model, key)).one_or_none()
        if row is None:
            return None
        rows = unpack_predicted(row.ids, row.data)
        return joined_rows(rows, _unpacked(packed, rows.ids))

    @again
    def record_join(self, done: JoinRound) -> bool:
        """One transaction, by compare-and-set on the number of the round, and on the rows of the windows that it settles.

        That windows are sealed needs no lock: sealing waits for every checkpoint that holds ``progress``, and later ones see it.
        """
        with self._db.write() as connection:
            done.check_sealed(read_progress(connection, done.model).sealed_until)
            if not begin_round(connection, done):
                return False
            write_round(connection, done)
            failpoints.at(Point.JOIN_BEFORE_COMMIT)
        failpoints.at(Point.JOIN_AFTER_COMMIT)
        return True

    def curves(self, model: str, newest: int) -> Sequence[Curve]:
        """How labels came in for the last windows that wait no longer, oldest first."""
        curve = label_curves.c
        last = select(label_curves).where(curve.model == model).order_by(curve.start.desc(), curve.version.desc()).limit(newest)
        with self._db.read() as connection:
            found = connection.execute(last).all()[::-1]
        return [Curve(key=_kept_key(row), document=row.document) for row in found]

    def window_results(self, model: str, start: datetime) -> Sequence[Result]:
        """The latest revision of every result of the windows that start then."""
        query = columns_of(results, Result).where(results.c.model == model, results.c.window_start == start)
        with self._db.read() as connection:
            found = latest(made(Result, row) for row in connection.execute(query))
        return sorted(found.values(), key=identity)

    @again
    def record_revision(self, revision: Revision) -> bool:
        """One transaction, by compare-and-set on the known label changes and on the state of the incident.

        False: another replica was first, or a person changed the incident meanwhile; nothing written.
        """
        with self._db.write() as connection:
            if revision.incident is not None or revision.asked_after is not None:
                held_progress(connection, revision.model)
            known = sorted(revision.known, key=lambda known: known.key)
            unchanged = is_as_known(connection, revision) and may_ask(connection, revision)
            if not unchanged or not all(_is_known(connection, revision.model, each) for each in known):
                return False
            for each in known:
                here = of_window(kept_windows, revision.model, each.key)
                connection.execute(update(kept_windows).where(here).values(judged_changes=each.changes))
            put_tallies(connection, revision.tallies)
            write_outcome(connection, revision, revision.at)
            failpoints.at(Point.REVISION_BEFORE_COMMIT)
        failpoints.at(Point.REVISION_AFTER_COMMIT)
        return True

    def tallies(self, model: str, since: datetime | None = None, *, segment: str | None = None) -> Sequence[Tally]:
        """The counts of windows that start at or after then, of one segment (None: of all), ordered by key."""
        query = select(tallies).where(tallies.c.model == model, *([] if segment is None else [tallies.c.segment == segment]))
        with self._db.read() as connection:
            found = connection.execute(query if since is None else query.where(tallies.c.start >= since)).all()
        return sorted((_tally(row) for row in found), key=lambda tally: tally.key)

    def label_account(self, model: str) -> LabelAccount:
        """The sums of all rounds; ``waiting`` counts what is in the store. One statement, so that no round comes between."""
        waiting = select(func.coalesce(func.sum(label_chunks.c.rows), 0)).where(label_chunks.c.model == model).scalar_subquery()
        sums = [
            func.coalesce(select(join_progress.c[name]).where(join_progress.c.model == model).scalar_subquery(), literal(0)).label(name)
            for name in SUMS
        ]
        with self._db.read() as connection:
            row = connection.execute(select(waiting.label("waiting"), *sums)).one()
        return LabelAccount(**{name: int(count) for name, count in row._asdict().items()})


def _rows_of(model: str, key: KeptKey) -> Select[Any]:
    return select(kept_rows.c.ids, kept_rows.c.data).where(of_window(kept_rows, model, key)).execution_options(**AS_BYTES)


def _matches_of(connection: Connection, model: str, key: KeptKey) -> list[bytes]:
    query = select(label_matches.c.data).where(of_window(label_matches, model, key)).order_by(label_matches.c.number)
    return list(connection.execute(query.execution_options(**AS_BYTES)).scalars())


def _unpacked(packed: Sequence[bytes], ids: Hashes) -> Matches:
    return joined_matches([unpack_matches(data, ids) for data in packed])


def _is_known(connection: Connection, model: str, known: Known) -> bool:
    """Whether no revision took labels in since. Locked until the end of the transaction."""
    query = select(kept_windows.c.judged_changes).where(of_window(kept_windows, model, known.key)).with_for_update()
    row = connection.execute(query).one_or_none()
    return row is not None and row.judged_changes == known.before


def _stored_labels(row: Row[Any]) -> StoredLabels:
    try:
        return StoredLabels(number=row.number, labels=unpack_labels(row.data), fresh=row.fresh)
    except DecodeError as error:
        return StoredLabels(number=row.number, labels=no_matches().labels, fresh=row.fresh, lost=row.rows, damage=str(error))


def _kept_key(row: Row[Any]) -> KeptKey:
    return KeptKey(start=row.start, end=row.end, version=row.version)


def _kept_window(row: Row[Any]) -> KeptWindow:
    counts = {name: getattr(row, name) for name in ("rows", "labelled", "changes", "judged_changes")}
    return KeptWindow(key=_kept_key(row), **counts)


def _tally(row: Row[Any]) -> Tally:
    key = WindowKey(model=row.model, version=row.version, segment=row.segment, start=row.start, end=row.end)
    return Tally(key=key, data=row.data)
