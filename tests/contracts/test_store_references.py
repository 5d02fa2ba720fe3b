"""The contract of references: immutable, numbered, one active per model version."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from monitor.core.reference import SegmentPart
from monitor.errors import UsageError
from monitor.ports import Store
from tests.contracts.store_story import NOW, profile_of, reference


def test_references_are_numbered_per_model_and_come_back_as_they_were(store: Store) -> None:
    first = store.add_reference(reference(1.0, 2.0), activate=False, at=NOW)
    second = store.add_reference(reference(3.0), activate=False, at=NOW)
    other = store.add_reference(reference(3.0, model="o"), activate=False, at=NOW)
    assert [first.number, second.number, other.number] == [1, 2, 1]
    found = store.reference("m", 2)
    assert found is not None
    assert (found, found.hash, found.number) == (second, reference(3.0).hash, 2)
    assert found.profile == second.profile
    assert store.reference("m", 3) is None


def test_a_reference_comes_back_with_its_segments(store: Store) -> None:
    parts = {"JFK": SegmentPart(profile=profile_of(1.0)), "(other)": SegmentPart(profile=profile_of(2.0), baseline=reference(1.0).baseline)}
    whole = replace(reference(1.0, 2.0), segments={"origin": parts})
    store.add_reference(whole, activate=True, at=NOW)
    found = store.active_reference("m", "1")
    assert found is not None
    assert found.hash == whole.hash
    assert {value: part.profile.rows for value, part in found.segments["origin"].items()} == {"JFK": 1, "(other)": 1}


def test_the_same_content_again_is_the_same_reference(store: Store) -> None:
    first = store.add_reference(reference(1.0), activate=False, at=NOW)
    store.add_reference(reference(2.0), activate=True, at=NOW)
    again = store.add_reference(reference(1.0), activate=True, at=NOW)
    assert again.number == first.number == 1
    assert len(store.references("m")) == 2
    active = store.active_reference("m", "1")
    assert active is not None
    assert active.number == 1


def test_one_reference_is_active_per_model_version(store: Store) -> None:
    store.add_reference(reference(1.0), activate=True, at=NOW)
    store.add_reference(reference(2.0), activate=True, at=NOW)
    store.add_reference(reference(3.0, version="*"), activate=True, at=NOW)
    assert [(line.number, line.version, line.active) for line in store.references()] == [(1, "1", False), (2, "1", True), (3, "*", True)]
    store.activate("m", 1, NOW)
    active, any_version = store.active_reference("m", "1"), store.active_reference("m", "*")
    assert active is not None
    assert any_version is not None
    assert (active.number, any_version.number) == (1, 3)
    assert store.active_reference("m", "2") is None


def test_activating_what_is_not_there_names_what_is(store: Store) -> None:
    store.add_reference(reference(1.0), activate=False, at=NOW)
    with pytest.raises(UsageError, match=r"'m' has no reference number 7; known are \[1\]"):
        store.activate("m", 7, NOW)


def test_the_list_tells_what_a_reference_is_made_of(store: Store) -> None:
    kept = store.add_reference(reference(1.0, 2.0, 3.0), activate=True, at=NOW)
    store.add_reference(reference(1.0, model="o"), activate=False, at=NOW)
    [line] = store.references("m")
    assert (line.model, line.version, line.number, line.hash, line.active) == ("m", "1", 1, kept.hash, True)
    assert (line.rows, line.columns, line.created_at, line.provenance) == (3, 2, NOW, {"file": "march.parquet", "rows": 3})
    assert [each.model for each in store.references()] == ["m", "o"]


def test_references_added_at_once_get_numbers_of_their_own(store: Store) -> None:
    with ThreadPoolExecutor(4) as pool:
        added = list(pool.map(lambda delay: store.add_reference(reference(delay), activate=True, at=NOW).number, [1.0, 2.0, 3.0, 4.0] * 2))
    assert sorted(added) == [1, 1, 2, 2, 3, 3, 4, 4]
    assert [line.active for line in store.references("m")].count(True) == 1
