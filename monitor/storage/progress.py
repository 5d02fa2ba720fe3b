"""A model's line in ``progress``: what the checkpoint, the sealing and the judging of a model wait for one another on."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from monitor.ports import Progress
from monitor.storage.engine import insert_into
from monitor.storage.tables import progress

GATE = 0x64726966
"""The class of the advisory locks by which replicas on PostgreSQL wait for one another before a model's line: "drif" in ASCII."""


def read_progress(connection: Connection, model: str) -> Progress:
    """Where a model stands, as of now."""
    row = connection.execute(select(progress).where(progress.c.model == model)).one_or_none()
    if row is None:
        return Progress(sealed_until=None, judged_until=None)
    return Progress(sealed_until=row.sealed_until, judged_until=row.judged_until)


def locked_progress(connection: Connection, model: str) -> Progress:
    """Where a model stands, and stays until the end of this transaction: no window is sealed behind a checkpoint's back.

    Shared: checkpoints of several replicas do not wait for one another. (A writing transaction on SQLite is alone anyway.)
    """
    return _locked(connection, model, shared=True)


def held_progress(connection: Connection, model: str) -> Progress:
    """The same, alone: nobody writes results, seals windows or opens an incident of the model at the same time."""
    return _locked(connection, model, shared=False)


def _locked(connection: Connection, model: str, *, shared: bool) -> Progress:
    """First the gate, which is passed in the order of coming, then the row: of a row alone, shared locks that overlap without an end
    would be given for ever past the one that waits to seal."""
    ensure_progress(connection, model)
    if connection.dialect.name == "postgresql":
        pass_gate = func.pg_advisory_xact_lock_shared if shared else func.pg_advisory_xact_lock
        connection.execute(select(pass_gate(GATE, func.hashtext(model))))
    row = connection.execute(select(progress).where(progress.c.model == model).with_for_update(read=shared)).one()
    return Progress(sealed_until=row.sealed_until, judged_until=row.judged_until)


def ensure_progress(connection: Connection, model: str) -> None:
    """Make the line where there is none, for a lock needs a row."""
    known = connection.execute(select(progress.c.model).where(progress.c.model == model)).one_or_none()
    if known is None:
        connection.execute(insert_into(connection, progress).values(model=model).on_conflict_do_nothing())
