"""The contract of judging: each window is sealed and recorded once, and what is recorded comes back as it was."""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from monitor.core.audit import AuditEntry, Via
from monitor.core.incidents import IncidentState, MuteReason
from monitor.core.results import Account, Check, Verdict
from monitor.core.retraining import Retraining, RetrainingEvent, RetrainingState, given_up
from monitor.core.rules import Allowance
from monitor.ports import AskedAfter, Progress, Store, VerdictCount
from tests.contracts.store_story import (
    HOUR,
    NOW,
    START,
    checkpoint,
    delta,
    event,
    incident,
    judgement,
    key,
    message,
    profile_of,
    reference,
    result,
)

FIRING, PENDING, RESOLVED, ACKNOWLEDGED = (
    IncidentState.FIRING, IncidentState.PENDING, IncidentState.RESOLVED, IncidentState.ACKNOWLEDGED
)  # fmt: skip


def retraining(id: str = "ret_1", *, at: datetime = START) -> Retraining:
    return Retraining(
        id=id, model="m", version="1", state=RetrainingState.REQUESTED, reason="drift for 3 windows", incident="inc_1",
        columns=("delay",), requested_at=at,
    )  # fmt: skip


def test_a_model_has_not_begun_before_its_first_seal(store: Store) -> None:
    assert store.progress("m") == Progress(sealed_until=None, judged_until=None)
    assert (store.next_start("m", None), store.latest_window("m"), store.last_busy("m", START)) == (None, None, None)


def test_of_two_replicas_only_one_seals(store: Store) -> None:
    assert store.seal("m", key(1).end, None)
    assert not store.seal("m", key(2).end, None)
    assert store.seal("m", key(2).end, key(1).end)
    assert store.progress("m") == Progress(sealed_until=key(2).end, judged_until=None)
    assert store.progress("other").sealed_until is None


def test_a_judgement_is_recorded_once_and_the_loser_writes_nothing(store: Store) -> None:
    first = judgement(results=(result(), result(column=None, check=Check.VOLUME)), messages=(message("a"),))
    assert store.record(first)
    assert not store.record(replace(first, results=(result(metric="psi"),), messages=(message("b"),)))
    assert store.record(judgement(1, results=(result(1),)))
    assert store.results() == [result(), result(column=None, check=Check.VOLUME), result(1)]
    assert [row.id for row in store.deliveries()] == [store.claim("slack", owner="o", lease=1, limit=9, now=NOW)[0].id]
    assert store.progress("m") == Progress(sealed_until=None, judged_until=key(1).end)


def test_two_threads_that_judge_one_window_write_one_judgement(store: Store) -> None:
    start = threading.Barrier(2)

    def judge(owner: str) -> bool:
        start.wait()
        return store.record(judgement(results=(result(reason=owner),), incident=incident(), events=(event(None, FIRING),)))

    with ThreadPoolExecutor(2) as pool:
        won = list(pool.map(judge, ("a", "b")))
    assert sorted(won) == [False, True]
    assert [found.reason for found in store.results()] == ["a" if won[0] else "b"]
    assert len(store.incident_events("inc_1")) == 1


def test_recording_one_result_twice_is_a_fault_and_writes_nothing(store: Store) -> None:
    with pytest.raises(Exception, match=r"UNIQUE|duplicate key|there already"):
        store.record(judgement(results=(result(column=None), result(column=None))))
    assert (store.results(), store.progress("m").judged_until) == ([], None)


def test_a_number_that_is_none_comes_back_as_none(store: Store) -> None:
    empty = result(value=None, threshold=-1e300, p_value=5e-324, verdict=Verdict.INSUFFICIENT, reference=None)
    assert store.record(judgement(results=(empty,)))
    [found] = store.results()
    assert (found.value, found.threshold, found.p_value, found.reference) == (None, -1e300, 5e-324, None)
    assert found.verdict is Verdict.INSUFFICIENT


def test_an_infinite_value_stays_infinite(store: Store) -> None:
    assert store.record(judgement(results=(result(value=math.inf),)))
    assert store.results()[0].value == math.inf


