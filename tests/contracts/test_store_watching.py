"""What every store keeps of gaps in the log, and of conditions that stand in driftd's own way."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from monitor.core.gaps import Gap, GapReason
from monitor.core.incidents import IncidentEvent, IncidentState, TransitionReason
from monitor.errors import Fenced
from monitor.ports import PICTURE, GapEnd, Receipt, Store
from tests.contracts.store_story import HOUR, NOW, START, TP0, TP1, advance, checkpoint, delta, incident, judgement, key, message

GAP = Gap(model="m", topic="flights", partition=0, reason=GapReason.RETENTION, first=5, beyond=9, since=START + HOUR / 2, at=NOW)


def lost(store: Store, gap: Gap = GAP) -> None:
    store.checkpoint(checkpoint(gaps=(gap,)))


def condition(name: str = "kafka_unreachable", *, id: str = "inc_c1", at: datetime = NOW, **fields: object):
    made = replace(incident(id=id, model="*"), condition=name, since=at, updated_at=at)
    return replace(made, **fields)  # type: ignore[arg-type]


def begin(id: str = "inc_c1", at: datetime = NOW) -> IncidentEvent:
    reason = TransitionReason.CONDITION_STANDS
    return IncidentEvent(incident=id, at=at, before=None, after=IncidentState.FIRING, reason=reason)


# --- gaps ----------------------------------------------------------------------------------------------------


def test_a_gap_touches_the_windows_between_its_times(store: Store) -> None:
    lost(store, replace(GAP, until=START + HOUR * 1.5))
    assert [len(store.gaps("m", key(hour).start, key(hour).end)) for hour in (-1, 0, 1, 2)] == [0, 1, 1, 0]
    assert store.gaps("another", START, START + HOUR) == []


def test_a_gap_comes_back_as_it_was_written(store: Store) -> None:
    whole = replace(GAP, until=START + HOUR, reason=GapReason.RECREATED, beyond=None, since=None)
    lost(store, whole)
    assert list(store.gaps("m", START, START + HOUR)) == [whole]


def test_an_open_gap_touches_every_window_after_it_until_a_row_ends_it(store: Store) -> None:
    lost(store)
    assert [gap.first for gap in store.open_gaps("m")] == [5]
    assert len(store.gaps("m", key(50).start, key(50).end)) == 1
    store.checkpoint(checkpoint(gap_ends=(GapEnd(model="m", partition=TP0, until=START + 2 * HOUR),)))
    assert store.open_gaps("m") == []
    assert store.gaps("m", key(50).start, key(50).end) == []


def test_the_end_of_one_partitions_gap_ends_no_other_and_no_later_one(store: Store) -> None:
    lost(store)
    store.checkpoint(checkpoint(gap_ends=(GapEnd(model="m", partition=TP1, until=START), GapEnd(model="n", partition=TP0, until=START))))
    assert len(store.open_gaps("m")) == 1
    store.checkpoint(checkpoint(gaps=(replace(GAP, first=20),), gap_ends=(GapEnd(model="m", partition=TP0, until=START + HOUR),)))
    assert [gap.first for gap in store.open_gaps("m")] == [20]


def test_windows_say_that_they_are_incomplete(store: Store) -> None:
    store.checkpoint(checkpoint(delta(key(0), 1.0), delta(key(1), 2.0), gaps=(replace(GAP, until=START + HOUR * 0.75),)))
    assert [window.incomplete for window in store.window_accounts(model="m")] == [True, False]
    assert [window.incomplete for window in store.windows("m", key(0).start)] == [True]


def test_a_gap_is_written_with_its_offset_or_not_at_all(store: Store) -> None:
    store.checkpoint(checkpoint(advances=(advance(TP0, None, 5),)))
    with pytest.raises(Fenced):
        store.checkpoint(checkpoint(advances=(advance(TP0, 4, 9),), gaps=(GAP,)))
    assert store.open_gaps("m") == []


# --- conditions ----------------------------------------------------------------------------------------------


def test_a_condition_is_opened_once_and_told_once(store: Store) -> None:
    assert store.open_condition(condition(), begin(), (message("d1", about="inc_c1"),))
    assert not store.open_condition(condition(id="inc_c2"), begin("inc_c2"), (message("d2", about="inc_c2"),))
    assert [i.id for i in store.open_conditions()] == ["inc_c1"]
    assert [i.condition for i in store.incidents()] == ["kafka_unreachable"]
    assert len(store.deliveries()) == 1
    assert len(store.incident_events("inc_c1")) == 1


def test_conditions_of_other_names_and_models_stand_beside_it_and_a_passed_one_may_come_again(store: Store) -> None:
    assert store.open_condition(condition(), begin())
    assert store.open_condition(condition("receiver_failing:slack", id="inc_c2"), begin("inc_c2"))
    assert store.open_condition(condition(id="inc_c3", model="m"), begin("inc_c3"))
    over = replace(condition(), state=IncidentState.RESOLVED)
    passed = IncidentEvent(incident="inc_c1", at=NOW, before=IncidentState.FIRING, after=IncidentState.RESOLVED,
                           reason=TransitionReason.CONDITION_PASSED)  # fmt: skip
    assert store.save_incident(over, passed)
    assert store.open_condition(condition(id="inc_c4"), begin("inc_c4"))
    assert sorted(i.id for i in store.open_conditions()) == ["inc_c2", "inc_c3", "inc_c4"]


def test_a_condition_of_a_model_is_not_the_incident_of_its_windows(store: Store) -> None:
    store.open_condition(condition(model="m"), begin())
    assert store.open_incident("m") is None


def test_confirming_moves_the_time_of_an_open_condition_alone(store: Store) -> None:
    store.open_condition(condition(), begin())
    store.touch_condition("inc_c1", NOW + timedelta(minutes=1))
    assert [i.updated_at for i in store.open_conditions()] == [NOW + timedelta(minutes=1)]
    store.save_incident(replace(condition(), state=IncidentState.RESOLVED), replace(begin(), before=IncidentState.FIRING))
    store.touch_condition("inc_c1", NOW + timedelta(minutes=2))
    assert [i.updated_at for i in store.incidents()] == [NOW]


def test_a_receiver_fails_when_its_last_delivery_was_given_up(store: Store) -> None:
    store.record(judgement(0, messages=(message("a", receiver="slack", about=None), message("b", receiver="slack", about=None),
                                        message("c", receiver="other", about=None))))  # fmt: skip
    assert store.failing_receivers(["slack", "unused"]) == {}
    first, second = store.claim("slack", owner="o", lease=60, limit=2, now=NOW)
    [third] = store.claim("other", owner="o", lease=60, limit=2, now=NOW)
    store.delivered(third, Receipt(), NOW)
    store.dead(first, "invalid_auth", NOW)
    assert store.failing_receivers(["slack", "unused"]) == {"slack": "invalid_auth"}
    assert store.failing_receivers(["other"]) == {}, "slack is configured no more"
    store.delivered(second, Receipt(), NOW + timedelta(seconds=1))
    assert store.failing_receivers(["slack", "unused"]) == {}


def test_a_picture_that_was_given_up_is_no_failing_receiver(store: Store) -> None:
    store.record(judgement(0, messages=(message("a", about=None), replace(message("b", about=None), kind=PICTURE))))
    told, picture = store.claim("slack", owner="o", lease=60, limit=2, now=NOW)
    store.delivered(told, Receipt(), NOW)
    store.dead(picture, "missing_scope", NOW + timedelta(seconds=1))
    assert store.failing_receivers(["slack"]) == {}
