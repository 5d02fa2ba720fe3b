"""What is written about labels: predictions and labels by checkpoints, and what a round of joining makes of both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, Table, and_, delete, func, insert, select, update

from monitor.core.labels.labels import Labels
from monitor.core.labels.packing import merged_matches, pack_flags, pack_ids, pack_labels, pack_matches, pack_predicted
from monitor.core.labels.predicted import Predicted
from monitor.core.results import WindowKey
from monitor.core.schema import rfc3339
from monitor.errors import DecodeError
from monitor.ports import Applied, Curve, JoinRound, KeptKey, NewLabels, Tally, WindowDelta
from monitor.storage.engine import insert_into
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
from monitor.storage.rows import fields_of

SUMS = ("matched", "revised", "repeated", "expired", "unlabelled")
"""The fields of LabelAccount that are added up; what waits is counted where it waits."""
AT_ONCE = 500
"""Numbers named in one statement."""


def of_window(table: Table, model: str, key: KeptKey) -> ColumnElement[bool]:
    """The rows of a table that are of one window. Its end follows from its start."""
    return and_(table.c.model == model, table.c.start == key.start, table.c.version == key.version)


def add_kept(connection: Connection, deltas: Iterable[WindowDelta]) -> None:
    """The predictions of a checkpoint, a chunk for each window."""
    rows = [
        {**_window(delta.key), "end": delta.key.end, "rows": len(delta.kept), **_packed(delta.kept)}
        for delta in deltas
        if delta.kept is not None and len(delta.kept)
    ]
    if rows:
        connection.execute(insert(kept_chunks), rows)


def add_labels(connection: Connection, new: Iterable[NewLabels]) -> None:
    """The labels of a checkpoint, a chunk for each model."""
    for chunk in new:
        _add_labels(connection, chunk.model, chunk.labels, fresh=True)


def begin_round(connection: Connection, done: JoinRound) -> bool:
    """Whether the round is still the next one, and its settled windows have all predictions that were written for them.

    Locks the model's line, so that rounds wait for one another. Chunks are never changed and taken away by rounds alone, and a sealed
    window gets no more of them; so where the rows are as many, the chunks are the same.
    """
    line = insert_into(connection, join_progress).values(model=done.model, number=0, **dict.fromkeys(SUMS, 0))
    connection.execute(line.on_conflict_do_nothing())
    query = select(join_progress.c.number).where(join_progress.c.model == done.model).with_for_update()
    if connection.execute(query).scalar_one() != done.number:
        return False
    return all(_rows_written(connection, done.model, key) == len(rows) for key, rows in done.settled)


def write_round(connection: Connection, done: JoinRound) -> None:
    """All of it; windows in the order of their keys."""
    sums = {name: join_progress.c[name] + getattr(done.account, name) for name in SUMS}
    counted = update(join_progress).where(join_progress.c.model == done.model)
    connection.execute(counted.values(number=done.number + 1, **sums))
    for key, rows in sorted(done.settled, key=lambda settled: settled[0]):
        _settle(connection, done.model, key, rows)
    for applied in sorted(done.applied, key=lambda applied: applied.key):
        _apply(connection, done.model, applied)
    _consume(connection, done)
    for key in sorted(done.dropped):
        for table in (kept_windows, kept_rows, label_matches, kept_chunks):
            connection.execute(delete(table).where(of_window(table, done.model, key)))
    _put_curves(connection, done.model, done.curves)


def put_tallies(connection: Connection, new: Sequence[Tally]) -> None:
    """In the place of those of the same window and segment."""
    rows = [{**fields_of(tally.key), "data": tally.data} for tally in sorted(new, key=lambda tally: tally.key)]
    _put_all(connection, tallies, rows, "data")


def _packed(rows: Predicted) -> dict[str, bytes]:
    return {"ids": pack_ids(rows.ids), "data": pack_predicted(rows)}


def _add_labels(connection: Connection, model: str, labels: Labels, *, fresh: bool) -> None:
    if len(labels):
        values = {"model": model, "fresh": fresh, "rows": len(labels), "data": pack_labels(labels)}
        connection.execute(insert(label_chunks).values(values))


def _rows_written(connection: Connection, model: str, key: KeptKey) -> int:
    query = select(func.coalesce(func.sum(kept_chunks.c.rows), 0)).where(of_window(kept_chunks, model, key))
    return int(connection.execute(query).scalar_one())


def _settle(connection: Connection, model: str, key: KeptKey, rows: Predicted) -> None:
    where = {"model": model, "version": key.version, "start": key.start}
    counts = {"rows": len(rows), "labelled": 0, "changes": 0, "have": pack_flags(np.zeros(len(rows), dtype=np.bool_))}
    connection.execute(insert(kept_windows).values(**where, end=key.end, **counts))
    connection.execute(insert(kept_rows).values(**where, **_packed(rows)))
    connection.execute(delete(kept_chunks).where(of_window(kept_chunks, model, key)))


def _apply(connection: Connection, model: str, applied: Applied) -> None:
    """Raises ValueError where the window is not there: a fault of the program, for rounds alone take it away."""
    counts = {"labelled": applied.labelled, "changes": applied.changes, "have": pack_flags(applied.have)}
    done = connection.execute(update(kept_windows).where(of_window(kept_windows, model, applied.key)).values(counts))
    if done.rowcount != 1:
        raise ValueError(f"{model}: labels for the window of version {applied.key.version!r} that starts at "
                         f"{rfc3339(applied.key.start)}, which is not settled")
    _add_matches(connection, model, applied)


def _add_matches(connection: Connection, model: str, applied: Applied) -> None:
    """As a chunk, together with the newest ones where those have no more rows: so many rounds come to few chunks, each rarely rewritten."""
    here, sizes, chunks = of_window(label_matches, model, applied.key), [len(applied.matches.rows)], [pack_matches(applied.matches)]
    newest = select(label_matches.c.number, label_matches.c.rows).where(here).order_by(label_matches.c.number.desc()).limit(1)
    while (last := connection.execute(newest).one_or_none()) is not None and last.rows <= sum(sizes):
        taken = delete(label_matches).where(label_matches.c.number == last.number).returning(label_matches.c.data)
        sizes, chunks = [last.rows, *sizes], [connection.execute(taken).scalar_one(), *chunks]
    where = {"model": model, "version": applied.key.version, "start": applied.key.start}
    connection.execute(insert(label_matches), [{**where, "rows": rows, "data": data} for rows, data in _merged(sizes, chunks)])


def _merged(sizes: Sequence[int], chunks: Sequence[bytes]) -> list[tuple[int, bytes]]:
    """One chunk of all; as they are where one of them cannot be read, for this window's damage keeps no other from its labels."""
    try:
        return [(sum(sizes), chunks[0] if len(chunks) == 1 else merged_matches(chunks))]
    except DecodeError:
        return list(zip(sizes, chunks, strict=True))