def test_windows_are_found_by_time_and_silence_is_written_down(store: Store) -> None:
    busy = (delta(key(1), 1.0), delta(key(1, version="2"), 1.0, 2.0))
    store.checkpoint(checkpoint(*busy, delta(key(5), late=1), delta(key(7, model="o"), 1.0)))
    assert store.next_start("m", None) == key(1).start
    assert store.next_start("m", key(1).end) == key(5).start
    assert store.next_start("m", key(6).start) is None
    assert store.latest_window("m") == key(5)
    assert store.last_busy("m", key(9).start) == key(1, version="2")
    assert store.last_busy("m", key(1).start) is None
    store.add_empty_window(key(3, version="2"))
    store.add_empty_window(key(1))
    [empty] = store.windows("m", key(3).start)
    assert (empty.key, empty.account, empty.profile) == (key(3, version="2"), Account(), None)
    assert store.windows("m", key(1).start)[0].profile == profile_of(1.0)


def test_an_incident_is_carried_from_window_to_window(store: Store) -> None:
    pending = incident(PENDING)
    assert store.record(judgement(0, incident=pending, events=(event(None, PENDING),)))
    assert store.open_incident("m") == pending
    firing = replace(incident(), bad_windows=2, notified_at=key(1).end)
    assert store.record(judgement(1, incident=firing, events=(event(PENDING, FIRING, hour=1),)))
    assert store.open_incident("m") == store.incident("inc_1") == firing
    resolved = replace(firing, state=RESOLVED, resolved_at=key(2).end)
    assert store.record(judgement(2, incident=resolved, events=(event(FIRING, RESOLVED, hour=2),)))
    assert store.open_incident("m") is None
    assert store.incidents(model="m") == [resolved]
    assert store.incident_events("inc_1") == [event(None, PENDING), event(PENDING, FIRING, hour=1), event(FIRING, RESOLVED, hour=2)]
    assert (store.incident("none"), store.incident_events("none"), store.incidents(model="o")) == (None, [], [])


def test_a_person_changes_an_incident_only_from_the_state_they_saw(store: Store) -> None:
    acknowledged = replace(incident(ACKNOWLEDGED), acknowledged_by="ann")
    by_ann = event(FIRING, ACKNOWLEDGED)
    assert not store.save_incident(acknowledged, by_ann)
    assert store.record(judgement(incident=incident(), events=(event(None, FIRING),)))
    assert store.save_incident(acknowledged, by_ann, (message("acked"),))
    assert not store.save_incident(replace(acknowledged, acknowledged_by="bob"), by_ann, (message("again"),))
    assert not store.save_incident(acknowledged, replace(by_ann, before=None))
    assert store.open_incident("m") == acknowledged
    assert store.incident_events("inc_1") == [event(None, FIRING), by_ann]
    assert [(row.kind, row.created_at) for row in store.deliveries()] == [("firing", by_ann.at)]


def test_what_a_window_did_to_an_incident_meanwhile_is_not_undone_by_a_person(store: Store) -> None:
    """It was told meanwhile: a person who saw it untold would close it without telling anybody of its end."""
    seen = replace(incident(), notified_at=None, muted=MuteReason.SILENCED)
    assert store.record(judgement(0, incident=seen, events=(event(None, FIRING),)))
    told = replace(incident(), bad_windows=2, notified_at=key(1).end)
    assert store.record(judgement(1, opened=seen, incident=told))
    closed, by_ann = replace(seen, state=RESOLVED), event(FIRING, RESOLVED)
    assert not store.save_incident(closed, by_ann, seen=seen)
    assert store.open_incident("m") == told
    assert store.save_incident(replace(told, state=RESOLVED), by_ann, seen=told)


def test_what_a_person_did_is_audited_with_it_or_not_at_all(store: Store) -> None:
    assert store.record(judgement(incident=incident(), events=(event(None, FIRING),)))
    acknowledged = replace(incident(ACKNOWLEDGED), acknowledged_by="ann")
    line = AuditEntry(at=key(0).end, by="ann (U1)", via=Via.SLACK, action="acknowledge", model="m", subject="inc_1")
    assert store.save_incident(acknowledged, event(FIRING, ACKNOWLEDGED), audit=line)
    assert not store.save_incident(acknowledged, event(FIRING, ACKNOWLEDGED), audit=line), "it fires no longer"
    assert store.audit(subject="inc_1") == [line]


