"""The files of a broker, spoilt on purpose."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import crc32c

HEADER = struct.Struct(">qiibIhi")
"""Base offset, length, leader epoch, magic, CRC, attributes, last offset's delta."""
OVERHEAD, CRC_AT, ATTRIBUTES_AT, LAST_DELTA_AT, RECORDS_AT = 12, 17, 21, 23, 61


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A batch of a segment: where it lies, and the offsets that it holds."""

    at: int
    size: int
    first: int
    beyond: int


class Segment:
    """The first file of a partition. What is changed in it is what the broker gives from then on."""

    def __init__(self, data: Path, topic: str, partition: int = 0) -> None:
        self.path = data / f"{topic}-{partition}" / f"{0:020}.log"

    def batches(self) -> list[Batch]:
        """All of them, in order."""
        raw, at, found = self.path.read_bytes(), 0, []
        while at + HEADER.size <= len(raw):
            base, length, _, _, _, _, delta = HEADER.unpack_from(raw, at)
            found.append(Batch(at=at, size=length + OVERHEAD, first=base, beyond=base + delta + 1))
            at += length + OVERHEAD
        return found

    def flip(self, at: int) -> None:
        """Turn one bit."""
        self._write(at, bytes([self.path.read_bytes()[at] ^ 1]))

    def put(self, at: int, form: str, value: int) -> None:
        """Write a number over what is there."""
        self._write(at, struct.pack(form, value))

    def recode(self, batch: Batch, codec: int) -> None:
        """Claim another codec, with the right checksum."""
        self.put(batch.at + ATTRIBUTES_AT, ">h", codec)
        self.sum(batch)

    def replace(self, batch: Batch, old: bytes, new: bytes) -> None:
        """Other bytes of the same length in a batch, with the right checksum."""
        assert len(old) == len(new)
        self._write(self.path.read_bytes().index(old, batch.at), new)
        self.sum(batch)

    def sum(self, batch: Batch) -> None:
        """Make the checksum right."""
        body = self.path.read_bytes()[batch.at + ATTRIBUTES_AT : batch.at + batch.size]
        self.put(batch.at + CRC_AT, ">I", crc32c.crc32c(body))

    def cut(self, at: int) -> None:
        """Lose all that lies behind, as a machine does that loses power before its disk has it."""
        with self.path.open("r+b") as file:
            file.truncate(at)

    def _write(self, at: int, data: bytes) -> None:
        with self.path.open("r+b") as file:
            file.seek(at)
            file.write(data)
