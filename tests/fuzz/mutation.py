"""Inputs near the seeds: bytes and words changed anywhere, and JSON changed as JSON, so that most of it is still read."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Sequence
from typing import Any

MOST_CHANGES = 5

NUMBERS = (
    b"0", b"-0", b"1", b"-1", b"0.1", b"1e999", b"-1e999", b"1e308", b"5e-324", b"NaN", b"Infinity", b"-Infinity", b"9" * 30,
    b"1" + b"0" * 400,
    b"9" * 4400, b"2147483648", b"9223372036854775807", b"9223372036854775808", b"-9223372036854775809", b"18446744073709551616",
    b"1e16", b"1e17",
)  # fmt: skip
TEXTS = (
    rb'"\ud800"', rb'"\udfff\ud800"', rb'"\u0000"', b'"\xf0\x9f\xa6\x93"', b'"\xff"', '"\u202e"'.encode(), b'""',
    b'"' + b"x" * 300 + b'"', b'"<!channel>"',
)  # fmt: skip
SHAPES = (b"null", b"true", b"false", b"[]", b"{}", b"[[]]", b'{"":0}', b"[" * 60 + b"]" * 60, b"[" * 3000)
JSON_WORDS = NUMBERS + TEXTS + SHAPES
MARK = "\u2603mark\u2603"


class Mutator:
    """Makes inputs from seeds, the same ones for the same ``seed``."""

    def __init__(self, seeds: Sequence[bytes], words: Sequence[bytes], longest: int, seed: int) -> None:
        self._seeds = list(seeds) or [b""]
        self._words = [*words, *JSON_WORDS]
        self._longest = longest
        self._random = random.Random(seed)

    def reseed(self, seed: int) -> None:
        """Go on from a seed given from outside."""
        self._random.seed(seed)

    def make(self) -> bytes:
        """A new input."""
        return self.change(self._random.choice(self._seeds))

    def change(self, data: bytes) -> bytes:
        """An input near another one."""
        for _ in range(self._random.randint(1, MOST_CHANGES)):
            data = self._random.choice(CHANGES)(self, data)
        return data[: self._longest]

    def _at(self, data: bytes) -> int:
        return self._random.randint(0, len(data))

    def flip(self, data: bytes) -> bytes:
        """Another byte somewhere."""
        if not data:
            return data
        at = self._random.randrange(len(data))
        return data[:at] + bytes([self._random.randrange(256)]) + data[at + 1 :]

    def drop(self, data: bytes) -> bytes:
        """Some bytes fewer."""
        at = self._at(data)
        return data[:at] + data[at + self._random.randint(1, 12) :]

    def repeat(self, data: bytes) -> bytes:
        """A piece once more."""
        at = self._at(data)
        piece = data[at : at + self._random.randint(1, 80)]
        return data[:at] + piece * self._random.choice((2, 2, 3, 40)) + data[at + len(piece) :]

    def word(self, data: bytes) -> bytes:
        """A word somewhere, perhaps in the place of something."""
        at = self._at(data)
        return data[:at] + self._random.choice(self._words) + data[at + self._random.choice((0, 0, 1, 4, 12)) :]

    def splice(self, data: bytes) -> bytes:
        """The beginning of one and the end of another."""
        other = self._random.choice(self._seeds)
        return data[: self._at(data)] + other[self._at(other) :]

    def lines(self, data: bytes) -> bytes:
        """Lines in another order, or a line of another seed."""
        lines = data.split(b"\n")
        other = self._random.choice(self._seeds).split(b"\n")
        lines.insert(self._random.randint(0, len(lines)), self._random.choice(other))
        if self._random.random() < 0.3:
            lines.pop(self._random.randrange(len(lines)))
        return b"\n".join(lines)

    def node(self, data: bytes) -> bytes:
        """JSON with one value, or one key, changed: all of the input, or one line of it."""
        lines = data.split(b"\n")
        at = self._random.randrange(len(lines))
        return self._with_node(data) or b"\n".join([*lines[:at], self._with_node(lines[at]) or lines[at], *lines[at + 1 :]])

    def _with_node(self, text: bytes) -> bytes | None:
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            return None
        places = list(_places(document))
        if not places:
            return None
        changed = _marked(document, self._random.choice(places), self._random.random() < 0.15)
        try:
            return json.dumps(changed).encode().replace(json.dumps(MARK).encode(), self._random.choice(self._words))
        except (ValueError, RecursionError):
            return None


CHANGES: Sequence[Callable[[Mutator, bytes], bytes]] = (
    Mutator.flip, Mutator.drop, Mutator.repeat, Mutator.word, Mutator.word, Mutator.splice, Mutator.lines,
    Mutator.node, Mutator.node, Mutator.node,
)  # fmt: skip


def _places(document: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where values stand in a document, as keys and positions; of long lists only the first few."""
    if len(above) > 20:
        return []
    items = document.items() if isinstance(document, dict) else enumerate(document[:6]) if isinstance(document, list) else ()
    found: list[tuple[Any, ...]] = []
    for key, value in items:
        found += [(*above, key), *_places(value, (*above, key))]
    return found


def _marked(document: Any, place: tuple[Any, ...], key: bool) -> Any:
    changed = copy.deepcopy(document)
    holder = changed
    for step in place[:-1]:
        holder = holder[step]
    if key and isinstance(holder, dict):
        holder[MARK] = holder.pop(place[-1])
    else:
        holder[place[-1]] = MARK
    return changed