def test_references_come_into_force_with_a_persons_change_or_not_at_all(store: Store) -> None:
    assert store.record(judgement(incident=incident(), events=(event(None, FIRING),)))
    before = store.add_reference(reference(1.0, 2.0), activate=True, at=NOW)
    accepted = store.add_reference(reference(3.0), activate=False, at=NOW)
    assert not store.save_incident(incident(RESOLVED), event(ACKNOWLEDGED, RESOLVED), in_force=[accepted]), "somebody was quicker"
    assert store.active_reference("m", "1") == before
    with pytest.raises(ValueError, match="not kept"):
        store.save_incident(incident(RESOLVED), event(FIRING, RESOLVED), in_force=[reference(4.0)])
    assert (store.active_reference("m", "1"), store.open_incident("m")) == (before, incident())
    assert store.save_incident(incident(RESOLVED), event(FIRING, RESOLVED), in_force=[accepted])
    assert store.active_reference("m", "1") == accepted


def test_a_judgement_made_before_a_person_changed_the_incident_is_made_again(store: Store) -> None:
    assert store.record(judgement(0, incident=incident(), events=(event(None, FIRING),)))
    stale = judgement(1, results=(result(1),), incident=replace(incident(), bad_windows=2))
    resolving = judgement(1, incident=incident(RESOLVED), events=(event(FIRING, RESOLVED),))
    assert store.save_incident(incident(ACKNOWLEDGED), event(FIRING, ACKNOWLEDGED))
    assert not store.record(stale)
    assert not store.record(resolving)
    assert (store.results(), store.progress("m").judged_until) == ([], key(0).end)
    assert store.record(replace(stale, incident=replace(incident(ACKNOWLEDGED), bad_windows=2)))
    assert store.open_incident("m") == replace(incident(ACKNOWLEDGED), bad_windows=2)


def test_a_second_incident_of_a_model_is_not_opened_beside_one_that_is_open(store: Store) -> None:
    """Revisions open incidents too, so that one may have come since the judgement looked."""
    assert store.record(judgement(0, incident=incident(), events=(event(None, FIRING),)))
    beside = incident(id="inc_2", hour=1)
    assert not store.record(judgement(1, incident=beside, events=(event(None, FIRING, id="inc_2", hour=1),)))
    assert store.save_incident(incident(RESOLVED), event(FIRING, RESOLVED))
    assert store.record(judgement(1, incident=beside, events=(event(None, FIRING, id="inc_2", hour=1),)))
    assert store.open_incident("m") == beside


def test_a_retraining_is_asked_for_once_by_its_id(store: Store) -> None:
    assert store.recent_retrainings("m", 5) == []
    assert store.record(judgement(0, retraining=retraining()))
    assert store.record(judgement(1, retraining=replace(retraining(), reason="asked again")))
    later = retraining("ret_0", at=key(2).end)
    assert store.record(judgement(2, retraining=later))
    assert store.retrainings() == store.retrainings(model="m") == [retraining(), later]
    assert (store.recent_retrainings("m", 5), store.recent_retrainings("m", 1)) == ([later, retraining()], [later])
    assert (store.retrainings(model="o"), store.recent_retrainings("o", 5)) == ([], [])
    assert [line.after for line in store.retraining_events("ret_1")] == [RetrainingState.REQUESTED], "its history is begun once"


def test_a_request_is_written_only_after_what_it_was_decided_after(store: Store) -> None:
    nothing = AskedAfter(last=None, state=None)
    assert store.record(judgement(0, retraining=retraining(), asked_after=nothing))
    second = retraining("ret_2", at=key(1).end)
    assert not store.record(judgement(1, retraining=second, asked_after=nothing)), "another replica asked meanwhile"
    first = AskedAfter(last="ret_1", state=RetrainingState.REQUESTED)
    failed = replace(retraining(), state=RetrainingState.FAILED)
    ended = RetrainingEvent(retraining="ret_1", at=START, before=RetrainingState.REQUESTED, after=RetrainingState.FAILED)
    assert store.save_retraining(failed, ended)
    assert not store.record(judgement(1, retraining=second, asked_after=first)), "its state changed meanwhile"
    assert store.record(judgement(1, retraining=second, asked_after=replace(first, state=RetrainingState.FAILED)))
    assert store.recent_retrainings("m", 5) == [second, failed]


