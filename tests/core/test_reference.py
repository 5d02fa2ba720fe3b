"""References as documents: readable, hashed, without raw rows."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from monitor.core.profile import Grid, Profile
from monitor.core.reference import Baseline, Cycle, Reference, Season, difference
from monitor.errors import DecodeError
from tests.core.profile_batches import GRID, batch_of, categories, numbers, rows

BASELINE = Baseline(
    window_rows=(700, 800),
    distances={"delay": {"ks": (0.1, 0.25)}, "carrier": {"tvd": ()}},
    shares={"delay": {"null": (0.0, 1 / 3)}},
)


def reference(seed: int = 7, **changes: object) -> Reference:
    profile = Profile.empty(GRID, 10)
    profile.fold(rows(1500, seed), 1)
    plain = Reference(
        model="flights", version="v1", grid=GRID, profile=profile, baseline=BASELINE,
        provenance={"file": "a.csv", "rows": 1500, "time_range": ["2013-01-01T00:00:00Z", "2013-02-01T00:00:00Z"]},
        window=timedelta(days=1),
    )  # fmt: skip
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


REFERENCE = reference()
TEXT = REFERENCE.to_json()


def test_a_document_comes_back_equal_and_with_the_same_text() -> None:
    again = Reference.from_json(TEXT)
    assert again == REFERENCE
    assert again.to_json() == TEXT
    assert again.hash == json.loads(TEXT)["hash"]
    assert Reference.from_json(reference(baseline=None).to_json()).baseline is None


RHYTHM = dataclasses.replace(
    BASELINE,
    rhythm={"carrier": {Cycle.WEEKDAY: {6: Season(windows=4, counts=(1,) * (len(GRID.columns["carrier"].categories) + 1))}}},  # type: ignore[union-attr]
    freaks=(datetime(2013, 2, 8, tzinfo=UTC),),
)


def test_a_rhythm_comes_back_and_a_baseline_without_one_is_written_as_before() -> None:
    plain, learned = json.loads(TEXT), reference(baseline=RHYTHM)
    assert set(plain["baseline"]) == {"window_rows", "distances", "shares"}
    assert Reference.from_json(learned.to_json()) == learned
    assert learned.hash != REFERENCE.hash


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rhythm": {"gone": {}}}, r"rhythm\.gone: expected one of the columns"),
        ({"rhythm": {"carrier": {"moon": {}}}}, r"carrier\.moon: expected one of \['hour', 'weekday'\]"),
        ({"rhythm": {"carrier": {"hour": {"24": {}}}}}, r"hour\.24: expected the number of a season"),
        ({"rhythm": {"carrier": {"hour": {"1": {"windows": 1, "counts": [1]}}}}}, r"1\.counts: expected \d+ counts"),
        ({"freaks": ["yesterday"]}, r"baseline\.freaks: expected RFC 3339 times"),
    ],
)
def test_a_broken_rhythm_is_named(change: dict[str, object], said: str) -> None:
    document = json.loads(TEXT)
    document["baseline"] |= change
    with pytest.raises(DecodeError, match=said):
        Reference.from_json(json.dumps(document))


def test_a_season_without_rows_is_no_season() -> None:
    document = json.loads(reference(baseline=RHYTHM).to_json())
    season = document["baseline"]["rhythm"]["carrier"]["weekday"]["6"]
    season["counts"] = [0] * len(season["counts"])
    with pytest.raises(DecodeError, match=r"6\.counts: expected at least one row"):
        Reference.from_json(json.dumps(document))


def test_the_number_is_no_part_of_the_content() -> None:
    assert reference(number=4).hash == REFERENCE.hash
    assert reference(number=4).to_json() == TEXT


@pytest.mark.parametrize(
    "changes", [{"version": "v2"}, {"model": "b"}, {"window": timedelta(hours=1)}, {"provenance": {}}, {"baseline": None}]
)
def test_all_else_is(changes: dict[str, object]) -> None:
    assert reference(**changes).hash != REFERENCE.hash


def test_a_document_holds_no_raw_rows() -> None:
    assert not REFERENCE.profile.sample.rows
    assert "sample" not in TEXT


def test_a_document_can_be_read_and_compared_by_people() -> None:
    scalars = ('"total_', '"xxx')  # sums of 1e308 and the category of 200 characters cannot be wrapped
    assert max(len(line) for line in TEXT.splitlines() if not line.strip().startswith(scalars)) <= 140
    other = reference(provenance={**REFERENCE.provenance, "file": "b.csv"}).to_json()
    changed = [line.split(":")[0].strip() for line, new in zip(TEXT.splitlines(), other.splitlines(), strict=True) if line != new]
    assert changed == ['"hash"', '"file"']


def test_a_changed_document_does_not_fit_its_hash() -> None:
    with pytest.raises(DecodeError, match=r"reference.hash: .* does not fit the content .* it was changed"):
        Reference.from_json(TEXT.replace('"a.csv"', '"b.csv"'))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"format": 1', '"format": 2', "reference.format: expected 1: this document was written by another version"),
        ('"model": "flights"', '"model": 3', "reference.model: expected a text, found 3"),
        ('"window_microseconds": 86400000000', '"window_microseconds": 0', "reference.window_microseconds: expected a whole number from 1"),
        ('"window_rows": [700, 800]', '"window_rows": [-1]', "reference.baseline.window_rows: expected counts from 0"),
        ('"ks": [0.1, 0.25]', '"ks": ["a"]', "reference.baseline.distances.delay.ks: expected a list of numbers"),
        ('"provenance": {', '"provinence": {', "reference.provenance: expected an object, found nothing"),
        ('"hash": "', '"cash": "', "reference.hash: expected a text, found nothing"),
    ],
)
def test_a_broken_document_is_named(old: str, new: str, said: str) -> None:
    assert old in TEXT
    with pytest.raises(DecodeError, match=said):
        Reference.from_json(TEXT.replace(old, new))


def test_a_profile_of_another_grid_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit a reference"):
        reference(profile=Profile.empty(Grid.blank([])))


def test_a_difference_names_what_changed() -> None:
    assert difference(REFERENCE, reference(number=3)) == []
    one, two = Profile.empty(GRID), Profile.empty(GRID)
    one.fold(batch_of({"hour": numbers(1.0, 3.0), "carrier": categories("AA", "AA")}))
    two.fold(batch_of({"hour": numbers(1.0, np.nan), "carrier": categories("AA", "ZZ")}))
    new = reference(profile=two, version="v2", provenance={"rows": 2}, window=timedelta(hours=1))
    said = difference(reference(profile=one, baseline=None), new)
    assert said == [
        "version: v1 → v2",
        "window: 1 day, 0:00:00 → 1:00:00",
        "carrier: categories 3 → 4",
        "hour: null 0.00% → 50.00%, mean 2 → 1, std 1.41421 → –, max 3 → 1",
        'provenance.file: "a.csv" → null',
        "provenance.rows: 1500 → 2",
        'provenance.time_range: ["2013-01-01T00:00:00Z", "2013-02-01T00:00:00Z"] → null',
    ]


def test_a_difference_names_columns_that_came_and_went() -> None:
    smaller = Grid({name: grid for name, grid in GRID.columns.items() if name != "hour"})
    less = reference(grid=smaller, profile=Profile.empty(smaller))
    assert {"hour: removed", "rows: 1500 → 0"} <= set(difference(REFERENCE, less))
    assert "hour: added" in difference(less, REFERENCE)
    assert any(line.startswith("grid: ") for line in difference(less, REFERENCE))
