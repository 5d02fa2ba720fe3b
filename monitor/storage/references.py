"""References: immutable, numbered per model, one active per model version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, func, insert, select, text

from monitor.core.reference import Reference
from monitor.errors import UsageError
from monitor.ports import StoredReference
from monitor.storage.again import again
from monitor.storage.engine import Database, insert_into
from monitor.storage.tables import active_references, reference_profiles

ONE_AT_A_TIME = text(f"LOCK TABLE {reference_profiles.name} IN SHARE ROW EXCLUSIVE MODE")
"""PostgreSQL: readers go on, another numbering waits."""


class ReferenceVerbs:
    """What commands and judging need of the store's references."""

    def __init__(self, database: Database) -> None:
        self._db = database

    @again
    def add_reference(self, reference: Reference, *, activate: bool, at: datetime) -> Reference:
        """Number and keep it. The same hash again is the same reference: returned, not doubled."""
        with self._db.write() as connection:
            if not self._db.is_sqlite:
                connection.execute(ONE_AT_A_TIME)
            number = _number_of(connection, reference)
            if number is None:
                number = _insert(connection, reference, at)
            if activate:
                _activate(connection, reference.model, reference.version, number, at)
        return replace(reference, number=number)

    def references(self, model: str | None = None) -> Sequence[StoredReference]:
        """The list, by model and number."""
        query = _listing().order_by(reference_profiles.c.model, reference_profiles.c.number)
        with self._db.read() as connection:
            rows = connection.execute(query if model is None else query.where(reference_profiles.c.model == model)).all()
        return [_line(row) for row in rows]

    def reference(self, model: str, number: int) -> Reference | None:
        """One of a model's references. Raises DecodeError where the stored document was tampered with."""
        return self._load(select(reference_profiles).where(reference_profiles.c.model == model, reference_profiles.c.number == number))

    def active_reference(self, model: str, version: str) -> Reference | None:
        """The active one of exactly this version ("*" included as a version of its own)."""
        joined = reference_profiles.join(active_references, _is_active())
        of_version = (active_references.c.model == model, active_references.c.version == version)
        return self._load(select(reference_profiles).select_from(joined).where(*of_version))

    @again
    def activate(self, model: str, number: int, at: datetime) -> None:
        """Raises UsageError when there is no such reference."""
        stored = select(reference_profiles.c.number, reference_profiles.c.version).where(reference_profiles.c.model == model)
        with self._db.write() as connection:
            known = {row.number: row.version for row in connection.execute(stored)}
            if number not in known:
                raise UsageError(f"model {model!r} has no reference number {number}; known are {sorted(known)}")
            _activate(connection, model, known[number], number, at)

    def _load(self, query: Select[Any]) -> Reference | None:
        with self._db.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else replace(Reference.from_json(row.document), number=row.number)


def _number_of(connection: Connection, reference: Reference) -> int | None:
    same = (reference_profiles.c.model == reference.model, reference_profiles.c.hash == reference.hash)
    return connection.execute(select(reference_profiles.c.number).where(*same)).scalar_one_or_none()


def _insert(connection: Connection, reference: Reference, at: datetime) -> int:
    last = select(func.max(reference_profiles.c.number)).where(reference_profiles.c.model == reference.model)
    number = (connection.execute(last).scalar_one() or 0) + 1
    connection.execute(
        insert(reference_profiles).values(
            model=reference.model,
            number=number,
            version=reference.version,
            hash=reference.hash,
            rows=reference.profile.rows,
            columns=len(reference.profile.columns),
            provenance=reference.provenance,
            created_at=at,
            document=replace(reference, number=number).to_json(),
        )
    )
    return int(number)


def put_active(connection: Connection, reference: Reference, at: datetime) -> None:
    """A kept reference is in force from now on. Raises ValueError for one that has no number."""
    if not reference.number:
        raise ValueError(f"a reference of {reference.model!r} that is not kept cannot be in force")
    _activate(connection, reference.model, reference.version, reference.number, at)


def _activate(connection: Connection, model: str, version: str, number: int, at: datetime) -> None:
    new = insert_into(connection, active_references).values(model=model, version=version, number=number, activated_at=at)
    changes = {"number": new.excluded.number, "activated_at": new.excluded.activated_at}
    connection.execute(new.on_conflict_do_update(index_elements=["model", "version"], set_=changes))


def _is_active() -> Any:
    return and_(active_references.c.model == reference_profiles.c.model, active_references.c.number == reference_profiles.c.number)


def _listing() -> Select[Any]:
    """Every column but the document, which may be large."""
    columns = [column for column in reference_profiles.c if column is not reference_profiles.c.document]
    joined = reference_profiles.outerjoin(active_references, _is_active())
    return select(*columns, active_references.c.activated_at).select_from(joined)


def _line(row: Row[Any]) -> StoredReference:
    return StoredReference(
        model=row.model,
        version=row.version,
        number=row.number,
        hash=row.hash,
        active=row.activated_at is not None,
        rows=row.rows,
        columns=row.columns,
        created_at=row.created_at,
        provenance=row.provenance,
    )
