"""Where a reference keeps what estimates performance without labels. A new kind is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from monitor.core.profile.canonical import Fields


class Estimator(Protocol):
    """What was learned from the reference's labels; its document has the text ``kind``, by which it is read again."""

    def document(self) -> dict[str, object]:
        """As plain JSON values."""


READERS: Mapping[str, Callable[[Fields], Estimator]] = {}
"""By kind: how it is read. Each raises DecodeError."""


def estimator_of(fields: Fields) -> Estimator:
    """Of a document. Raises DecodeError for a kind that nobody reads."""
    kind = fields.text("kind")
    if kind not in READERS:
        raise fields.fault("kind", f"one of {sorted(READERS)}: this reference was written by another version of driftd")
    return READERS[kind](fields)
