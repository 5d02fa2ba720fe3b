"""What messages hold beside the mapped columns: counts that add up, exactly, in every order, and that are stored and read again."""

from __future__ import annotations

import zlib
from functools import reduce
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.profile import Profile
from monitor.core.profile.canonical import parse
from monitor.core.profile.categorical import category_hash
from monitor.core.profile.unmapped import KEPT_PATHS, MIXED, NOTHING, Unmapped
from monitor.core.schema import Batch
from monitor.errors import DecodeError
from tests.core.profile_batches import GRID, rows

MESSAGES = st.lists(st.lists(st.sampled_from([f"f.c{i}" for i in range(250)]), max_size=150), max_size=8)
LOOKS = {3: ("features.fare", "trace"), 17: ("trace",), 80: ()}


def with_looks(looks: dict[int, tuple[str, ...]], size: int = 100) -> Batch:
    batch = rows(size)
    return Batch(offsets=batch.offsets, times=batch.times, versions=None, ids=None, columns=batch.columns, looks=looks, mapping="d1")


def folded(*batches: Batch, seed: int | None = 7) -> Profile:
    profile = Profile.empty(GRID)
    for batch in batches:
        profile.fold(batch, seed)
    return profile


def test_each_message_counts_a_path_once() -> None:
    found = Unmapped.of_messages([["a", "b", "a"], ["a"], []])
    assert (found.looked, found.found, dict(found.kept)) == (3, 3, {"a": 2, "b": 1})
    assert (found.share("a"), found.share("b"), found.share("c")) == (2 / 3, 1 / 3, 0.0)
    assert NOTHING.share("a") == 0.0


@given(MESSAGES, MESSAGES, MESSAGES)
def test_any_order_of_merging_comes_to_the_same(one: list[list[str]], two: list[list[str]], three: list[list[str]]) -> None:
    a, b, c = (Unmapped.of_messages(part) for part in (one, two, three))
    assert a.merge(b).merge(c) == a.merge(b.merge(c)) == c.merge(a).merge(b) == Unmapped.of_messages([*one, *two, *three])
    assert a.merge(NOTHING) == a


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from("xyz")), max_size=5))
def test_messages_that_were_read_by_two_mappings_say_so_in_any_order(parts: list[tuple[int, str]]) -> None:
    each = [Unmapped.of_messages([["a"]] * looked, mapping) for looked, mapping in parts]
    mappings = {mapping for looked, mapping in parts if looked}
    expected = {0: "", 1: next(iter(mappings), "")}.get(len(mappings), MIXED)
    for order in (each, each[::-1], each[1:] + each[:1]):
        found = reduce(Unmapped.merge, order, NOTHING)
        assert (found.looked, found.mapping) == (sum(looked for looked, _ in parts), expected)


@given(MESSAGES)
def test_what_is_kept_of_many_paths_is_exact_and_what_is_not_is_known_as_untold(messages: list[list[str]]) -> None:
    exact = {path: sum(path in message for message in messages) for path in {path for message in messages for path in message}}
    found = reduce(Unmapped.merge, (Unmapped.of_messages([message]) for message in messages), NOTHING)
    assert found.kept == {path: exact[path] for path in sorted(exact, key=category_hash)[:KEPT_PATHS]}
    assert found.found == sum(exact.values())
    for path in [f"f.c{i}" for i in range(250)]:
        if path not in found.kept and found.tells(path):
            assert path not in exact


def test_a_long_name_is_cut_and_a_name_that_is_no_unicode_is_mended() -> None:
    long = Unmapped.of_messages([["x" * 5000 + "a", "x" * 5000 + "b", "\udc80"]])
    assert sorted(map(len, long.kept)) == [1, 218, 218]
    assert "\ufffd" not in long.kept
    assert "?" in long.kept


