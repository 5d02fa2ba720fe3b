"""References as the store keeps them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from monitor.core.reference import Reference


class ReferenceStore(Protocol):
    """Immutable, numbered references; one active per model version."""

    def add_reference(self, reference: Reference, *, activate: bool, at: datetime) -> Reference:
        """Number and keep it. The same hash again is the same reference: returned, not doubled."""

    def references(self, model: str | None = None) -> Sequence[StoredReference]: ...
    def reference(self, model: str, number: int) -> Reference | None: ...
    def active_reference(self, model: str, version: str) -> Reference | None:
        """The active one of exactly this version ("*" included as a version of its own)."""

    def activate(self, model: str, number: int, at: datetime) -> None:
        """Raises UsageError when there is no such reference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReference:
    """A line of the list of references."""

    model: str
    version: str
    number: int
    hash: str
    active: bool
    rows: int
    columns: int
    created_at: datetime
    provenance: Mapping[str, object] = field(default_factory=dict)
