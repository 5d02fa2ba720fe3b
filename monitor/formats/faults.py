"""What goes to quarantine of a message that could not be read."""

from __future__ import annotations

from monitor.core.schema import Fault, Reason, Record

SAMPLE_BYTES = 1_000
"""How much of a message goes to quarantine with it."""
DETAIL_CHARACTERS = 200


def fault_of(record: Record, reason: Reason, detail: str, *, time: int | None = None, version: str | None = None) -> Fault:
    """A message with why it could not be read, and its beginning."""
    sample = (record.value or b"")[:SAMPLE_BYTES]
    return Fault(offset=record.offset, reason=reason, detail=detail[:DETAIL_CHARACTERS], sample=sample, time=time, version=version)
