"""A model's line in ``progress``: what the checkpoint, the sealing and the judging of a model wait for one another on."""

from __future__ import annotations

from sqlalchemy import Connection, select

from monitor.ports import Progress
from monitor.storage.engine import insert_into
from monitor.storage.tables import progress


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
    """The same, alone: nobody writes results or opens an incident of the model at the same time."""
    return _locked(connection, model, shared=False)


def _locked(connection: Connection, model: str, *, shared: bool) -> Progress:
    ensure_progress(connection, model)
    row = connection.execute(select(progress).where(progress.c.model == model).with_for_update(read=shared)).one()
    return Progress(sealed_until=row.sealed_until, judged_until=row.judged_until)


def ensure_progress(connection: Connection, model: str) -> None:
    """Make the line where there is none, for a lock needs a row."""
    known = connection.execute(select(progress.c.model).where(progress.c.model == model)).one_or_none()
    if known is None:
        connection.execute(insert_into(connection, progress).values(model=model).on_conflict_do_nothing())
