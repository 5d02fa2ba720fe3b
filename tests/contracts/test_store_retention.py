"""The store's promises about letting go of history."""

from dataclasses import replace
from datetime import timedelta

from monitor.core.incidents import IncidentEvent, IncidentState, TransitionReason
from monitor.ports import Judgement, Receipt, Store
from tests.contracts.label_story import kept
from tests.contracts.store_story import HOUR, NOW, START, checkpoint, delta, event, incident, key, message, result


def judged(store: Store, hours: int) -> None:
    """So many windows of a row each, sealed and judged."""
    store.checkpoint(checkpoint(*(delta(key(hour), 5.0) for hour in range(hours))))
    store.seal("m", key(hours).start, None)
    for hour in range(hours):
        previous = None if hour == 0 else key(hour - 1).end
        done = Judgement(model="m", judged_until=key(hour).end, previous=previous, results=(result(hour),))
        assert store.record(done)


def test_windows_go_with_their_results_the_oldest_first(store: Store) -> None:
    judged(store, 5)
    store.checkpoint(checkpoint(delta(key(0, model="other"), 1.0)))
    assert store.prune_windows("m", key(2).end, 2) == 2
    assert [window.key for window in store.window_accounts(model="m")] == [key(hour) for hour in (2, 3, 4)]
    assert store.prune_windows("m", key(2).end, 2) == 1
    assert store.prune_windows("m", key(2).end, 2) == 0
    assert [r.window_start for r in store.results(model="m")] == [key(3).start, key(4).start]
    assert len(store.window_accounts(model="other")) == 1
    assert store.progress("m").judged_until == key(4).end


def test_a_window_that_waits_for_labels_stays(store: Store) -> None:
    store.checkpoint(checkpoint(kept(key(0), 1), delta(key(1), 5.0)))
    store.seal("m", key(1).end, None)
    assert store.prune_windows("m", key(1).end, 9) == 1, "of the other one nothing is kept"
    assert [window.key for window in store.window_accounts(model="m")] == [key(0)]


def test_what_over_means_for_incidents_is_their_own_time(store: Store) -> None:
    past = replace(incident(), state=IncidentState.RESOLVED, resolved_at=START + HOUR)
    for each, state in ((past, IncidentState.RESOLVED), (replace(incident(), id="inc_2"), IncidentState.FIRING)):
        opening = IncidentEvent(incident=each.id, at=START, before=None, after=state, reason=TransitionReason.CONDITION_STANDS)
        assert store.open_condition(replace(each, condition=each.id), opening)
    assert store.prune_incidents(None, START + HOUR, 9) == 0
    assert store.prune_incidents("m", START + 2 * HOUR, 9) == 0
    assert store.prune_incidents(None, START + 2 * HOUR, 9) == 1
    assert [each.id for each in store.incidents()] == ["inc_2"]
    assert store.incident_events(past.id) == []
    assert len(store.incident_events("inc_2")) == 1


def test_incidents_of_windows_go_by_model(store: Store) -> None:
    for hour, model in enumerate(("m", "m", "other")):
        made = incident(IncidentState.RESOLVED, id=f"inc_{hour}", hour=hour, model=model)
        over = replace(made, resolved_at=made.updated_at)
        first = replace(event(None, IncidentState.FIRING, id=over.id, hour=hour), after=IncidentState.RESOLVED)
        previous = store.progress(model).judged_until
        done = Judgement(model=model, judged_until=key(hour).end, previous=previous, results=(), incident=over, events=(first,))
        assert store.record(done)
    assert store.prune_incidents("m", key(9).end, 1) == 1
    assert [each.id for each in store.incidents()] == ["inc_1", "inc_2"]
    assert store.prune_incidents("m", key(9).end, 9) == 1
    assert [each.id for each in store.incidents()] == ["inc_2"]


def test_messages_go_once_they_ended_and_their_incident_is_over(store: Store) -> None:
    standing = replace(incident(), condition="c")
    opening = IncidentEvent(incident=standing.id, at=NOW, before=None, after=standing.state, reason=TransitionReason.CONDITION_STANDS)
    told = [message("of it", about=standing.id), *(message(each, about=None) for each in ("sent", "given up", "waits"))]
    assert store.open_condition(standing, opening, told)
    for delivery in store.claim("slack", owner="a", lease=60, limit=9, now=NOW)[:3]:
        store.delivered(delivery, Receipt(thread="C1:1"), NOW) if delivery.id != told[2].id else store.dead(delivery, "no", NOW)
    assert store.prune_messages(NOW, 9) == 0
    assert store.prune_messages(NOW + timedelta(seconds=1), 1) == 1
    assert store.prune_messages(NOW + timedelta(seconds=1), 9) == 1
    assert [row.id for row in store.deliveries()] == [told[0].id, told[3].id]