def _consume(connection: Connection, done: JoinRound) -> None:
    """Take away what is done with, write what waits; where windows were settled, all that waits is looked for again."""
    for first in range(0, len(done.consumed), AT_ONCE):
        numbers = label_chunks.c.number.in_(done.consumed[first : first + AT_ONCE])
        connection.execute(delete(label_chunks).where(label_chunks.c.model == done.model, numbers))
    if done.waiting is not None:
        _add_labels(connection, done.model, done.waiting, fresh=False)
    if done.settled:
        waiting = (label_chunks.c.model == done.model, label_chunks.c.fresh.is_(False))
        connection.execute(update(label_chunks).where(*waiting).values(fresh=True))


def _put_curves(connection: Connection, model: str, new: Sequence[Curve]) -> None:
    rows = [{"model": model, **fields_of(curve.key), "document": curve.document} for curve in sorted(new, key=lambda curve: curve.key)]
    _put_all(connection, label_curves, rows, "document")


def _put_all(connection: Connection, table: Table, rows: Sequence[dict[str, Any]], content: str) -> None:
    if rows:
        new = insert_into(connection, table)
        keys = [column.name for column in table.primary_key]
        connection.execute(new.on_conflict_do_update(index_elements=keys, set_={content: new.excluded[content]}), list(rows))


def _window(key: WindowKey) -> dict[str, Any]:
    return {"model": key.model, "version": key.version, "start": key.start}
