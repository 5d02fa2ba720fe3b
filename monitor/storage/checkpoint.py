"""The checkpoint: everything the intake has since the last one, in one transaction, or nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

import numpy as np
from sqlalchemy import Connection, Table, case, delete, func, select, update

from monitor import failpoints
from monitor.core.schema import Hashes
from monitor.errors import Fenced
from monitor.failpoints import Point
from monitor.ports import Advance, Checkpoint, Mark, Quarantined, SeenIds, StreamCount, TopicPartition, WindowDelta
from monitor.storage.again import again
from monitor.storage.engine import Database, insert_into
from monitor.storage.gaps import add_gaps
from monitor.storage.kept import add_kept, add_labels
from monitor.storage.progress import locked_progress, read_progress
from monitor.storage.rows import fields_of
from monitor.storage.tables import id_chunks, marks, quarantine, streams, windows
from monitor.storage.tables import partitions as offsets
from monitor.storage.windows import GridShelf, merge_window

HASH_BYTES = np.dtype("<u8")
QUARANTINE_ROWS = 10_000
"""Quarantined messages kept per model, the newest; ``streams`` counts them all."""
STREAM_SUMS = ("received", "counted", "late", "duplicate", "quarantined", "untimed", "sampled_out")


class CheckpointVerbs:
    """What the intake needs of the store. Rows are written in the order of their keys: two writers never wait in a circle."""

    def __init__(self, database: Database, shelf: GridShelf) -> None:
        self._db = database
        self._shelf = shelf

    def positions(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, Advance]:
        """The stored offset of each partition that has one, as ``expected`` and ``next_offset`` alike."""
        topics = {partition.topic for partition in partitions}
        with self._db.read() as connection:
            rows = connection.execute(select(offsets).where(offsets.c.topic.in_(topics))).all()
        found = {TopicPartition(row.topic, row.partition): row for row in rows}
        return {
            partition: Advance(partition=partition, expected=row.next_offset, next_offset=row.next_offset, topic_id=row.topic_id,
                               at=row.updated_at)
            for partition in partitions
            if (row := found.get(partition)) is not None
        }

    def marks(self, model: str) -> Sequence[Mark]:
        """Every partition's mark of a model, ordered by partition."""
        query = select(marks).where(marks.c.model == model).order_by(marks.c.topic, marks.c.partition)
        with self._db.read() as connection:
            rows = connection.execute(query).all()
        return [
            Mark(
                model=row.model,
                partition=TopicPartition(row.topic, row.partition),
                max_time=row.max_time,
                seen_at=row.seen_at,
                caught_up=row.caught_up,
                at=row.at,
                read_until=row.read_until,
            )
            for row in rows
        ]

    def seen_ids(self, model: str, partition: TopicPartition) -> Mapping[datetime, Hashes]:
        """By window start, the id hashes of windows not yet sealed."""
        chunk = id_chunks.c
        query = (
            select(chunk.window_start, chunk.hashes)
            .where(chunk.model == model, chunk.topic == partition.topic, chunk.partition == partition.partition)
            .order_by(chunk.number)
        )
        parts: defaultdict[datetime, list[bytes]] = defaultdict(list)
        with self._db.read() as connection:
            for start, hashes in connection.execute(query):
                parts[start].append(hashes)
        return {start: np.frombuffer(b"".join(chunks), dtype=HASH_BYTES).astype(np.uint64, copy=False) for start, chunks in parts.items()}

    def open_versions(self, model: str) -> Mapping[datetime, Collection[str]]:
        """By start, the versions that windows not yet sealed have."""
        found: defaultdict[datetime, set[str]] = defaultdict(set)
        with self._db.read() as connection:
            sealed_until = read_progress(connection, model).sealed_until
            query = select(windows.c.start, windows.c.version).where(windows.c.model == model)
            for row in connection.execute(query if sealed_until is None else query.where(windows.c.end > sealed_until)):
                found[row.start].add(row.version)
        return found

    @again
    def checkpoint(self, checkpoint: Checkpoint) -> None:
        """One transaction. Rows of a window already sealed are booked as late instead, and their profile is dropped.

        Raises Fenced when a stored offset is not the expected one, Retryable when the database is away or busy.
        """
        with self._db.write() as connection:
            for advance in sorted(checkpoint.advances, key=lambda advance: advance.partition):
                _advance(connection, advance, checkpoint.at)
            models = {delta.key.model for delta in checkpoint.windows} | {ids.model for ids in checkpoint.ids}
            sealed = {model: locked_progress(connection, model).sealed_until for model in sorted(models)}
            for mark in sorted(checkpoint.marks, key=lambda mark: (mark.model, mark.partition)):
                _put_mark(connection, mark)
            booked = checkpoint.booked(sealed)
            self._add_windows(connection, booked.windows)
            _add_ids(connection, checkpoint.ids, sealed)
            add_kept(connection, booked.windows)
            add_labels(connection, checkpoint.labels)
            _add_quarantined(connection, checkpoint.quarantined)
            add_gaps(connection, checkpoint.gaps, checkpoint.gap_ends)
            for count in sorted(booked.streams, key=lambda count: (count.model, count.stream, count.topic)):
                _add_stream(connection, count)
            failpoints.at(Point.CHECKPOINT_BEFORE_COMMIT)
        failpoints.at(Point.CHECKPOINT_AFTER_COMMIT)

    def _add_windows(self, connection: Connection, deltas: Sequence[WindowDelta]) -> None:
        self._shelf.keep(connection, [delta.profile.grid for delta in deltas if delta.profile is not None])
        for delta in sorted(deltas, key=lambda delta: delta.key):
            merge_window(connection, self._shelf, delta)


