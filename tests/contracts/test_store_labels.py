"""The contract of labels: predictions wait for them, rounds of joining are written once each, and every label is accounted for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from monitor.core.incidents import IncidentState
from monitor.core.labels.chunks import by_id, joined_labels, joined_predicted
from monitor.core.results import ALL_ROWS, OTHER_VERSIONS, Verdict
from monitor.core.retraining import Retraining, RetrainingState
from monitor.ports import AskedAfter, Curve, KeptWindow, LabelAccount, Store, Tally
from tests.contracts.label_story import (
    applied,
    classes_of,
    joining,
    kept,
    kept_key,
    labelled_rows,
    labels,
    new_labels,
    performance,
    predicted,
    revision,
    settled_window,
    store_kept,
)
from tests.contracts.store_story import HOUR, NOW, START, TP0, advance, checkpoint, event, incident, judgement, key, message, result
from tests.core.labelled import told

FIRING, RESOLVED = IncidentState.FIRING, IncidentState.RESOLVED


def waiting(store: Store, *, fresh: bool) -> list[object]:
    return [told(chunk.labels) for chunk in store.label_chunks("m", fresh=fresh, most=1_000_000)]


# --- predictions ---------------------------------------------------------------------------------------------


def test_a_store_without_labels_has_none(store: Store) -> None:
    assert (store.join_number("m"), store.unsettled("m", NOW), store.settled("m"), store.curves("m", 9)) == (0, [], [], [])
    assert (store.tallies("m"), store.window_results("m", START), store.label_account("m")) == ([], [], LabelAccount())
    assert (store.joined("m", kept_key()), store.kept_chunks("m", kept_key()), len(store.settled_ids("m", kept_key()))) == (None, [], 0)
    assert store.label_chunks("m", fresh=True, most=9) == []


def test_predictions_come_back_chunk_by_chunk_as_checkpoints_wrote_them(store: Store) -> None:
    store_kept(store, kept(key(), 9, 2), kept(key(1), 5), kept(key(version="2"), 7), kept(key(model="o"), 1))
    store_kept(store, kept(key(), 4, 8))
    store_kept(store, kept(key()))
    assert [told(chunk) for chunk in store.kept_chunks("m", kept_key())] == [told(predicted(9, 2)), told(predicted(4, 8))]
    assert store.unsettled("m", key(0).end) == [kept_key(), kept_key(version="2")]
    assert store.unsettled("m", key(1).end) == [kept_key(), kept_key(version="2"), kept_key(1)]
    assert store.unsettled("m", key(0).end - timedelta(microseconds=1)) == []
    assert store.unsettled("o", NOW) == [kept_key()]


def test_a_sealed_window_gets_no_more_predictions(store: Store) -> None:
    store_kept(store, kept(key(), 1))
    assert store.seal("m", key().end, None)
    store_kept(store, kept(key(), 2), kept(key(1), 3))
    assert [told(chunk) for chunk in store.kept_chunks("m", kept_key())] == [told(predicted(1))]
    assert store.unsettled("m", NOW) == [kept_key(), kept_key(1)]
    [window] = store.windows("m", START)
    assert (window.account.counted, window.account.late) == (1, 1)


def test_a_settled_window_is_one_chunk_and_its_ids_are_read_alone(store: Store) -> None:
    store_kept(store, kept(key(), 9, 2), kept(key(version="2"), 7))
    store_kept(store, kept(key(), 4))
    assert store.seal("m", key().end, None)
    whole = by_id(joined_predicted(store.kept_chunks("m", kept_key())))
    assert store.record_join(joining(0, settled=((kept_key(), whole),)))
    assert store.unsettled("m", NOW) == [kept_key(version="2")]
    assert [told(chunk) for chunk in store.kept_chunks("m", kept_key())] == [told(predicted(2, 4, 9))]
    assert store.settled_ids("m", kept_key()).tolist() == [2, 4, 9]
    assert store.settled("m") == [KeptWindow(key=kept_key(), rows=3, labelled=0, changes=0, judged_changes=None)]
    joined = store.joined("m", kept_key())
    assert joined is not None
    assert (told(joined.rows), classes_of(joined), joined.times.tolist()) == (told(predicted(2, 4, 9)), [None] * 3, [0] * 3)


def test_a_window_that_is_not_sealed_cannot_be_settled(store: Store) -> None:
    store_kept(store, kept(key(), 1))
    with pytest.raises(ValueError, match="2013-03-01T01:00:00Z is not sealed"):
        store.record_join(joining(0, settled=((kept_key(), predicted(1)),)))
    assert (store.join_number("m"), store.settled("m")) == (0, [])


def test_predictions_that_came_between_reading_and_sealing_are_not_lost(store: Store) -> None:
    store_kept(store, kept(key(), 1))
    read = joined_predicted(store.kept_chunks("m", kept_key()))
    store_kept(store, kept(key(), 2))
    assert store.seal("m", key().end, None)
    assert not store.record_join(joining(0, settled=((kept_key(), read),)))
    assert (store.join_number("m"), store.settled("m"), len(store.kept_chunks("m", kept_key()))) == (0, [], 2)
    again = by_id(joined_predicted(store.kept_chunks("m", kept_key())))
    assert store.record_join(joining(0, settled=((kept_key(), again),)))
    assert store.settled_ids("m", kept_key()).tolist() == [1, 2]


# --- labels --------------------------------------------------------------------------------------------------


def test_labels_are_written_with_the_checkpoint_or_not_at_all(store: Store) -> None:
    first, second = labels((1, "yes", 10), (2, "no", 11)), labels((3, "yes", 12), offset=2)
    store.checkpoint(checkpoint(advances=(advance(TP0, None, 2),), labels=(new_labels(first), new_labels(labels()))))
    with pytest.raises(Exception, match="another replica has it now"):
        store.checkpoint(checkpoint(advances=(advance(TP0, None, 2),), labels=(new_labels(first),)))
    store.checkpoint(checkpoint(advances=(advance(TP0, 2, 3),), labels=(new_labels(second), new_labels(first, "o"))))
    assert waiting(store, fresh=True) == [told(first), told(second)]
    assert waiting(store, fresh=False) == []
    assert store.label_account("m") == LabelAccount(waiting=3)
    assert store.label_account("o").received == 2


def test_chunks_of_labels_are_taken_as_many_as_fit_but_at_least_one(store: Store) -> None:
    for first in (0, 3, 6):
        store.checkpoint(checkpoint(labels=(new_labels(labels(*((first + n, "yes", 0) for n in range(3)))),)))
    numbers = [chunk.number for chunk in store.label_chunks("m", fresh=True, most=100)]
    assert store.fresh_numbers("m") == (min(numbers), max(numbers))
    assert store.fresh_numbers("other") is None
    taken = [[len(chunk.labels) for chunk in store.label_chunks("m", fresh=True, most=most)] for most in (1, 3, 5, 6, 9, 100)]
    assert taken == [[3], [3], [3], [3, 3], [3, 3, 3], [3, 3, 3]]
    numbers = [chunk.number for chunk in store.label_chunks("m", fresh=True, most=100)]
    assert numbers == sorted(numbers)


def test_a_round_joins_labels_with_rows_and_keeps_what_waits(store: Store) -> None:
    where = settled_window(store, 3, 1, 2)
    found = labels((1, "yes", 10), (3, "no", 11), (77, "yes", 12))
    store.checkpoint(checkpoint(labels=(new_labels(found),)))
    [chunk] = store.label_chunks("m", fresh=True, most=10)
    parts = {"applied": (applied(store, where, [0, 2], found.take(np.array([0, 1]))),), "waiting": found.take(np.array([2]))}
    assert store.record_join(joining(1, consumed=(chunk.number,), account=LabelAccount(matched=2, waiting=1), **parts))
    assert store.join_number("m") == 2
    assert store.settled("m") == [KeptWindow(key=where, rows=3, labelled=2, changes=2, judged_changes=None)]
    joined = store.joined("m", where)
    assert joined is not None
    assert (classes_of(joined), joined.times.tolist()) == (["yes", None, "no"], [10, 0, 11])
    assert (waiting(store, fresh=True), waiting(store, fresh=False)) == ([], [told(found.take(np.array([2])))])
    assert store.label_account("m") == LabelAccount(matched=2, waiting=1)
    assert store.label_account("m").received == len(found)


def test_a_stale_round_is_refused_and_writes_nothing(store: Store) -> None:
    where = settled_window(store, 1, 2)
    found = labels((1, "yes", 10))
    store.checkpoint(checkpoint(labels=(new_labels(found),)))
    [chunk] = store.label_chunks("m", fresh=True, most=10)
    done = joining(1, applied=(applied(store, where, [0], found),), consumed=(chunk.number,), account=LabelAccount(matched=1))
    assert store.record_join(done)
    before = store.settled("m"), store.label_account("m")
    assert not store.record_join(done)
    assert not store.record_join(replace(done, number=0, dropped=(where,)))
    assert not store.record_join(replace(done, number=9))
    assert (store.settled("m"), store.label_account("m")) == before
    assert store.join_number("m") == 2
    assert classes_of(store.joined("m", where)) == ["yes", None]


def test_of_two_replicas_that_write_one_round_one_does(store: Store) -> None:
    where = settled_window(store, 1, 2)
    start = threading.Barrier(2)

    def join(name: str) -> bool:
        start.wait()
        return store.record_join(joining(1, applied=(applied(store, where, [0], labels((1, name, 10))),)))

    with ThreadPoolExecutor(2) as pool:
        won = list(pool.map(join, ("yes", "no")))
    assert sorted(won) == [False, True]
    assert classes_of(store.joined("m", where)) == ["yes" if won[0] else "no", None]
    assert store.settled("m")[0].changes == 1


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2)])
def test_of_several_labels_of_a_row_the_latest_counts_whatever_the_order_of_rounds(store: Store, order: tuple[int, ...]) -> None:
    where = settled_window(store, 1, 2, 3)
    came = [
        labels((1, "yes", 10), (2, "no", 10), (3, "no", 30), offset=5),
        labels((1, "no", 9), (2, "yes", 10), (3, "yes", 20), offset=7),  # by time, by offset, by time
        labels((2, "no", 10), offset=8, partition=1),
        labels((2, "yes", 10), offset=8, partition=2),
    ]
    for number, at in enumerate(order, start=1):
        rows = [int(id) - 1 for id in came[at].ids]
        assert store.record_join(joining(number, applied=(applied(store, where, rows, came[at]),)))
    joined = store.joined("m", where)
    assert joined is not None
    assert (classes_of(joined), joined.times.tolist()) == (["yes", "yes", "no"], [10, 10, 30])
    assert store.settled("m")[0].changes == 8


def test_many_rounds_come_to_what_one_would(store: Store) -> None:
    where = settled_window(store, *range(150))
    for number in range(150):
        found = labels((number, "yes" if number % 3 else "no", number), offset=number)
        assert store.record_join(joining(1 + number, applied=(applied(store, where, [number], found),)))
    assert classes_of(store.joined("m", where)) == ["yes" if n % 3 else "no" for n in range(150)]
    assert store.settled("m")[0].labelled == 150


def test_rows_that_have_a_label_are_told_without_their_predictions(store: Store) -> None:
    where = settled_window(store, *range(20))
    assert not labelled_rows(store, where).any()
    assert len(store.matches("m", where, store.settled_ids("m", where)).rows) == 0
    first, second = labels((3, "yes", 1), (17, "no", 2)), labels((3, "no", 3), (8, "yes", 4), offset=2)
    assert store.record_join(joining(1, applied=(applied(store, where, [3, 17], first),)))
    assert store.record_join(joining(2, applied=(applied(store, where, [3, 8], second),)))
    ids, have = store.settled_ids("m", where), labelled_rows(store, where)
    assert (ids.tolist(), np.flatnonzero(have).tolist(), len(have)) == (list(range(20)), [3, 8, 17], 20)
    matches = store.matches("m", where, store.settled_ids("m", where))
    assert (matches.rows.tolist(), told(matches.labels)) == ([3, 17, 3, 8], told(joined_labels([first, second])))
    assert len(store.matches("o", where, store.settled_ids("o", where)).rows) == 0


def test_where_windows_are_settled_what_waits_is_looked_for_again(store: Store) -> None:
    early, late = labels((1, "yes", 1)), labels((5, "no", 2), offset=1)
    store.checkpoint(checkpoint(labels=(new_labels(early), new_labels(early, "o"))))
    [chunk] = store.label_chunks("m", fresh=True, most=9)
    assert store.record_join(joining(0, consumed=(chunk.number,), waiting=early))
    store.checkpoint(checkpoint(labels=(new_labels(late),)))
    assert (waiting(store, fresh=True), waiting(store, fresh=False)) == ([told(late)], [told(early)])
    settled_window(store, 1, 2)
    assert sorted(waiting(store, fresh=True)) == sorted([told(late), told(early)])
    assert (waiting(store, fresh=False), len(store.label_chunks("o", fresh=True, most=9))) == ([], 1)


def test_the_sums_of_rounds_add_up_to_what_was_received(store: Store) -> None:
    where = settled_window(store, 1, 2)
    store.checkpoint(checkpoint(labels=(new_labels(labels(*((n, "yes", n) for n in range(6)))),)))
    [chunk] = store.label_chunks("m", fresh=True, most=10)
    first = LabelAccount(matched=1, repeated=1, waiting=4)
    rest = labels(*((n, "yes", n) for n in range(2, 6)))
    assert store.record_join(joining(1, consumed=(chunk.number,), waiting=rest, account=first))
    assert store.label_account("m") == LabelAccount(matched=1, repeated=1, waiting=4)
    store.checkpoint(checkpoint(labels=(new_labels(labels((9, "no", 9))),)))
    assert store.label_account("m").waiting == 5
    consumed = tuple(chunk.number for fresh in (True, False) for chunk in store.label_chunks("m", fresh=fresh, most=10))
    second = LabelAccount(matched=1, revised=1, expired=3, unlabelled=1)
    assert store.record_join(joining(2, consumed=consumed, dropped=(where,), account=second))
    total = store.label_account("m")
    assert total == LabelAccount(matched=2, repeated=1, revised=1, expired=3, unlabelled=1)
    assert total.received == 7
    assert store.label_account("o") == LabelAccount()


def test_a_window_that_waits_no_longer_leaves_its_curve_alone(store: Store) -> None:
    first, second = settled_window(store, 1, 2), settled_window(store, 3, hour=1)
    store_kept(store, kept(key(0, model="o"), 1))
    found = labels((1, "yes", 5))
    curve = Curve(key=first, document={"hours": [1, 2.5], "labelled": 1, "texts": {"é": None}})
    last = applied(store, first, [0], found)
    assert store.record_join(joining(2, applied=(last,), dropped=(first,), curves=(curve,), account=LabelAccount(matched=1, unlabelled=1)))
    assert [window.key for window in store.settled("m")] == [second]
    assert (store.joined("m", first), store.kept_chunks("m", first), store.settled_ids("m", first).tolist()) == (None, [], [])
    assert first not in store.settled_flags("m")
    assert store.curves("m", 9) == [curve]
    assert store.record_join(joining(3, dropped=(second,), curves=(Curve(key=second, document={}),)))
    assert [found.key for found in store.curves("m", 9)] == [first, second]
    assert [found.key for found in store.curves("m", 1)] == [second]
    assert (store.curves("m", 0), store.curves("o", 9), store.unsettled("o", NOW)) == ([], [], [kept_key()])


def test_a_window_that_was_never_settled_may_be_dropped(store: Store) -> None:
    store_kept(store, kept(key(), 1), kept(key(version="2"), 2))
    assert store.record_join(joining(0, dropped=(kept_key(),)))
    assert store.unsettled("m", NOW) == [kept_key(version="2")]


def test_labels_for_a_window_that_is_not_there_are_a_fault_and_write_nothing(store: Store) -> None:
    found = applied(store, settled_window(store, 1), [0], labels((1, "yes", 1)))
    with pytest.raises((KeyError, ValueError), match=r"2013-03-01T07:00:00Z|hour=7|KeptKey"):
        store.record_join(joining(1, applied=(replace(found, key=kept_key(7)),)))
    assert (store.join_number("m"), store.settled("m")[0].changes) == (1, 0)


def test_every_version_has_its_own_windows(store: Store) -> None:
    versions = ("1", "2", OTHER_VERSIONS, "naïve")
    store_kept(store, *(kept(key(version=version), n) for n, version in enumerate(versions)))
    assert store.seal("m", key().end, None)
    keys = [kept_key(version=version) for version in versions]
    assert store.record_join(joining(0, settled=tuple((where, predicted(n)) for n, where in enumerate(keys))))
    assert [store.settled_ids("m", where).tolist() for where in keys] == [[n] for n in range(4)]
    assert [window.key for window in store.settled("m")] == sorted(keys)


# --- revisions -----------------------------------------------------------------------------------------------


def test_windows_are_found_by_when_they_ended_and_by_what_no_revision_knows(store: Store) -> None:
    first, second = settled_window(store, 1), settled_window(store, 2, hour=1)
    assert [window.key for window in store.settled("m", second.end)] == [first, second]
    assert [window.key for window in store.settled("m", second.end - timedelta(microseconds=1))] == [first]
    assert store.unrevised("m") == []
    assert store.record_join(joining(2, applied=(applied(store, first, [0], labels((1, "yes", 1))),)))
    assert [window.key for window in store.unrevised("m")] == [first]
    assert store.record_revision(revision(first, None, 1))
    assert store.unrevised("m") == []
    assert store.record_join(joining(3, applied=(applied(store, first, [0], labels((1, "no", 2))),)))
    assert [window.judged_changes for window in store.unrevised("m")] == [1]


def test_a_revision_is_written_once_and_the_latest_one_is_read(store: Store) -> None:
    where = settled_window(store, 1, 2)
    first = performance(0, 0, estimated=True, labelled=0)
    assert store.record(judgement(results=(first, result())))
    assert store.window_results("m", START) == [result(), first]
    assert store.record_join(joining(1, applied=(applied(store, where, [0], labels((1, "yes", 1))),)))
    made = revision(where, None, 1, results=(performance(),), messages=(message("a"),))
    assert store.record_revision(made)
    assert not store.record_revision(replace(made, results=(performance(value=0.5),)))
    assert store.settled("m")[0].judged_changes == 1
    assert store.window_results("m", START) == [result(), performance()]
    assert store.results(check="performance") == [first, performance()]
    assert [(row.kind, row.created_at) for row in store.deliveries()] == [("firing", NOW)]
    assert store.record_revision(revision(where, 1, 1, results=(performance(0, 2),)))
    assert store.window_results("m", START)[1].revision == 2
    assert (store.window_results("m", key(1).start), store.window_results("o", START)) == ([], [])


def test_a_revision_of_several_versions_is_written_whole_or_not(store: Store) -> None:
    first, second = kept_key(), kept_key(version="2")
    store_kept(store, kept(key(), 1), kept(key(version="2"), 2))
    assert store.seal("m", key().end, None)
    assert store.record_join(joining(0, settled=((first, predicted(1)), (second, predicted(2)))))
    both = replace(revision(first, None, 3), known=(*revision(first, None, 3).known, *revision(second, None, 4).known))
    stale = replace(both, known=(both.known[0], replace(both.known[1], before=4)), results=(performance(),))
    assert not store.record_revision(stale)
    assert [window.judged_changes for window in store.settled("m")] == [None, None]
    assert store.record_revision(both)
    assert [window.judged_changes for window in store.settled("m")] == [3, 4]
    assert store.record_join(joining(1, dropped=(second,)))
    assert not store.record_revision(replace(both, known=tuple(replace(known, before=known.changes) for known in both.known)))


def test_a_revision_carries_the_incident_from_the_state_it_was_made_in(store: Store) -> None:
    where = settled_window(store, 1)
    opening = revision(where, None, 1, incident=incident(), events=(event(None, FIRING),), retraining=asked())
    assert store.record_revision(opening)
    assert (store.open_incident("m"), store.incident_events("inc_1"), store.retrainings()) == (incident(), [event(None, FIRING)], [asked()])
    resolving = revision(where, 1, 2, incident=incident(RESOLVED), events=(event(FIRING, RESOLVED),))
    assert store.save_incident(incident(IncidentState.ACKNOWLEDGED), event(FIRING, IncidentState.ACKNOWLEDGED))
    assert not store.record_revision(resolving)
    assert store.settled("m")[0].judged_changes == 1
    from_there = event(IncidentState.ACKNOWLEDGED, RESOLVED)
    assert store.record_revision(replace(resolving, events=(from_there,)))
    assert store.open_incident("m") is None


def test_a_revision_asks_only_after_what_it_was_decided_after(store: Store) -> None:
    where = settled_window(store, 1)
    known = AskedAfter(last="ret_0", state=RetrainingState.REQUESTED)
    assert not store.record_revision(revision(where, None, 1, retraining=asked(), asked_after=known))
    assert store.record_revision(revision(where, None, 1, retraining=asked(), asked_after=AskedAfter(last=None, state=None)))
    assert [line.after for line in store.retraining_events("ret_1")] == [RetrainingState.REQUESTED]
    again = revision(where, 1, 2, retraining=replace(asked(), id="ret_2"), asked_after=AskedAfter(last=None, state=None))
    assert not store.record_revision(again)
    assert store.retrainings() == [asked()]


def test_a_revision_opens_no_second_incident(store: Store) -> None:
    where = settled_window(store, 1)
    assert store.record(judgement(incident=incident(), events=(event(None, FIRING),)))
    beside = revision(where, None, 1, incident=incident(id="inc_2"), events=(event(None, FIRING, id="inc_2"),))
    assert not store.record_revision(beside)
    assert store.incidents() == [incident()]


def test_of_a_judgement_and_a_revision_that_open_an_incident_at_once_one_does(store: Store) -> None:
    where = settled_window(store, 1)
    start = threading.Barrier(2)
    judging = judgement(incident=incident(id="inc_1"), events=(event(None, FIRING, id="inc_1"),))
    revising = revision(where, None, 1, incident=incident(id="inc_2"), events=(event(None, FIRING, id="inc_2"),))

    def write(verb: Callable[[], bool]) -> bool:
        start.wait()
        return verb()

    with ThreadPoolExecutor(2) as pool:
        won = list(pool.map(write, (lambda: store.record(judging), lambda: store.record_revision(revising))))
    assert sorted(won) == [False, True]
    assert [found.id for found in store.incidents()] == ["inc_1" if won[0] else "inc_2"]


def asked() -> Retraining:
    return Retraining(
        id="ret_1", model="m", version="1", state=RetrainingState.REQUESTED, reason="accuracy fell", incident="inc_1", columns=(),
        requested_at=START + HOUR,
    )  # fmt: skip


def test_writing_one_revision_number_twice_is_a_fault_and_writes_nothing(store: Store) -> None:
    where = settled_window(store, 1)
    assert store.record_revision(revision(where, None, 1, results=(performance(),)))
    with pytest.raises(Exception, match=r"UNIQUE|duplicate key|there already"):
        store.record_revision(revision(where, 1, 2, results=(performance(value=0.5, verdict=Verdict.OK),)))
    assert (store.settled("m")[0].judged_changes, len(store.results())) == (1, 1)


def test_tallies_replace_those_of_the_same_window_and_segment(store: Store) -> None:
    where = settled_window(store, 1)
    keys = [key(0, segment="origin=LGA"), key(), key(1), key(0, version="2")]
    first = tuple(Tally(key=found, data=b"\x00first") for found in keys)
    assert store.record_revision(revision(where, None, 1, tallies=first))
    again = Tally(key=key(), data=b"\xffagain")
    assert store.record_revision(revision(where, 1, 2, tallies=(again,)))
    by_key = {tally.key: tally for tally in first} | {key(): again}
    assert store.tallies("m") == [by_key[found] for found in sorted(by_key)]
    assert store.tallies("m", key(1).start) == [by_key[key(1)]]
    assert store.tallies("m", segment="origin=LGA") == [by_key[key(0, segment="origin=LGA")]]
    assert [tally.key for tally in store.tallies("m", segment=ALL_ROWS)] == sorted(k for k in by_key if k.segment == ALL_ROWS)
    assert store.tallies("o") == []
    assert store.tallies("m")[0].key.segment == ALL_ROWS
