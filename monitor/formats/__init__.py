"""Formats: bytes and headers become rows. A format is one file and one line in ``FORMATS``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from monitor.core.rules import Stream
from monitor.core.schema import Batch, Record
from monitor.formats.json_rows import JsonDecoder


class Decoder(Protocol):
    """Reads the messages of one stream. Never raises for what a message holds: what cannot be read is a fault of the batch."""

    def decode(self, records: Sequence[Record]) -> Batch:
        """Rows of one partition in the order of their offsets; ``received`` of the batch is ``len(records)``."""


FORMATS: Mapping[str, Callable[[Stream], Decoder]] = MappingProxyType({"json": JsonDecoder})


def decoder(stream: Stream) -> Decoder:
    """The decoder of a stream. Raises ValueError for an unknown format or a mapping that contradicts itself."""
    if stream.format not in FORMATS:
        raise ValueError(f"unknown format {stream.format!r}, known: {', '.join(sorted(FORMATS))}")
    return FORMATS[stream.format](stream)


__all__ = ["FORMATS", "Decoder", "decoder"]
