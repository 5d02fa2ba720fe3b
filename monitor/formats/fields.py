"""What stands at each place of some messages: the evidence from which a mapping is guessed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from monitor.formats.times import moment_micros

DEEPEST = 6
"""Objects inside objects that are looked into."""
MOST_FIELDS = 2_000
"""Places that are told apart; a message with keys without end is no table."""
EARLIEST, LATEST = 946_684_800_000_000, 4_102_444_800_000_000
"""Microseconds since 1970 of the years 2000 and 2100: a number outside of them is no time of a log."""
SMALLEST_EPOCH = 946_684_800
"""Seconds of the year 2000: smaller numbers are counts and prices, not times."""


@dataclass(slots=True)
class Seen:
    """What was found at one dotted place."""

    rows: int = 0
    types: Counter[type] = field(default_factory=Counter)
    values: set[object] = field(default_factory=set)
    times: int = 0
    chances: int = 0  # numbers within [0, 1]

    def add(self, value: object) -> None:
        """One more row's value."""
        self.rows += 1
        self.types[type(value)] += 1
        if isinstance(value, str | int | float):
            self.values.add(value)
            self.times += is_time(value)
        if isinstance(value, float | int) and not isinstance(value, bool):
            self.chances += 0 <= value <= 1

    @property
    def given(self) -> int:
        """Rows with a value that is not null."""
        return self.rows - self.types[type(None)]

    def only(self, *kinds: type) -> bool:
        """Whether every value that is given is of these types."""
        return self.given > 0 and sum(self.types[kind] for kind in kinds) == self.given

    @property
    def distinct(self) -> float:
        """The share of distinct values among those given, within [0, 1]."""
        return len(self.values) / self.given if self.given else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """The places of some messages in the order of their first appearance. ``objects``: how many leaves lie inside of each object.

    ``unread``: messages that are no JSON object.
    """

    messages: int
    unread: int
    leaves: Mapping[str, Seen]
    objects: Mapping[str, int]


def fields_of(messages: Iterable[bytes]) -> Fields:
    """Look at some messages."""
    leaves: dict[str, Seen] = {}
    count = unread = 0
    for message in messages:
        count += 1
        found = _object(message)
        if found is None:
            unread += 1
            continue
        for path, value in _leaves(found):
            if path in leaves or len(leaves) < MOST_FIELDS:
                leaves.setdefault(path, Seen()).add(value)
    inside = Counter(path[:at] for path in leaves for at in _dots(path))
    return Fields(messages=count, unread=unread, leaves=leaves, objects=dict(inside))


def is_time(value: object) -> bool:
    """Whether a value is a moment of this age, by its form and size."""
    if isinstance(value, bool) or (isinstance(value, int | float) and not abs(value) >= SMALLEST_EPOCH):
        return False
    if isinstance(value, str) and not ("-" in value and len(value) >= len("2013-01-01")):
        return False
    try:
        return EARLIEST <= moment_micros(value) <= LATEST
    except ValueError:
        return False


def _object(message: bytes) -> dict[str, object] | None:
    try:
        found = json.loads(message)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _leaves(tree: Mapping[str, object], before: str = "", deep: int = 0) -> Iterator[tuple[str, object]]:
    for name, value in tree.items():
        if not name or "." in name:  # a dotted place cannot say it
            continue
        if isinstance(value, dict) and value and deep < DEEPEST:
            yield from _leaves(value, f"{before}{name}.", deep + 1)
        else:
            yield f"{before}{name}", value


def _dots(path: str) -> Iterator[int]:
    return (at for at, letter in enumerate(path) if letter == ".")
