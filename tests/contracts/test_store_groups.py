"""The outbox's contract about messages of many: who is in one is decided once, and stays so until it is sent."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from monitor.ports import Delivery, Grouping, Message, Receipt, Store, group_id
from tests.contracts.store_story import NOW, judgement

SECOND = timedelta(seconds=1)
RULE = Grouping(kinds=("firing", "repeat", "resolved"), wait=10 * SECOND, at=3)
RIPE = NOW + 10 * SECOND


def told(number: int, kind: str = "firing", *, receiver: str = "slack", incident: str | None = "") -> Message:
    about = f"inc_{number}" if incident == "" else incident
    return Message(receiver=receiver, kind=kind, dedupe=f"{receiver}:{kind}:{number}", incident=about, body={"n": number})


def put(store: Store, *messages: Message, at: datetime = NOW) -> None:
    until = store.progress("m").judged_until
    hour = 0 if until is None else round((until - judgement().judged_until).total_seconds()) // 3600 + 1
    assert store.record(judgement(hour, messages=messages, at=at))


def group(store: Store, *, now: datetime = RIPE, rule: Grouping = RULE, lease: float = 30, receiver: str = "slack") -> Sequence[Delivery]:
    return store.claim_group(receiver, owner="me", lease=lease, now=now, grouping=rule)


def alone(store: Store, *, now: datetime = RIPE, rule: Grouping | None = RULE) -> list[object]:
    return numbers(store.claim("slack", owner="me", lease=30, limit=100, now=now, grouping=rule))


def numbers(deliveries: Sequence[Delivery]) -> list[object]:
    return [delivery.body["n"] for delivery in deliveries]


def test_many_that_begin_at_once_are_claimed_together_under_one_id(store: Store) -> None:
    put(store, *(told(n) for n in range(4)), told(7, receiver="other"))
    members = group(store)
    assert numbers(members) == [0, 1, 2, 3]
    assert {member.together for member in members} == {group_id(members)}
    assert {member.attempts for member in members} == {0}
    assert group(store) == []
    assert alone(store) == []
    assert {row.attempts for row in store.deliveries() if row.receiver == "slack"} == {1}


def test_the_id_of_a_group_is_that_of_its_members_in_any_order(store: Store) -> None:
    put(store, *(told(n) for n in range(3)))
    members = group(store)
    assert group_id(members) == group_id(list(reversed(members))) != group_id(members[:2])
    assert group_id(members) == "grp_eae44022e78e0527f068107c6f277561"  # printf | sha256sum


def test_the_first_of_a_burst_waits_and_the_others_go_with_it(store: Store) -> None:
    put(store, told(0), told(1))
    put(store, told(2), at=NOW + 9 * SECOND)
    assert group(store, now=RIPE - SECOND) == []
    assert alone(store, now=RIPE - SECOND) == []
    assert numbers(group(store)) == [0, 1, 2]


def test_fewer_go_alone_once_each_has_waited(store: Store) -> None:
    put(store, told(0))
    put(store, told(1), at=NOW + 5 * SECOND)
    assert group(store) == []
    assert alone(store) == [0]
    assert alone(store, now=RIPE + 5 * SECOND) == [1]


def test_what_is_of_no_kind_to_group_or_of_no_incident_waits_for_nobody(store: Store) -> None:
    free = [told(n, "digest" if n < 4 else "firing", incident=None) for n in range(8)]
    put(store, *free, told(8, "odd"))
    assert group(store) == []
    assert alone(store, now=NOW) == [0, 1, 2, 3, 4, 5, 6, 7, 8]


def test_one_kind_and_one_thread_make_a_group(store: Store) -> None:
    put(store, *(told(n) for n in range(4)))
    store.delivered_together(group(store), Receipt(thread="C1:1:shared"), RIPE)
    put(store, told(9), *(told(n, "resolved") for n in range(3)), told(3, "repeat"), at=RIPE)
    members = group(store, now=RIPE + 10 * SECOND)
    assert (numbers(members), {member.thread for member in members}) == ([0, 1, 2], {"C1:1:shared"})
    assert group(store, now=RIPE + 10 * SECOND) == []
    assert alone(store, now=RIPE + 10 * SECOND) == [9, 3]


def test_what_has_a_thread_of_its_own_is_told_there_however_many_there_are(store: Store) -> None:
    put(store, *(told(n) for n in range(4)))
    for delivery in store.claim("slack", owner="me", lease=30, limit=9, now=NOW):
        store.delivered(delivery, Receipt(thread=f"C1:{delivery.body['n']}"), NOW)
    put(store, *(told(n, "resolved") for n in range(4)))
    assert group(store) == []
    assert alone(store) == [0, 1, 2, 3]


def test_a_group_tried_again_has_the_members_and_the_id_that_it_had(store: Store) -> None:
    put(store, *(told(n) for n in range(3)))
    first = group(store, lease=30)
    put(store, *(told(n) for n in range(3, 7)), at=RIPE)
    after = RIPE + 30 * SECOND
    assert numbers(group(store, now=after - SECOND)) == [3, 4, 5, 6], "others do not wait for it"
    again = group(store, now=after)
    assert [replace(member, attempts=0) for member in again] == list(first)
    assert {member.attempts for member in again} == {1}


def test_a_group_waits_for_the_last_of_its_members(store: Store) -> None:
    put(store, *(told(n) for n in range(3)))
    first = group(store, lease=30)
    store.postponed(first[0], "503", RIPE + 60 * SECOND)  # and then the process died
    assert group(store, now=RIPE + 59 * SECOND) == []
    assert alone(store, now=RIPE + 59 * SECOND) == []
    assert numbers(group(store, now=RIPE + 60 * SECOND)) == [0, 1, 2]


def test_what_is_left_of_a_group_keeps_its_id(store: Store) -> None:
    put(store, *(told(n) for n in range(4)))
    first = group(store)
    store.delivered_together(first[:2], Receipt(thread="C1:1:shared"), RIPE)
    store.dead(first[2], "gone", RIPE)
    [left] = group(store, now=RIPE + 30 * SECOND)
    assert (left.body["n"], left.together) == (3, group_id(first))


def test_what_was_tried_alone_goes_on_alone(store: Store) -> None:
    put(store, told(0), told(1))
    for delivery in store.claim("slack", owner="me", lease=30, limit=9, now=RIPE, grouping=RULE):
        store.postponed(delivery, "503", RIPE)
    put(store, *(told(n) for n in range(2, 6)))
    assert numbers(group(store)) == [2, 3, 4, 5]
    assert group(store) == []
    assert alone(store) == [0, 1]


def test_where_grouping_was_switched_off_what_was_in_a_group_goes_out_alone(store: Store) -> None:
    put(store, *(told(n) for n in range(3)))
    group(store, lease=30)
    assert alone(store, now=RIPE + 30 * SECOND, rule=None) == [0, 1, 2]


def test_a_message_stands_for_no_more_than_it_may(store: Store) -> None:
    put(store, *(told(n) for n in range(8)))
    few = replace(RULE, most=4)
    assert numbers(group(store, rule=few)) == [0, 1, 2, 3]
    assert numbers(group(store, rule=few)) == [4, 5, 6, 7]


@pytest.mark.fault(22)
def test_what_was_made_before_the_clock_was_set_back_does_not_wait_for_it(store: Store) -> None:
    put(store, *(told(n) for n in range(3)), told(3, "resolved"))
    assert numbers(group(store, now=NOW - 3600 * SECOND)) == [0, 1, 2]
    assert alone(store, now=NOW - 3600 * SECOND) == [3]


def test_what_was_made_while_the_claim_waited_for_the_store_waits_as_all_do(store: Store) -> None:
    """The claim's time is taken before the store is free, and what it then finds is younger."""
    put(store, *(told(n) for n in range(3)), told(3, "resolved"))
    early = NOW - 30 * SECOND
    assert group(store, now=early) == []
    assert alone(store, now=early) == []


def test_members_marked_together_are_sent_with_one_thread(store: Store) -> None:
    put(store, *(told(n) for n in range(3)))
    store.delivered_together(group(store), Receipt(thread="C1:1:shared"), RIPE)
    assert [(row.state, row.sent_at) for row in store.deliveries()] == [("sent", RIPE)] * 3
    put(store, told(1, "repeat"), at=RIPE)
    [later] = store.claim("slack", owner="me", lease=30, limit=9, now=RIPE)
    assert later.thread == "C1:1:shared"


def test_replicas_that_claim_at_once_make_one_group_of_a_burst(store: Store) -> None:
    put(store, *(told(n) for n in range(40)))
    start = threading.Barrier(4)

    def dispatch(_: int) -> Sequence[Delivery]:
        start.wait()
        return group(store)

    with ThreadPoolExecutor(4) as pool:
        found = [members for members in pool.map(dispatch, range(4)) if members]
    assert [len(members) for members in found] == [40]
