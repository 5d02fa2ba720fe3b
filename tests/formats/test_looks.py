"""Messages that are looked at whole: chosen by their offsets alone, and what they hold besides is told by path."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.rules import Stream, StreamKind
from monitor.core.schema import Batch, Column, Kind
from monitor.doubles.log import MemoryRecord
from monitor.formats import decoder
from monitor.formats.mapping import LOOKED_AT, looked_at, mapped_of, tree_of, unmapped

COLUMNS = (Column(name="x", kind=Kind.NUMERIC, path="f.x"), Column(name="b", kind=Kind.BOOLEAN, path="f.deep.b"))
STREAM = Stream(kind=StreamKind.PREDICTIONS, topic="t", id="id", time="ts", version="v", columns=COLUMNS, max_bytes=10_000)
STAMP = 1_700_000_000_000
[FIRST] = looked_at(np.arange(1000))[:1]


def raw(**other: object) -> bytes:
    return json.dumps({"id": "i", "ts": STAMP, "v": "1", "f": {"x": 1.5, "deep": {"b": True}}} | other).encode()


def decoded(*values: bytes, first: int = FIRST) -> Batch:
    return decoder(STREAM).decode([MemoryRecord(offset=first + i, timestamp=STAMP, value=value) for i, value in enumerate(values)])


def seen(value: bytes) -> tuple[str, ...] | None:
    """What a message that is looked at tells."""
    return decoded(value).looks.get(FIRST)


@pytest.mark.parametrize("step", [1, 2, 3, 5, 8, 13, 64, 144, 256, 500, 512, 1000, 1024, 4096])
@pytest.mark.parametrize("first", [0, 1, 10**6, 2**53, 2**62])
def test_one_of_so_many_is_looked_at_whatever_the_rhythm_of_the_offsets(step: int, first: int) -> None:
    chosen = looked_at(first + step * np.arange(200_000))
    assert len(chosen) == pytest.approx(200_000 / LOOKED_AT, rel=0.15)
    assert max(np.diff(chosen)) < 100 * LOOKED_AT  # steps that are Fibonacci numbers, as 144, are the worst


@given(st.lists(st.integers(0, 2000), max_size=8))
def test_the_same_messages_are_looked_at_however_they_come_in_batches(cuts: list[int]) -> None:
    values = [raw(number=i) if i % 7 else b"no json" for i in range(2000)]
    edges = sorted({0, *cuts, 2000})
    found: dict[int, tuple[str, ...]] = {}
    for start, stop in pairwise(edges):
        found |= decoded(*values[start:stop], first=start).looks
    assert found == decoded(*values, first=0).looks
    assert 2 <= len(found) <= 5
    assert set(found.values()) == {("number",)}


@pytest.mark.parametrize(
    ("value", "paths"),
    [
        (raw(), ()),
        (raw(trace="a", meta={"inside": 1}), ("meta", "trace")),
        (raw(f={"x": 1, "y": 2, "deep": {"b": True, "c": 1, "d": {"e": 1}}}), ("f.deep.c", "f.deep.d", "f.y")),
        (raw(f={"y": 2, "deep": None}), ("f.y",)),
        (raw(f=None), ()),
        (raw(f={"x": float("nan"), "y": float("inf")}), ("f.y",)),  # no JSON for the fast path
        (raw(f="text", other=1), ("other",)),
        (raw(f={"x": "text", "y": 1}), ("f.y",)),  # a wrong type somewhere
        (raw(big=10**400), ("big",)),
        (raw().replace(b'"v"', b'"", "v"').replace(b'"", ', b'"": 1, '), ("",)),
        (raw(**{"naïve\n": 1}), ("naïve\n",)),
    ],
)
def test_paths_that_are_not_mapped_are_told_within_the_objects_that_hold_what_is(value: bytes, paths: tuple[str, ...]) -> None:
    assert seen(value) == paths


@pytest.mark.parametrize("value", [b"no json", b"[1]", b'{"id": "i"}', b"", raw(big="x" * 10_000)])
def test_a_message_that_is_no_row_tells_nothing(value: bytes) -> None:
    batch = decoded(value)
    assert len(batch) == 0
    assert batch.looks == {}


@pytest.mark.parametrize(
    "skipped", [b'"a": "\xff\xfe"', b'"a": "\\ud800"', b'"a": ' + b"[" * 3000 + b"]" * 3000, b'"\xc3\x28": 1', b'"a": ' + b"9" * 6000]
)
def test_what_the_fast_path_skips_costs_no_row_whatever_is_in_it(skipped: bytes) -> None:
    batch = decoded(raw()[:-1] + b", " + skipped + b"}", raw(), first=FIRST)
    assert len(batch) + len(batch.faults) == 2
    assert 1 in (len(batch), len(batch) - 1)
    assert not any("fault of driftd" in fault.detail for fault in batch.faults)
    assert all(isinstance(path, str) for paths in batch.looks.values() for path in paths)


def test_the_looks_are_of_the_rows_that_are_left_when_some_are_taken() -> None:
    batch = decoded(*(raw(number=i) for i in range(1600)), first=0)
    [one, *others] = sorted(batch.looks)
    assert len(batch.take(batch.offsets != one).own_looks()) == len(others)
    assert batch.take(batch.offsets == one).own_looks() == [("number",)]
    assert batch.take(np.zeros(1600, dtype=np.bool_)).own_looks() == []


def test_the_mapping_is_told_and_hangs_on_the_paths_alone() -> None:
    renamed = replace(STREAM, columns=tuple(replace(column, name=f"other_{column.name}") for column in reversed(COLUMNS)))
    [here, same, other] = [
        decoder(stream).decode([MemoryRecord(offset=FIRST, timestamp=STAMP, value=raw())]).mapping
        for stream in (STREAM, renamed, replace(STREAM, columns=COLUMNS[:1]))
    ]
    assert len(here) == 16
    assert here == same != other


def test_keys_with_dots_are_paths_too_and_no_mapped_value_is_looked_into() -> None:
    mapped = mapped_of(tree_of(["a", "b.c"]))
    assert sorted(unmapped({"a": {"z": 1}, "b": {"c": 1, "d.e": 2}, "b.c": 3}, mapped)) == ["b.c", "b.d.e"]
