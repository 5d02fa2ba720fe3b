"""Our types to table rows and back. A table that keeps a type whole has a column per field, of the same name."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Row, Select, Table, select

from monitor.core.results import Account, WindowKey

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")

ACCOUNT_FIELDS = tuple(field.name for field in fields(Account))
KEY_FIELDS = ("model", "version", "segment", "start")
"""What names a window; its ``end`` follows from them."""


def fields_of(thing: DataclassInstance) -> dict[str, Any]:
    """The fields of a dataclass by name, not looked into."""
    return {field.name: getattr(thing, field.name) for field in fields(thing)}


def columns_of(table: Table, kind: type[DataclassInstance]) -> Select[Any]:
    """SELECT the columns of a table that are the fields of a type."""
    return select(*(table.c[field.name] for field in fields(kind)))


def made(kind: type[T], row: Row[Any]) -> T:
    """An instance of a type from a row of ``columns_of``."""
    return kind(**row._asdict())


def key_of(row: Row[Any]) -> WindowKey:
    """The key of a row of ``windows``."""
    return WindowKey(model=row.model, version=row.version, segment=row.segment, start=row.start, end=row.end)


def account_of(row: Row[Any]) -> Account:
    """The account of a row of ``windows``."""
    return Account(
        counted=row.counted, late=row.late, duplicate=row.duplicate, quarantined=row.quarantined, sampled_out=row.sampled_out
    )
