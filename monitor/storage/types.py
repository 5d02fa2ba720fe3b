"""Column types: what a database may refuse (naive times, NUL, NaN, endless keys) is settled here, once."""

# ruff: noqa: ARG002 - a TypeDecorator is always told the dialect, and seldom cares

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Double, Integer, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
LONGEST_KEY = 200
"""Characters of an indexed text: PostgreSQL refuses index rows over 2,704 bytes, and a key has three texts."""
KEY_DIGEST = 16
"""Hexadecimal digits that keep two long keys apart once they are cut."""

BIG_KEY = BigInteger().with_variant(Integer(), "sqlite")
BYTEWISE_TEXT = Text().with_variant(Text(collation="C"), "postgresql")
JSON_DOCUMENT = JSON().with_variant(JSONB(), "postgresql")


def storable(text: str) -> str:
    """The text with NUL and lone surrogates replaced: PostgreSQL stores neither."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").replace("\x00", REPLACEMENT)


def storable_key(text: str) -> str:
    """``storable``, and cut to ``LONGEST_KEY`` characters with a digest of the whole in its place."""
    clean = storable(text)
    if len(clean) <= LONGEST_KEY:
        return clean
    digest = hashlib.sha256(clean.encode()).hexdigest()[:KEY_DIGEST]
    return f"{clean[: LONGEST_KEY - KEY_DIGEST - 1]}~{digest}"


def storable_document(value: object) -> object:
    """A JSON document that every database takes: clean texts, null for NaN and infinities, RFC 3339 for times."""
    match value:
        case str():
            return storable(value)
        case float() if not math.isfinite(value):
            return None
        case datetime():
            return value.isoformat()
        case Mapping():
            return {storable(str(name)): storable_document(item) for name, item in value.items()}
        case list() | tuple():
            return [storable_document(item) for item in value]
        case _:
            return value


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC datetimes; a naive one is a fault of the program and raises ValueError."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC; without the zone for SQLite, which keeps none."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive datetime {value.isoformat()}: only aware ones are stored")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Aware UTC again."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class CleanText(TypeDecorator[str]):
    """Text of any origin."""

    impl = BYTEWISE_TEXT
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Replace what cannot be stored."""
        return None if value is None else storable(value)


class KeyText(TypeDecorator[str]):
    """Text that stands in an index."""

    impl = BYTEWISE_TEXT
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Replace what cannot be stored, cut what is too long."""
        return None if value is None else storable_key(value)


class OptionalKeyText(TypeDecorator[str]):
    """A text of a key that may be None: stored as the empty text, since NULLs are never equal in a UNIQUE."""

    impl = BYTEWISE_TEXT
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str:
        """None becomes the empty text."""
        return "" if value is None else storable_key(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """The empty text becomes None."""
        return value or None


class Enumerated(TypeDecorator[StrEnum]):
    """A member of a closed set, stored as its text."""

    impl = BYTEWISE_TEXT
    cache_ok = True

    def __init__(self, members: type[StrEnum]) -> None:
        super().__init__()
        self.members = members

    def process_bind_param(self, value: StrEnum | None, dialect: Dialect) -> str | None:
        """The text of a member; ValueError for a text that is none."""
        return None if value is None else self.members(value).value

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:
        """The member again."""
        return None if value is None else self.members(value)


class Real(TypeDecorator[float]):
    """A finite number or nothing: NaN is never a number."""

    impl = Double()
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> float | None:
        """NaN becomes NULL on both databases (SQLite would do so by itself)."""
        return None if value is None or math.isnan(value) else float(value)


class Document(TypeDecorator[Mapping[str, object]]):
    """A JSON object."""

    impl = JSON_DOCUMENT
    cache_ok = True

    def process_bind_param(self, value: Mapping[str, object] | None, dialect: Dialect) -> object:
        """Clean throughout."""
        return storable_document(value)


class Names(TypeDecorator[tuple[str, ...]]):
    """A tuple of texts, stored as a JSON array."""

    impl = JSON_DOCUMENT
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: Dialect) -> list[str]:
        """Clean texts."""
        return [storable(item) for item in value or ()]

    def process_result_value(self, value: object, dialect: Dialect) -> tuple[str, ...]:
        """A tuple again."""
        return tuple(map(str, value)) if isinstance(value, list) else ()
