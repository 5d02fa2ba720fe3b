"""Poison messages, as large as they are let in: none holds the loop up, and what stands around them is counted."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import pytest

from monitor.core.results import Account
from monitor.core.schema import Reason
from monitor.formats import decoder
from monitor.intake.client import FETCH_BYTES
from tests.formats.test_json_rows import STREAM, Message, row
from tests.pipeline.world import MODEL, P0, World, message
from tests.pipeline.world import START as START_OF_WORLD
from tests.pipeline.world import STREAM as WORLD_STREAM

pytestmark = pytest.mark.fault(19)
STALL = 1.0
"""Seconds of the processor that one batch may take."""
MEGABYTE = 1_000_000
ROOM = MEGABYTE - 100
LARGEST = replace(STREAM, max_bytes=MEGABYTE)
T = TypeVar("T")
START = b'{"id":"a","ts":1709290800,'


@dataclass(frozen=True, slots=True)
class Poison:
    """A message of up to a megabyte, and what becomes of it: None is a row."""

    value: bytes
    reason: Reason | None = None


def filled(before: bytes, piece: bytes, after: bytes = b"") -> bytes:
    return before + piece * ((ROOM - len(before) - len(after)) // len(piece)) + after


POISONS = {
    "brackets without end": Poison(filled(b"", b"["), Reason.NOT_JSON),
    "objects without end": Poison(filled(b"", b'{"a":'), Reason.NOT_JSON),
    "a text that is cut off": Poison(filled(START + b'"z":"', b"x"), Reason.NOT_JSON),
    "blanks": Poison(filled(b"", b" "), Reason.NOT_JSON),
    "zero bytes": Poison(filled(b"", b"\0"), Reason.NOT_JSON),
    "bad UTF-8": Poison(filled(b"", b"\xc3\x28"), Reason.NOT_UTF8),
    "a million digits as the time": Poison(filled(b'{"id":"a","ts":', b"9", b"}"), Reason.BAD_TIME),
    "a million quoted digits as the time": Poison(filled(b'{"id":"a","ts":"', b"9", b'"}'), Reason.BAD_TIME),
    "a million digits as the id": Poison(filled(b'{"ts":1709290800,"id":', b"9", b"}"), Reason.MISSING_ID),
    "a million digits as a number": Poison(filled(START + b'"f":{"x":', b"9", b"}}")),
    "a million decimals": Poison(filled(START + b'"f":{"x":0.', b"9", b"}}")),
    "an exponent of a million digits": Poison(filled(START + b'"f":{"x":1e', b"9", b"}}")),
    "a million digits as a category": Poison(filled(START + b'"f":{"c":', b"9", b"}}")),
    "a million characters as a category": Poison(filled(START + b'"f":{"c":"', b"c", b'"}}')),
    "a million characters as a version": Poison(filled(START + b'"v":"', b"v", b'"}')),
    "half characters": Poison(filled(START + b'"f":{"c":"', rb"\ud800", b'"}}')),
    "NaN behind half a million numbers": Poison(filled(START + b'"z":[', b"1,", b"NaN]}")),
    "NaN behind integers of 4,000 digits": Poison(filled(START + b'"z":[', b"9" * 4_000 + b",", b"NaN]}")),
    "NaN behind a key many times over": Poison(filled(START + b'"f":{', b'"x":1,', b'"x":NaN}}')),
}


@pytest.mark.parametrize("name", POISONS)
def test_a_megabyte_of_poison_is_a_row_or_a_fault_with_its_reason(name: str) -> None:
    poison = POISONS[name]
    assert MEGABYTE * 0.98 < len(poison.value) <= MEGABYTE
    good = json.dumps(row()).encode()
    batch = decoder(LARGEST).decode([Message(value, offset=at) for at, value in enumerate((good, poison.value, good))])
    assert [fault.reason for fault in batch.faults] == ([poison.reason] if poison.reason else [])
    assert batch.offsets.tolist() == ([0, 2] if poison.reason else [0, 1, 2])


def test_a_poll_full_of_poison_holds_the_loop_up_for_less_than_a_second() -> None:
    values = [poison.value for poison in POISONS.values()] * (2 * FETCH_BYTES // MEGABYTE // len(POISONS) + 1)
    records = [Message(value, offset=at) for at, value in enumerate(values)]
    seconds, batch = timed(lambda: decoder(LARGEST).decode(records))
    assert batch.received == len(records)
    assert seconds < STALL


@pytest.mark.parametrize("name", [name for name in POISONS if name.startswith("NaN")])
def test_a_poll_full_of_the_slowest_poison_holds_the_loop_up_for_less_than_a_second(name: str) -> None:
    records = [Message(POISONS[name].value, offset=at) for at in range(FETCH_BYTES // MEGABYTE)]
    seconds, batch = timed(lambda: decoder(LARGEST).decode(records))
    assert len(batch) == len(records)
    assert seconds < STALL


def test_five_thousand_messages_that_are_each_read_alone_hold_the_loop_up_for_less_than_a_second() -> None:
    values = [json.dumps(row(x=float("nan"))).encode(), b"{", b"", b"[1]", b'{"id":"\\ud800"}', json.dumps(row(x=10**30)).encode()]
    records = [Message(values[at % len(values)], offset=at) for at in range(5_000)]
    seconds, batch = timed(lambda: decoder(STREAM).decode(records))
    assert batch.received == len(records)
    assert seconds < STALL


@pytest.mark.fault(21)
def test_ten_megabytes_are_passed_over_unread_and_read_where_they_are_let_in() -> None:
    whole = json.dumps(row(c="x" * 10 * MEGABYTE)).encode()
    [fault] = decoder(LARGEST).decode([Message(whole)]).faults
    assert (fault.reason, len(fault.sample)) == (Reason.TOO_LARGE, 1_000)
    seconds, batch = timed(lambda: decoder(replace(STREAM, max_bytes=100 * MEGABYTE)).decode([Message(whole)]))
    assert len(batch) == 1
    assert seconds < STALL


def test_poison_among_rows_is_passed_by_and_the_loop_comes_round() -> None:
    world = World(models=(replace(MODEL, streams=(replace(WORLD_STREAM, max_bytes=MEGABYTE),)),))
    bad = [poison.value for poison in POISONS.values() if poison.reason]
    before, after = ([message(f"{minute}-{at}", minute + at / 60) for at in range(100)] for minute in (0, 2))
    world.put(P0, *before, *bad, None, b"", *after)
    world.steps(1)
    seconds, _ = timed(world.read_all)
    assert world.offsets()[0] == 200 + len(bad) + 2
    assert (world.account().counted, world.account().late) == (200, 0)
    [count] = world.store.stream_counts()
    assert count.received == 200 + len(bad) + 2
    assert count.quarantined == len(bad) + 2
    assert seconds < STALL


@pytest.mark.fault(30)
def test_numbers_that_are_none_are_counted_apart_from_the_window_and_never_in_its_mean() -> None:
    odd = [float("nan"), float("inf"), float("-inf"), 10**400, "5", "inf", "NaN", True, None, [], {}, 1e308]
    world = World(models=(replace(MODEL, dedupe=False),))
    world.put(P0, *(message(f"a{at}", at / 60, delay=4) for at in range(100)))
    world.put(P0, *(message(f"o{at}", 3, delay=value) for at, value in enumerate(odd)))
    world.read_all()
    [window] = world.store.windows("m", START_OF_WORLD)
    assert window.account == Account(counted=112)
    assert window.profile is not None
    delay = window.profile.columns["delay"]
    assert (delay.nan, delay.pos_inf, delay.neg_inf, delay.wrong_type, delay.null) == (1, 2, 1, 6, 1)  # type: ignore[union-attr]
    assert delay.total == 112
    assert (delay.min, delay.max) == (4.0, 1e308)  # type: ignore[union-attr]


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Seconds of the processor, so that a busy machine makes nobody wait longer."""
    began = time.thread_time()
    done = work()
    return time.thread_time() - began, done
