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

    def decode(self, records: Sequence[Record], latest: int | None = None) -> Batch:
        """Rows of one partition in the order of their offsets; ``received`` of the batch is ``len(records)``.

        ``latest``: milliseconds since the epoch from which on a message's own timestamp is not believed; None: it always is.
        """


class Careful:
    """Decodes as the decoder inside does. A fault of that decoder would be met again at every start, at the same offset, for ever."""

    def __init__(self, inner: Decoder) -> None:
        self._inner = inner

    def decode(self, records: Sequence[Record], latest: int | None = None) -> Batch:
        """Rows of one partition in the order of their offsets."""
        try:
            return self._inner.decode(records, latest)
        except Exception:  # which of them it was shows when each is read alone
            return joined([self._alone(record, latest) for record in records])

    def _alone(self, record: Record, latest: int | None) -> Batch:
        try:
            return self._inner.decode([record], latest)
        except Exception as error:  # told in the quarantine, with the message's beginning
            detail = f"the decoder broke on it, which is a fault of driftd: {type(error).__name__}: {error}"
            return replace(self._inner.decode([]), faults=(fault_of(record, Reason.UNREADABLE, detail),))
