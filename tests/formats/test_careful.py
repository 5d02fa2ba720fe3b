"""A decoder that breaks costs the one message that it broke on."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from monitor.core.rules import Stream, StreamKind
from monitor.core.schema import Batch, Column, Kind, Reason, Record
from monitor.doubles.log import MemoryRecord
from monitor.formats import decoder
from monitor.formats.careful import Careful, Decoder

STREAM = Stream(kind=StreamKind.PREDICTIONS, topic="t", time="", columns=(Column(name="x", kind=Kind.NUMERIC, path="x"),))


class Breaks:
    """A decoder with a fault of its own."""

    def __init__(self, inner: Decoder) -> None:
        self._inner = inner

    def decode(self, records: Sequence[Record], latest: int | None = None) -> Batch:
        if any(record.value == b"poison" for record in records):
            raise IndexError("list index out of range")
        return self._inner.decode(records, latest)


def log(*values: bytes) -> list[MemoryRecord]:
    return [MemoryRecord(offset=10 + i, timestamp=1_700_000_000_000, value=value) for i, value in enumerate(values)]


@pytest.mark.fault(19)
def test_the_message_goes_to_quarantine_and_the_others_are_read() -> None:
    batch = Careful(Breaks(decoder(STREAM))).decode(log(b'{"x": 1}', b"poison", b"no json", b'{"x": 2}'))
    assert batch.offsets.tolist() == [10, 13]
    assert [(fault.offset, fault.reason) for fault in batch.faults] == [(11, Reason.UNREADABLE), (12, Reason.NOT_JSON)]
    assert "IndexError: list index out of range" in batch.faults[0].detail
    assert batch.faults[0].sample == b"poison"
    assert batch.received == 4


def test_what_does_not_break_is_read_as_without_the_net() -> None:
    assert isinstance(decoder(STREAM), Careful)
    assert Careful(Breaks(decoder(STREAM))).decode(log(b'{"x": 1}', b'{"x": 2}')).offsets.tolist() == [10, 11]
