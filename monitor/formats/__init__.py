"""Formats: bytes and headers become rows. A format is one file and one line in ``FORMATS``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from monitor.core.rules import Stream
from monitor.formats.careful import Careful, Decoder
from monitor.formats.json_rows import JsonDecoder

FORMATS: Mapping[str, Callable[[Stream], Decoder]] = MappingProxyType({"json": JsonDecoder})


def decoder(stream: Stream) -> Decoder:
    """The decoder of a stream. Raises ValueError for an unknown format or a mapping that contradicts itself."""
    if stream.format not in FORMATS:
        raise ValueError(f"unknown format {stream.format!r}, known: {', '.join(sorted(FORMATS))}")
    return Careful(FORMATS[stream.format](stream))


__all__ = ["FORMATS", "Decoder", "decoder"]
