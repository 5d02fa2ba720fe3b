"""The outbox's contract: at least once, one claimer at a time, an incident's messages in order."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from monitor.ports import PICTURE, Delivery, Message, Receipt, Store
from tests.contracts.store_story import NOW, judgement, message

SECOND = timedelta(seconds=1)


def put(store: Store, *messages: Message) -> None:
    """Record them, each call at the next hour."""
    until = store.progress("m").judged_until
    hour = 0 if until is None else round((until - judgement().judged_until).total_seconds()) // 3600 + 1
    assert store.record(judgement(hour, messages=messages))


def claim(store: Store, receiver: str = "slack", *, now: datetime = NOW, limit: int = 10, lease: float = 30) -> Sequence[Delivery]:
    return store.claim(receiver, owner="me", lease=lease, limit=limit, now=now)


def texts(deliveries: Sequence[Delivery]) -> list[object]:
    return [delivery.body["text"] for delivery in deliveries]


def test_a_message_comes_back_whole_with_a_stable_id(store: Store) -> None:
    put(store, message("m:inc_1:firing"))
    [delivery] = claim(store)
    assert delivery == Delivery(
        id="msg_cded52b37175a0db51bb01cc98e88a65", receiver="slack", kind="firing", incident="inc_1", body=message("m:inc_1:firing").body,
        attempts=0, created_at=NOW, thread=None,
    )  # fmt: skip


def test_a_message_is_put_once_by_its_dedupe_key(store: Store) -> None:
    put(store, message("a"), message("a"))
    put(store, message("a", receiver="hook"))
    assert [row.receiver for row in store.deliveries()] == ["slack"]


def test_what_is_leased_is_not_claimed_again_before_the_lease_ends(store: Store) -> None:
    put(store, message("a"))
    assert len(claim(store, lease=30)) == 1
    assert claim(store, now=NOW + 29 * SECOND) == []
    [again] = claim(store, now=NOW + 30 * SECOND)
    assert again.attempts == 1


def test_a_receiver_claims_its_own_messages_only(store: Store) -> None:
    put(store, message("a"), message("b", receiver="hook", about=None))
    assert texts(claim(store, "hook")) == ["b"]
    assert texts(claim(store)) == ["a"]
    assert claim(store, "nobody") == []


def test_messages_are_claimed_oldest_first_and_at_most_as_many_as_asked(store: Store) -> None:
    put(store, *(message(text, about=None) for text in "cab"))
    put(store, message("d", about=None))
    assert texts(claim(store, limit=3)) == ["c", "a", "b"]
    assert texts(claim(store, limit=3)) == ["d"]


def test_an_incidents_messages_wait_for_the_one_before_and_carry_its_thread(store: Store) -> None:
    put(store, message("fires"), message("fires elsewhere", receiver="hook"), message("other", about="inc_2"))
    put(store, message("repeats"))
    put(store, message("resolves"))
    first, other = claim(store)
    assert (texts([first, other]), first.thread) == (["fires", "other"], None)
    assert claim(store) == []
    store.delivered(first, Receipt(thread="171.5"), NOW)
    store.delivered(other, Receipt(thread="999.9"), NOW)
    [second] = claim(store)
    assert (texts([second]), second.thread) == (["repeats"], "171.5")
    store.delivered(second, Receipt(thread="172.6"), NOW)
    [third] = claim(store)
    assert (texts([third]), third.thread) == (["resolves"], "171.5")
    assert [delivery.thread for delivery in claim(store, "hook")] == [None]


def test_a_postponed_message_waits_for_its_time_and_holds_back_the_later_ones(store: Store) -> None:
    put(store, message("fires"), message("repeats"), message("free", about=None))
    first, free = claim(store)
    store.delivered(free, Receipt(), NOW)
    store.postponed(first, "503", NOW + 60 * SECOND)
    assert claim(store, now=NOW + 59 * SECOND) == []
    [again] = claim(store, now=NOW + 60 * SECOND)
    assert (again.id, again.attempts) == (first.id, 1)
    row = store.deliveries()[0]
    assert (row.state, row.attempts, row.error, row.sent_at) == ("pending", 2, "503", None)


def test_a_dead_message_holds_nobody_back(store: Store) -> None:
    put(store, message("fires"), message("resolves"))
    [first] = claim(store)
    store.dead(first, "channel_not_found", NOW)
    assert texts(claim(store)) == ["resolves"]
    dead = store.deliveries(state="dead")
    assert [(row.id, row.error, row.sent_at) for row in dead] == [(first.id, "channel_not_found", None)]


def test_who_lost_the_lease_can_neither_postpone_nor_kill_but_may_say_that_it_was_sent(store: Store) -> None:
    put(store, message("a"))
    [slow] = claim(store, lease=1)
    [quick] = claim(store, now=NOW + 5 * SECOND)
    store.postponed(slow, "late news", NOW + 999 * SECOND)
    store.dead(slow, "late news", NOW)
    assert store.outbox_depth() == {"pending": 1, "sent": 0, "dead": 0}
    assert claim(store, now=NOW + 6 * SECOND) == []
    store.delivered(slow, Receipt(thread="1"), NOW + 7 * SECOND)
    store.postponed(quick, "too late", NOW)
    [row] = store.deliveries()
    assert (row.state, row.sent_at, row.error) == ("sent", NOW + 7 * SECOND, None)
    assert claim(store, now=NOW + 999 * SECOND) == []


def test_the_depth_is_counted_by_state(store: Store) -> None:
    assert store.outbox_depth() == {"pending": 0, "sent": 0, "dead": 0}
    put(store, *(message(text, about=None) for text in "abc"))
    sent, dead, _ = claim(store)
    store.delivered(sent, Receipt(), NOW)
    store.dead(dead, "gone", NOW)
    assert store.outbox_depth() == {"pending": 1, "sent": 1, "dead": 1}
    assert [row.id for row in store.deliveries(newest=1)] == [store.deliveries()[-1].id]
    assert len(store.deliveries(state="pending")) == 1


def test_many_dispatchers_never_hold_one_message_together(store: Store) -> None:
    put(store, *(message(f"{number}", about=None if number % 2 else f"inc_{number % 3}") for number in range(40)))
    start = threading.Barrier(4)

    def dispatch(owner: str) -> list[str]:
        start.wait()
        sent: list[str] = []
        while store.outbox_depth()["pending"]:
            for delivery in store.claim("slack", owner=owner, lease=60, limit=3, now=NOW):
                store.delivered(delivery, Receipt(), NOW)
                sent.append(delivery.id)
        return sent

    with ThreadPoolExecutor(4) as pool:
        sent = [id for ids in pool.map(dispatch, "abcd") for id in ids]
    assert sorted(sent) == sorted(row.id for row in store.deliveries())
    assert len(sent) == 40


def test_the_oldest_waiting_message_of_each_receiver_is_told(store: Store) -> None:
    assert store.outbox_oldest() == {}
    put(store, message("a", about=None), message("b", receiver="hook", about=None))
    assert store.record(judgement(1, messages=(message("c", about=None),), at=NOW + 60 * SECOND))
    assert store.outbox_oldest() == {"slack": NOW, "hook": NOW}
    [sent] = claim(store, limit=1)
    store.delivered(sent, Receipt(), NOW)
    [dead] = claim(store, "hook")
    store.dead(dead, "gone", NOW)
    assert store.outbox_oldest() == {"slack": NOW + 60 * SECOND}


@pytest.mark.fault(22)
def test_a_clock_that_was_set_back_holds_no_message_back(store: Store) -> None:
    hour = timedelta(hours=1)
    put(store, message("postponed", about=None), message("leased", about=None), message("untouched", about=None))
    postponed, _ = claim(store, limit=2, lease=30)
    store.postponed(postponed, "503", NOW + 60 * SECOND)
    [free] = claim(store, now=NOW - hour, lease=2)
    store.delivered(free, Receipt(), NOW - hour)
    assert claim(store, now=NOW - hour) == []

    store.clock_went_back(NOW - hour, 30)
    assert texts(claim(store, now=NOW - hour)) == ["postponed"]
    assert claim(store, now=NOW - hour + 29 * SECOND) == []
    assert texts(claim(store, now=NOW - hour + 30 * SECOND)) == ["postponed", "leased"]


def test_a_clock_that_was_set_back_by_less_than_a_wait_makes_it_no_longer(store: Store) -> None:
    put(store, message("leased", about=None), message("long due", about=None))
    claim(store, limit=1, lease=20)
    _, due = store.deliveries()
    [claimed] = claim(store)
    store.postponed(claimed, "503", NOW - 5 * SECOND)
    store.clock_went_back(NOW - 3 * SECOND, 30)
    assert [delivery.id for delivery in claim(store, now=NOW)] == [due.id]
    assert claim(store, now=NOW + 19 * SECOND) == []
    assert texts(claim(store, now=NOW + 20 * SECOND)) == ["leased"]


def test_who_was_told_of_an_incident_is_known_whatever_became_of_it(store: Store) -> None:
    assert store.told("inc_1") == []
    put(store, message("a", receiver="hook"), message("b"), message("c", about="inc_2", receiver="mail"), message("d", about=None))
    put(store, message("e"), message("f", receiver="pager"))
    [first] = claim(store, "hook")
    store.dead(first, "no", NOW)
    [second] = claim(store)[:1]
    store.delivered(second, Receipt(), NOW)
    assert list(store.told("inc_1")) == ["hook", "slack", "pager"]
    assert list(store.told("inc_2")) == ["mail"]


def test_nothing_waits_for_a_picture_and_a_picture_waits_for_what_was_told_before_it(store: Store) -> None:
    put(store, message("fires"), replace(message("picture"), kind=PICTURE))
    put(store, message("repeats"))
    [first] = claim(store)
    assert texts([first]) == ["fires"]
    assert claim(store) == []
    store.delivered(first, Receipt(thread="171.5"), NOW)
    picture, second = claim(store)
    assert (texts([picture, second]), picture.thread, picture.earlier) == (["picture", "repeats"], "171.5", None)
    store.postponed(picture, "no time", NOW + 60 * SECOND)
    store.delivered(second, Receipt(thread="171.5"), NOW)
    put(store, message("resolves"))
    assert texts(claim(store)) == ["resolves"]


def test_a_message_that_tells_of_no_columns_comes_with_the_last_one_that_did(store: Store) -> None:
    put(store, message("fires"), replace(message("lost"), kind="repeat"))
    [first] = claim(store)
    assert first.earlier is None
    store.delivered(first, Receipt(), NOW)
    [lost] = claim(store)
    store.dead(lost, "it never went out", NOW)
    put(store, replace(message("acknowledged"), kind="update"), replace(message("elsewhere"), kind="update", incident="inc_2"))
    changed, elsewhere = claim(store)
    assert (changed.earlier, elsewhere.earlier) == (first.body, None)
    store.delivered(changed, Receipt(), NOW)
    put(store, replace(message("repeats"), kind="repeat"))
    [again] = claim(store)
    store.delivered(again, Receipt(), NOW)
    put(store, replace(message("resolves"), kind="resolved"))
    [end] = claim(store)
    assert end.earlier == again.body
