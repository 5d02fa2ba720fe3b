"""Window rows: profiles as blobs on grids that are kept once, and the merge of a checkpoint's delta into what is there."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, exists, select, update

from monitor.core.profile import Grid, Profile
from monitor.core.results import Account, WindowKey
from monitor.errors import DecodeError
from monitor.ports import StoredWindow, WindowDelta
from monitor.storage.engine import insert_into
from monitor.storage.gaps import touching
from monitor.storage.rows import KEY_FIELDS, account_of, fields_of, key_of
from monitor.storage.tables import gaps, grids, windows


class GridShelf:
    """The grids of stored profiles, each parsed once and kept: immutable, one per model version or reference."""

    def __init__(self) -> None:
        self._grids: dict[str, Grid] = {}

    def get(self, connection: Connection, digest: str) -> Grid:
        """A stored grid by its hash."""
        if digest not in self._grids:
            document = connection.execute(select(grids.c.document).where(grids.c.hash == digest)).scalar_one()
            self._grids[digest] = Grid.from_json(zlib.decompress(document).decode())
        return self._grids[digest]

    def keep(self, connection: Connection, wanted: Sequence[Grid]) -> None:
        """Store the grids that are new; in the order of their hashes, so that two writers cannot wait in a circle.

        The database is asked, not the shelf: what a transaction put there may have been rolled back since.
        """
        by_hash = {grid.hash: grid for grid in wanted}
        if not by_hash:
            return
        stored = set(connection.execute(select(grids.c.hash).where(grids.c.hash.in_(by_hash))).scalars())
        for digest in sorted(by_hash.keys() - stored):
            document = zlib.compress(by_hash[digest].to_json().encode())
            connection.execute(insert_into(connection, grids).values(hash=digest, document=document).on_conflict_do_nothing())


_HERE = and_(*(windows.c[name] == bindparam(f"here_{name}") for name in KEY_FIELDS))
_LOCK = select(windows).where(_HERE).with_for_update()  # built once: a checkpoint runs it for every window
INCOMPLETE = exists().where(gaps.c.model == windows.c.model, touching(windows.c.start, windows.c.end)).label("incomplete")
"""Of a row of ``windows``: whether some of its rows may have been lost."""


def merge_window(connection: Connection, shelf: GridShelf, delta: WindowDelta) -> None:
    """Add a delta to its window's row, which stays locked until the end of the transaction.

    Raises UsageError where that window has another end.
    """
    here = {f"here_{name}": getattr(delta.key, name) for name in KEY_FIELDS}
    row = connection.execute(_LOCK, here).one_or_none()
    if row is None:
        if _insert(connection, delta.key, delta.account, delta.profile):
            return
        row = connection.execute(_LOCK, here).one()  # another replica's insert came between
    delta.check_end(row.end)
    connection.execute(update(windows).where(_HERE), {**here, **_changes(connection, shelf, row, delta)})


def make_empty(connection: Connection, key: WindowKey) -> None:
    """A window with an account of zeros; nothing where there is one."""
    _insert(connection, key, Account(), None)


def stored_windows(connection: Connection, shelf: GridShelf, model: str, start: datetime) -> list[StoredWindow]:
    """Every version and segment of one interval, ordered by key."""
    found = connection.execute(select(windows, INCOMPLETE).where(windows.c.model == model, windows.c.start == start))
    return sorted((stored(connection, shelf, row) for row in found.all()), key=lambda window: window.key)


def stored(connection: Connection, shelf: GridShelf, row: Row[Any]) -> StoredWindow:
    """A profile that cannot be read is damage of this one window, and stops no other."""
    key, account = key_of(row), account_of(row)
    try:
        return StoredWindow(key=key, account=account, profile=_profile(connection, shelf, row), incomplete=row.incomplete)
    except DecodeError as error:
        damage = f"its stored profile cannot be read: {error}"
        return StoredWindow(key=key, account=account, profile=None, damage=damage, incomplete=row.incomplete)


def _insert(connection: Connection, key: WindowKey, account: Account, profile: Profile | None) -> bool:
    """False where it is there already. (psycopg tells no rowcount of an INSERT.)"""
    values = {**fields_of(key), **fields_of(account), **_profile_columns(profile), "other_grid_rows": 0}
    new = insert_into(connection, windows).values(values).on_conflict_do_nothing()
    return connection.execute(new.returning(windows.c.start)).one_or_none() is not None


def _changes(connection: Connection, shelf: GridShelf, row: Row[Any], delta: WindowDelta) -> dict[str, Any]:
    """The columns that the delta changes. A profile that cannot be merged with the stored one only has its rows counted."""
    account = fields_of(account_of(row) + delta.account)
    if delta.profile is None:
        return account
    merged = _merged(connection, shelf, row, delta.profile)
    if merged is None:
        return {**account, "other_grid_rows": row.other_grid_rows + delta.profile.rows}
    return {**account, **_profile_columns(merged)}


def _merged(connection: Connection, shelf: GridShelf, row: Row[Any], new: Profile) -> Profile | None:
    """Both together; None where they are on different grids, and where the stored one is damaged, which is left for judging to tell."""
    try:
        stored = _profile(connection, shelf, row)
    except DecodeError:
        return None
    if stored is None:
        return new
    return stored.merge(new) if stored.grid.hash == new.grid.hash else None


def _profile(connection: Connection, shelf: GridShelf, row: Row[Any]) -> Profile | None:
    return None if row.profile is None else Profile.from_bytes(row.profile, shelf.get(connection, row.grid))


def _profile_columns(profile: Profile | None) -> dict[str, Any]:
    if profile is None:
        return {"grid": None, "profile": None}
    return {"grid": profile.grid.hash, "profile": profile.to_bytes()}