def test_the_budget_of_all_models_holds_whoever_asks(store: Store) -> None:
    allowance = Allowance(requests=1, per=timedelta(days=1))
    after = AskedAfter(last=None, state=None, allowance=allowance)
    assert store.record(judgement(0, retraining=retraining(), asked_after=after))
    other = replace(retraining("ret_o", at=START + timedelta(hours=3)), model="o")
    late = replace(other, requested_at=START + timedelta(days=1))
    assert store.asked_between(START - timedelta(hours=1), START + timedelta(hours=1)) == [START]
    assert (store.asked_between(START, late.requested_at), store.asked_between(START - timedelta(days=1), START)) == ([], [])
    mine = replace(judgement(0), model="o", results=())
    assert not store.record(replace(mine, retraining=other, asked_after=after)), "the other model has spent it"
    assert store.record(replace(mine, retraining=late, asked_after=after))
    assert len(store.retrainings()) == 2


def test_a_request_that_is_given_up_ends_with_the_window(store: Store) -> None:
    assert store.record(judgement(0, retraining=retraining()))
    change = given_up(retraining(), at=START, after="7d")
    asked = AskedAfter(last="ret_1", state=RetrainingState.REQUESTED)
    assert store.record(judgement(1, given_up=change, asked_after=asked))
    assert store.retrainings() == [change.retraining]
    assert store.retraining_events("ret_1")[-1] == change.event


def test_what_the_policy_looks_back_on(store: Store) -> None:
    assert (store.first_start("m", "1"), store.recent_incidents("m", 5)) == (None, [])
    for hour in (2, 1):
        store.add_empty_window(key(hour))
    assert store.first_start("m", "1") == key(1).start
    assert store.first_start("m", "2") is None
    assert store.record(judgement(0, incident=incident(RESOLVED), events=(event(None, RESOLVED),)))
    assert store.record(judgement(1, incident=incident(id="inc_2", hour=1), events=(event(None, FIRING, id="inc_2", hour=1),)))
    assert [found.id for found in store.recent_incidents("m", 5)] == ["inc_1", "inc_2"]
    assert [found.id for found in store.recent_incidents("m", 1)] == ["inc_2"]
    assert store.recent_incidents("o", 5) == []



def fill(store: Store, hours: int) -> None:
    for hour in range(hours):
        verdict = Verdict.ALERT if hour % 2 else Verdict.OK
        results = (
            result(hour, verdict=verdict),
            result(hour, check=Check.QUALITY, metric="null", verdict=Verdict.OK),
            result(hour, revision=1, verdict=Verdict.WARN),
        )
        assert store.record(judgement(hour, results=results))


def test_recent_results_are_those_of_the_last_judged_windows(store: Store) -> None:
    fill(store, 4)
    recent = store.recent_results("m", ["drift"], 2)
    assert [(found.window_start, found.revision) for found in recent] == [(key(h).start, r) for h in (2, 3) for r in (0, 1)]
    assert len(store.recent_results("m", ["drift", "quality"], 9)) == 12
    assert [store.recent_results(*asked) for asked in (("m", [], 2), ("m", ["drift"], 0), ("o", ["drift"], 2))] == [[], [], []]


def test_results_are_chosen_by_model_check_time_and_verdict(store: Store) -> None:
    fill(store, 3)
    assert len(store.results()) == len(store.results(model="m")) == 9
    assert store.results(model="o") == []
    assert {found.check for found in store.results(check="quality")} == {Check.QUALITY}
    assert {found.window_start for found in store.results(since=key(1).start)} == {key(1).start, key(2).start}
    assert [found.window_start for found in store.results(verdicts=["alert"])] == [key(1).start]
    assert store.results(verdicts=[]) == store.results(verdicts=["maybe"]) == store.results(check="vibes") == []
    assert list(store.results(newest=2)) == list(store.results())[-2:]
    assert store.results(newest=0) == []