def test_a_profile_counts_the_looks_of_its_own_rows_alone() -> None:
    whole = with_looks(LOOKS)
    kept = folded(whole.take(np.arange(10, 100)))
    assert (kept.unmapped.looked, dict(kept.unmapped.kept)) == (2, {"trace": 1})
    assert folded(whole.take(np.arange(0))).unmapped == NOTHING
    assert folded(whole, seed=None).unmapped == NOTHING  # a segment, or a file


@given(st.lists(st.integers(0, 100), max_size=5))
def test_any_split_into_batches_and_profiles_gives_the_same_document_and_bytes(cuts: list[int]) -> None:
    whole = with_looks(LOOKS)
    edges = sorted({0, *cuts, 100})
    parts = [whole.take(np.arange(start, stop)) for start, stop in pairwise(edges)]
    merged = reduce(lambda profile, part: folded(part).merge(profile), parts, folded())
    assert merged.hash == folded(*parts).hash == folded(whole).hash
    assert merged.to_bytes() == folded(whole).to_bytes()


def test_it_is_read_as_it_was_written() -> None:
    profile = folded(with_looks(LOOKS))
    assert profile.unmapped.mapping == "d1"
    for again in (Profile.from_bytes(profile.to_bytes(), GRID), Profile.from_json(profile.to_json(), GRID)):
        assert again.unmapped == profile.unmapped
        assert again.hash == profile.hash


def test_what_was_stored_before_there_were_looks_is_read_and_keeps_its_hash() -> None:
    profile = folded(with_looks({}))
    assert "unmapped" not in profile.document()
    fields = msgspec.msgpack.decode(zlib.decompress(profile.to_bytes()))
    older = zlib.compress(msgspec.msgpack.encode(fields[:-1]), 1)
    again = Profile.from_bytes(older, GRID)
    assert (again.unmapped, again.hash) == (NOTHING, profile.hash)
    assert again.merge(folded(with_looks(LOOKS))).unmapped.looked == 3  # a window that was open while driftd was replaced


def test_neither_a_difference_nor_a_reference_keeps_names_out_of_messages() -> None:
    profile = folded(with_looks(LOOKS))
    assert profile.minus(folded(with_looks({}, 50).take(np.arange(0)))).unmapped == NOTHING
    assert profile.without_sample().unmapped == NOTHING


@pytest.mark.parametrize(
    ("looked", "found", "kept"),
    [
        (0, 0, {}),
        (-1, 0, {}),
        (2, 1, {"a": 2}),
        (2, 3, {"a": 3}),
        (2, 2, {"a": 0}),
        (2, -1, {}),
        (2**60, 0, {}),
        (2, 500, {f"c{i}": 1 for i in range(KEPT_PATHS + 1)}),
        (2, 2, {"a": 2, "": -1}),
    ],
)
def test_counts_that_no_messages_have_are_refused(looked: int, found: int, kept: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="such paths"):
        Unmapped.of_parts(looked, found, kept, "")
    with pytest.raises(ValueError, match="such paths"):
        Unmapped.of_parts(2, 2, {"a": 2}, "a mapping's digest that is none")
    profile = folded(with_looks(LOOKS))
    fields = msgspec.msgpack.decode(zlib.decompress(profile.to_bytes()))
    broken = zlib.compress(msgspec.msgpack.encode([*fields[:-1], (looked, found, kept, "")]), 1)
    with pytest.raises(DecodeError, match="looks at messages that are none"):
        Profile.from_bytes(broken, GRID)


@pytest.mark.parametrize(
    "text",
    [
        '{"looked": 1, "found": 1, "paths": {"a": 2}, "mapping": ""}',
        '{"looked": 1, "found": 1, "paths": {"a": "x"}, "mapping": ""}',
        '{"looked": 1, "found": 1, "paths": {}}',
        '{"looked": 1, "found": 1, "mapping": ""}',
        "[]",
    ],
)
def test_a_document_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(DecodeError, match=r"profile"):
        Unmapped.of(parse(text, "profile.unmapped"))
