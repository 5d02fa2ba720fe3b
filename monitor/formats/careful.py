"""A net under every decoder: a message that makes one raise goes to quarantine alone, and stops neither its batch nor the daemon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from monitor.core.joining import joined
from monitor.core.schema import Batch, Reason, Record
from monitor.formats.faults import fault_of


class Decoder(Protocol):
    """Reads the messages of one stream. Should never raise for what a message holds: what cannot be read is a fault of the batch."""

    def decode(self, records: Sequence[Record]) -> Batch:
        """Rows of one partition in the order of their offsets; ``received`` of the batch is ``len(records)``."""


class Careful:
    """Decodes as the decoder inside does. A fault of that decoder would be met again at every start, at the same offset, for ever."""

    def __init__(self, inner: Decoder) -> None:
        self._inner = inner

    def decode(self, records: Sequence[Record]) -> Batch:
        """Rows of one partition in the order of their offsets."""
        try:
            return self._inner.decode(records)
        except Exception:  # which of them it was shows when each is read alone
            return joined([self._alone(record) for record in records])

    def _alone(self, record: Record) -> Batch:
        try:
            return self._inner.decode([record])
        except Exception as error:  # told in the quarantine, with the message's beginning
            detail = f"the decoder broke on it, which is a fault of driftd: {type(error).__name__}: {error}"
            return replace(self._inner.decode([]), faults=(fault_of(record, Reason.UNREADABLE, detail),))
