"""The contract of the past: which windows there are to learn from, and what disturbed them."""

from __future__ import annotations

from dataclasses import replace

from monitor.core.conditions import Condition
from monitor.core.gaps import Gap, GapReason
from monitor.core.incidents import IncidentState, TransitionReason
from monitor.core.recipes import Disturbance
from monitor.ports import Store
from tests.contracts.store_story import GRID, HOUR, NOW, OTHER_GRID, START, checkpoint, delta, event, incident, judgement, key, profile_of

STARTS = [START, START + HOUR, START + 2 * HOUR]


def test_windows_are_found_by_their_starts_without_their_profiles(store: Store) -> None:
    here = [delta(key(0), 1.0, 2.0), delta(key(0, version="2"), 3.0, grid=OTHER_GRID), delta(key(2, segment="DE"), 4.0)]
    store.checkpoint(checkpoint(*here, delta(key(3), 5.0), delta(key(1, model="o"), 6.0)))
    store.add_empty_window(key(1))
    gap = Gap(model="m", topic="flights", partition=0, reason=GapReason.RETENTION, first=1, beyond=9, since=key(2).start,
              until=key(2).start, at=NOW)  # fmt: skip
    store.checkpoint(checkpoint(gaps=(gap,)))
    found = store.candidates("m", STARTS, segment=None)
    assert [(c.key, c.rows, c.grid, c.incomplete) for c in found] == [
        (key(0), 2, GRID.hash, False),
        (key(0, version="2"), 1, OTHER_GRID.hash, False),
        (key(1), 0, None, False),
        (key(2, segment="DE"), 1, GRID.hash, True),
    ]
    assert [c.key for c in store.candidates("m", STARTS, segment="*")] == [key(0), key(0, version="2"), key(1)]
    assert [c.key for c in store.candidates("m", STARTS, segment="DE")] == [key(2, segment="DE")]
    assert store.candidates("m", [], segment="*") == []
    assert store.candidates("n", STARTS, segment=None) == []


def test_thousands_of_starts_are_asked_for_at_once(store: Store) -> None:
    store.checkpoint(checkpoint(delta(key(0), 1.0), delta(key(1200), 2.0)))
    starts = [START + hour * HOUR for hour in range(1201)]
    assert [c.key for c in store.candidates("m", starts, segment="*")] == [key(0), key(1200)]
    assert [w.key for w in store.windows_at("m", starts, segment="*", version="1")] == [key(0), key(1200)]


def test_profiles_are_read_of_one_version_or_of_all(store: Store) -> None:
    store.checkpoint(checkpoint(delta(key(0), 1.0), delta(key(0, version="2"), 3.0), delta(key(0, segment="DE"), 9.0), delta(key(1), 4.0)))
    own = store.windows_at("m", STARTS, segment="*", version="1")
    assert [(w.key, w.profile) for w in own] == [(key(0), profile_of(1.0)), (key(1), profile_of(4.0))]
    every = store.windows_at("m", STARTS[:1], segment="*", version=None)
    assert [w.key for w in every] == [key(0), key(0, version="2")]
    assert [w.key for w in store.windows_at("m", STARTS, segment="DE", version=None)] == [key(0, segment="DE")]


def test_incidents_are_told_as_what_disturbed_learning(store: Store) -> None:
    first = replace(incident(id="inc_a", hour=0), state=IncidentState.RESOLVED, resolved_at=key(1).end)
    second = replace(incident(IncidentState.RESOLVED, id="inc_b", hour=2), fired_at=None, resolved_at=key(3).end)
    third = incident(IncidentState.FIRING, id="inc_c", hour=4)
    for hour, each in enumerate((first, second, third, incident(id="inc_o", model="o"))):
        store.record(replace(judgement(hour), model=each.model, previous=None if each.model == "o" or not hour else key(hour - 1).end,
                             incident=each))  # fmt: skip
    expected = replace(event(IncidentState.RESOLVED, IncidentState.RESOLVED, id="inc_a"), reason=TransitionReason.RESOLVED_AS_EXPECTED)
    assert store.save_incident(first, expected)
    condition = replace(incident(id="inc_k", hour=0), condition=str(Condition.KAFKA_UNREACHABLE))
    assert store.open_condition(condition, event(None, IncidentState.FIRING, id="inc_k"))
    assert store.disturbances("m", key(5).start) == [
        Disturbance(since=key(0).start, until=key(1).end, fired=True, expected=True),
        Disturbance(since=key(2).start, until=key(3).end, fired=False, expected=False),
        Disturbance(since=key(4).start, until=None, fired=True, expected=False),
    ]
    assert len(store.disturbances("m", key(4).start)) == 2
    assert store.disturbances("n", key(5).start) == []