def _advance(connection: Connection, advance: Advance, at: datetime) -> None:
    """Compare-and-set of one offset."""
    topic, partition = advance.partition.topic, advance.partition.partition
    values = {"next_offset": advance.next_offset, "topic_id": advance.topic_id, "updated_at": at}
    here = (offsets.c.topic == topic, offsets.c.partition == partition)
    if advance.expected is None:
        new = insert_into(connection, offsets).values(topic=topic, partition=partition, **values)
        done = connection.execute(new.on_conflict_do_nothing().returning(offsets.c.next_offset))
    else:
        move = update(offsets).where(*here, offsets.c.next_offset == advance.expected).values(values)
        done = connection.execute(move.returning(offsets.c.next_offset))
    if done.one_or_none() is None:
        stored = connection.execute(select(offsets.c.next_offset).where(*here)).scalar_one_or_none()
        raise Fenced(f"{topic}[{partition}]: the stored offset is {stored}, expected {advance.expected}; another replica has it now")


def _put_mark(connection: Connection, mark: Mark) -> None:
    """The newest mark, but event time never goes backwards."""
    new = insert_into(connection, marks).values(
        model=mark.model,
        topic=mark.partition.topic,
        partition=mark.partition.partition,
        max_time=mark.max_time,
        seen_at=mark.seen_at,
        caught_up=mark.caught_up,
        at=mark.at,
        read_until=mark.read_until,
    )
    forward = case(
        (marks.c.max_time.is_(None), new.excluded.max_time),
        (new.excluded.max_time > marks.c.max_time, new.excluded.max_time),
        else_=marks.c.max_time,
    )
    seen = case((new.excluded.seen_at.is_(None), marks.c.seen_at), else_=new.excluded.seen_at)
    read = func.coalesce(new.excluded.read_until, marks.c.read_until)
    update_to = {"max_time": forward, "seen_at": seen, "caught_up": new.excluded.caught_up, "at": new.excluded.at, "read_until": read}
    connection.execute(new.on_conflict_do_update(index_elements=["model", "topic", "partition"], set_=update_to))


def _add_ids(connection: Connection, chunks: Iterable[SeenIds], sealed: Mapping[str, datetime | None]) -> None:
    rows = [
        {
            "model": ids.model,
            "topic": ids.partition.topic,
            "partition": ids.partition.partition,
            "window_start": ids.window_start,
            "hashes": np.ascontiguousarray(ids.hashes, dtype=HASH_BYTES).tobytes(),
        }
        for ids in chunks
        if len(ids.hashes) and not _starts_before(ids.window_start, sealed[ids.model])
    ]
    _insert_all(connection, id_chunks, rows)


def _starts_before(start: datetime, sealed_until: datetime | None) -> bool:
    """Whether a window is sealed, told by its start: ``sealed_until`` is always a window's end."""
    return sealed_until is not None and start < sealed_until


def _add_quarantined(connection: Connection, entries: Sequence[Quarantined]) -> None:
    """Keep the newest ``QUARANTINE_ROWS`` of each model; a message that is there already stays as it is."""
    by_key = sorted(entries, key=lambda entry: (entry.model, entry.stream, entry.partition, entry.offset))
    for model, group in groupby(by_key, key=lambda entry: entry.model):
        newest = list(group)[-QUARANTINE_ROWS:]
        statement = insert_into(connection, quarantine).on_conflict_do_nothing()
        connection.execute(statement, [_quarantine_row(entry) for entry in newest])
        _cap_quarantine(connection, model)


def _quarantine_row(entry: Quarantined) -> dict[str, Any]:
    row = fields_of(entry)
    return {**row, "topic": entry.partition.topic, "partition": entry.partition.partition}


def _cap_quarantine(connection: Connection, model: str) -> None:
    of_model = quarantine.c.model == model
    newest_first = select(quarantine.c.id).where(of_model).order_by(quarantine.c.id.desc())
    first_too_old = connection.execute(newest_first.offset(QUARANTINE_ROWS).limit(1)).scalar_one_or_none()
    if first_too_old is not None:
        connection.execute(delete(quarantine).where(of_model, quarantine.c.id <= first_too_old))


def _add_stream(connection: Connection, count: StreamCount) -> None:
    new = insert_into(connection, streams).values(fields_of(count))
    sums = {name: streams.c[name] + new.excluded[name] for name in STREAM_SUMS}
    connection.execute(new.on_conflict_do_update(index_elements=["model", "stream", "topic"], set_=sums))


def _insert_all(connection: Connection, table: Table, rows: Collection[Mapping[str, Any]]) -> None:
    if rows:
        connection.execute(table.insert(), list(rows))