def test_verdicts_are_counted_by_window_and_only_of_the_latest_revision(store: Store) -> None:
    fill(store, 3)

    def count(hour: int, check: Check, verdict: Verdict) -> VerdictCount:
        return VerdictCount(window_start=key(hour).start, window_end=key(hour).end, check=check, verdict=verdict, count=1)

    latest = ((Check.DRIFT, Verdict.WARN), (Check.QUALITY, Verdict.OK))
    expected = [count(hour, check, verdict) for hour in (1, 2) for check, verdict in latest]
    assert store.verdict_counts("m", windows=2) == expected
    assert store.verdict_counts("o", windows=2) == []


def test_results_and_accounts_are_chosen_by_segment(store: Store) -> None:
    where = [key(hour, segment=segment) for hour in (0, 1) for segment in ("*", "origin=JFK")]
    store.checkpoint(checkpoint(*(delta(each, 1.0) for each in where)))
    for hour in (0, 1):
        results = tuple(result(hour, segment=segment) for segment in ("*", "origin=JFK"))
        assert store.record(judgement(hour, results=results))
    for segment in ("*", "origin=JFK"):
        found = [(each.window_start, each.segment) for each in store.results(segment=segment)]
        assert found == [(key(h).start, segment) for h in (0, 1)]
        assert [window.key for window in store.window_accounts(segment=segment, newest=1)] == [key(1, segment=segment)]
    assert len(store.results()) == len(store.window_accounts()) == 4
    assert store.results(segment="origin=LGA") == store.window_accounts(segment="origin=LGA") == []


def test_of_segments_only_what_is_not_well_is_counted(store: Store) -> None:
    of_segments = (Verdict.INSUFFICIENT, Verdict.OK, Verdict.SKIPPED, Verdict.ALERT, Verdict.WARN)
    verdicts = {"*": Verdict.OK, **{f"a={i}": verdict for i, verdict in enumerate(of_segments)}}
    assert store.record(judgement(0, results=tuple(result(segment=s, verdict=v) for s, v in verdicts.items())))
    assert sorted(count.verdict for count in store.verdict_counts("m", windows=1)) == [Verdict.ALERT, Verdict.OK, Verdict.WARN]


def test_a_revision_that_says_that_a_segment_is_well_takes_its_alert_away(store: Store) -> None:
    told = result(segment="a=1", verdict=Verdict.ALERT)
    assert store.record(judgement(0, results=(told, replace(told, revision=1, verdict=Verdict.OK))))
    assert store.verdict_counts("m", windows=1) == []


def test_accounts_and_incidents_are_listed_oldest_first_and_cut_from_the_end(store: Store) -> None:
    store.checkpoint(checkpoint(*(delta(key(hour, version=v), 1.0) for hour in (2, 0, 1) for v in ("2", "1")), delta(key(model="o"), 1.0)))
    listed = store.window_accounts(model="m")
    assert [(window.key.start, window.key.version) for window in listed] == [(key(h).start, v) for h in (0, 1, 2) for v in ("1", "2")]
    assert all(window.profile is None for window in listed)
    assert list(store.window_accounts(model="m", newest=3)) == list(listed)[-3:]
    assert {window.key.start for window in store.window_accounts(since=START + 2 * HOUR)} == {key(2).start}
    for hour in range(3):
        later = incident(RESOLVED, id=f"inc_{9 - hour}", hour=hour)
        assert store.record(judgement(hour, incident=later, events=(event(None, RESOLVED, id=later.id),)))
    assert [found.id for found in store.incidents()] == ["inc_9", "inc_8", "inc_7"]
    assert [found.id for found in store.incidents(newest=2)] == ["inc_8", "inc_7"]


def test_an_event_that_no_transition_wrote_has_no_history(store: Store) -> None:
    assert store.record(judgement(0, incident=incident()))
    assert store.incident_events("inc_1") == []
    assert store.incident("inc_1") == incident()
