"""The store's promises about digests: what they are made of, and that each is written once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

from monitor.core.digest import TOLD, Span, Told, Warned
from monitor.core.incidents import IncidentState
from monitor.core.results import Check, Result, Verdict
from monitor.ports import Message, Receipt, Store
from tests.contracts.store_story import HOUR, NOW, START, event, incident, judgement, result

ALL = Span(model="m", after=None, until=START + 100 * HOUR)


def warning(hour: int, column: str = "delay", **changes: Any) -> Result:
    return result(hour, column, **{"verdict": Verdict.WARN, **changes})


def put(store: Store, *hours: tuple[Result, ...]) -> None:
    for hour, results in enumerate(hours):
        assert store.record(judgement(hour, results=results))


def found(store: Store, span: Span = ALL, newest: int = 100) -> Warned:
    return store.warned(span, verdicts=TOLD, newest=newest)


def test_what_warned_in_a_span_is_found_with_how_many_windows_were_judged(store: Store) -> None:
    ok, error = result(2, verdict=Verdict.OK), result(3, check=Check.QUALITY, verdict=Verdict.ERROR)
    put(store, (warning(0), warning(0, "carrier")), (result(1),), (ok,), (error,), (warning(4),))
    assert found(store) == Warned(windows=5, results=(warning(0, "carrier"), warning(0), error, warning(4)))
    span = Span(model="m", after=START + HOUR, until=START + 4 * HOUR)
    assert found(store, span) == Warned(windows=3, results=(error,))
    assert found(store, replace(ALL, model="other")) == Warned()
    assert found(store, newest=2).results == (error, warning(4))


def test_only_the_last_revision_of_a_result_counts(store: Store) -> None:
    first, well = warning(0), result(0, verdict=Verdict.OK, revision=1)
    again = warning(1, revision=1)
    put(store, (first, well), (result(1, verdict=Verdict.OK), again), (warning(2),))
    assert found(store).results == (again, warning(2))
    assert found(store, replace(ALL, least_revision=1)) == Warned(windows=2, results=(again,))
    assert found(store, replace(ALL, most_revision=0)).results == (warning(2),)


def test_what_was_told_is_kept_by_receiver(store: Store) -> None:
    told = Told(receiver="slack", told_until=NOW, judged={"m": START, "n": START + HOUR})
    assert store.digested("slack") is None
    assert store.write_digest(told, None)
    assert store.digested("slack") == told
    assert store.digested("mail") is None


def test_a_digest_and_its_message_are_written_once(store: Store) -> None:
    later = NOW + timedelta(days=1)
    note = Message(receiver="slack", kind="digest", dedupe="slack:digest:1", incident=None, body={"n": 1})
    assert store.write_digest(Told(receiver="slack", told_until=NOW, judged={}), None)
    assert not store.write_digest(Told(receiver="slack", told_until=later, judged={}), None, (note,)), "there is one already"
    assert not store.write_digest(Told(receiver="slack", told_until=later, judged={}), later, (note,)), "another replica was first"
    assert store.deliveries() == []
    assert store.write_digest(Told(receiver="slack", told_until=later, judged={"m": START}), NOW, (note,))
    assert not store.write_digest(Told(receiver="slack", told_until=later, judged={}), NOW, (note,))
    assert [(row.id, row.created_at) for row in store.deliveries()] == [(note.id, later)]
    assert store.digested("slack") == Told(receiver="slack", told_until=later, judged={"m": START})


def test_of_many_replicas_one_writes_it(store: Store) -> None:
    assert store.write_digest(Told(receiver="slack", told_until=NOW, judged={}), None)
    start = threading.Barrier(4)

    def write(n: int) -> bool:
        start.wait()
        note = Message(receiver="slack", kind="digest", dedupe=f"slack:digest:{n}", incident=None, body={})
        return store.write_digest(Told(receiver="slack", told_until=NOW + timedelta(seconds=n + 1), judged={}), NOW, (note,))

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(write, range(4))) == [False, False, False, True]
    assert len(store.deliveries()) == 1


def test_incidents_that_nobody_was_told_of_are_found(store: Store) -> None:
    muted = replace(incident(id="inc_1"), muted="maintenance")
    later = replace(incident(id="inc_2", hour=1, model="n"), muted="silenced by ann")
    told = incident(id="inc_3", hour=2, model="o")
    for n, each in enumerate((muted, later, told)):
        begun = (event(None, IncidentState.PENDING, id=each.id, hour=n),)
        assert store.record(judgement(n, incident=each, events=begun))
    assert store.muted_incidents(newest=10) == [muted, later]
    assert store.muted_incidents(newest=1) == [later]


def test_messages_given_up_are_counted_by_receiver_and_time(store: Store) -> None:
    notes = [Message(receiver=receiver, kind="x", dedupe=f"{n}", incident=None, body={}) for n, receiver in enumerate(("a", "a", "b", "b"))]
    assert store.record(judgement(messages=tuple(notes)))
    claimed = [each for receiver in "ab" for each in store.claim(receiver, owner="o", lease=9, limit=9, now=NOW)]
    for n, delivery in enumerate(claimed):
        if n == 3:
            store.delivered(delivery, Receipt(), NOW)
        else:
            store.dead(delivery, "no", NOW + n * HOUR)
    assert store.given_up(NOW, NOW + 3 * HOUR) == {"a": 2, "b": 1}
    assert store.given_up(NOW + HOUR, NOW + 2 * HOUR) == {"a": 1}
    assert store.given_up(NOW + 5 * HOUR, NOW + 6 * HOUR) == {}
