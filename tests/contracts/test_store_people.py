"""The store's promises about silences, the audit and the life of requests to retrain."""

from dataclasses import replace
from datetime import timedelta

from monitor.core.audit import AuditEntry, Via
from monitor.core.incidents import IncidentState, MuteReason, TransitionReason
from monitor.core.retraining import Helped, Retraining, RetrainingEvent, RetrainingState
from monitor.core.silences import Silence
from monitor.ports import RETRAINING, Message, Receipt, Store
from tests.contracts.store_story import HOUR, NOW, START, incident, judgement
from tests.contracts.store_story import event as incident_event

FIRING, ACKNOWLEDGED = IncidentState.FIRING, IncidentState.ACKNOWLEDGED


def silence(id: str = "sil_1", **changes: object) -> Silence:
    plain = Silence(id=id, model="m", starts_at=NOW, ends_at=NOW + HOUR, by="ann", reason="we know")
    return replace(plain, **changes)  # type: ignore[arg-type]


def entry(subject: str, action: str = "silence") -> AuditEntry:
    return AuditEntry(at=NOW, by="ann", via=Via.CLI, action=action, model="m", subject=subject, detail="for 1h")


def asked(id: str = "ret_1", **changes: object) -> Retraining:
    plain = Retraining(id=id, model="m", version="1", state=RetrainingState.PROPOSED, reason="drift alerted", incident=None,
                       columns=("delay",), requested_at=START)
    return replace(plain, **changes)  # type: ignore[arg-type]


def event(after: RetrainingState, before: RetrainingState | None, id: str = "ret_1") -> RetrainingEvent:
    return RetrainingEvent(retraining=id, at=NOW, before=before, after=after, by="ann", detail="looks right")


def note(dedupe: str) -> Message:
    return Message(receiver="slack", kind="retraining", dedupe=dedupe, incident=None, body={"text": dedupe})


def test_a_silence_is_found_while_it_is_in_force_and_kept_after_it(store: Store) -> None:
    first, later = silence(column="delay", check="drift", incident="inc_1"), silence("sil_2", starts_at=NOW + HOUR, ends_at=NOW + 2 * HOUR)
    assert store.add_silence(later, entry("sil_2"))
    assert store.add_silence(first, entry("sil_1"))
    assert store.silences() == [first, later]
    assert store.silences(at=NOW) == [first]
    assert store.silences(at=NOW + HOUR) == [later]
    assert store.silences(at=NOW - HOUR) == []


def test_a_silence_said_twice_is_one(store: Store) -> None:
    assert store.add_silence(silence(), entry("sil_1"))
    assert not store.add_silence(silence(reason="again"), entry("sil_1"))
    assert [each.reason for each in store.silences()] == ["we know"]
    assert store.audit() == [entry("sil_1")]


def test_a_silence_ends_early_once(store: Store) -> None:
    store.add_silence(silence(), entry("sil_1"))
    half, ending = NOW + timedelta(minutes=30), entry("sil_1", "end silence")
    assert store.end_silence("sil_1", by="bob", at=half, audit=ending)
    assert not store.end_silence("sil_1", by="eve", at=half, audit=ending)
    assert not store.end_silence("sil_9", by="eve", at=half, audit=ending)
    assert store.silences() == [silence(ends_at=half, ended_by="bob")]
    assert store.audit() == [entry("sil_1"), ending]


def test_the_audit_is_read_by_subject_and_from_its_end(store: Store) -> None:
    lines = [entry("inc_1", "acknowledge"), entry("inc_2", "acknowledge"), entry("inc_1", "resolve")]
    for line in lines:
        store.add_audit(line)
    assert store.audit() == lines
    assert store.audit(subject="inc_1") == [lines[0], lines[2]]
    assert store.audit(newest=2) == lines[1:]


def test_a_request_to_retrain_goes_through_its_life_by_compare_and_set(store: Store) -> None:
    assert store.add_retraining(asked(), event(RetrainingState.PROPOSED, None), (note("asked"),), entry("ret_1", "retrain"))
    assert not store.add_retraining(asked(reason="twice"), event(RetrainingState.PROPOSED, None), (note("twice"),))
    approved = asked(state=RetrainingState.REQUESTED, approved_by="ann", updated_at=NOW)
    step = event(RetrainingState.REQUESTED, RetrainingState.PROPOSED)
    assert store.save_retraining(approved, step, (note("request"),), entry("ret_1", "approve"))
    assert not store.save_retraining(approved, step, (note("late"),), entry("ret_1", "approve")), "it is no longer proposed"
    assert not store.save_retraining(replace(approved, id="ret_9"), step)
    assert not store.save_retraining(approved, event(RetrainingState.REQUESTED, None)), "nothing becomes what it is from nothing"
    assert store.retraining("ret_1") == approved
    assert store.retraining("ret_9") is None
    assert store.retraining_events("ret_1") == [event(RetrainingState.PROPOSED, None), step]
    assert [row.id for row in store.deliveries()] == [note("asked").id, note("request").id]
    assert [line.action for line in store.audit(subject="ret_1")] == ["retrain", "approve"]


def test_what_came_of_a_retraining_is_kept(store: Store) -> None:
    store.add_retraining(asked(state=RetrainingState.RUNNING), event(RetrainingState.RUNNING, None))
    done = asked(state=RetrainingState.SUCCEEDED, updated_at=NOW, detail="trained on April", run_url="https://ci.example/7",
                 new_version="2", helped=Helped.HELPED, verdict="roc_auc +0.021 [0.012, 0.030]")
    assert store.save_retraining(done, event(RetrainingState.SUCCEEDED, RetrainingState.RUNNING))
    assert [store.retraining("ret_1")] == store.recent_retrainings("m", 5) == [done]
    assert store.retrainings(model="m") == [done]
    again = replace(done, helped=Helped.DID_NOT, verdict="another replica looked, too")
    assert not store.save_retraining(again, event(RetrainingState.SUCCEEDED, RetrainingState.SUCCEEDED)), "a verdict is given once"
    assert store.retraining("ret_1") == done


def test_who_changed_an_incident_is_written_with_the_change_or_not_at_all(store: Store) -> None:
    assert store.record(judgement(incident=incident(), events=(incident_event(None, FIRING),)))
    acked, change = incident(ACKNOWLEDGED), incident_event(FIRING, ACKNOWLEDGED)
    assert store.save_incident(acked, change, (), entry("inc_1", "acknowledge"))
    assert not store.save_incident(acked, change, (), entry("inc_1", "acknowledge")), "it is acknowledged already"
    assert store.audit() == [entry("inc_1", "acknowledge")]


def test_what_an_incident_is_muted_for_is_kept_and_told_late_is_a_line_of_its_history(store: Store) -> None:
    held = replace(incident(), muted=MuteReason.OLD_WINDOW)
    lines = (incident_event(None, FIRING), replace(incident_event(FIRING, FIRING), reason=TransitionReason.HELD_BACK, detail="old window"))
    assert store.record(judgement(0, incident=held, events=lines))
    assert store.open_incident("m") == held
    late = replace(incident_event(FIRING, FIRING, hour=1), reason=TransitionReason.TOLD_LATE)
    told = replace(held, muted=None, notified_at=NOW)
    assert store.record(judgement(1, opened=held, incident=told, events=(late,)))
    assert store.open_incident("m") == told
    assert store.incident_events("inc_1") == [*lines, late]


def test_a_judgement_made_before_another_muted_the_incident_is_made_again(store: Store) -> None:
    assert store.record(judgement(0, incident=incident(), events=(incident_event(None, FIRING),)))
    assert store.save_incident(replace(incident(), muted=MuteReason.SILENCED), incident_event(FIRING, FIRING))
    assert not store.record(judgement(1, opened=incident(), incident=replace(incident(), bad_windows=2)))


def wish(id: str, **changes: object) -> Message:
    plain = Message(receiver="retrain", kind=RETRAINING, dedupe=f"retrain:{id}", incident=None, body={"data": {"id": id}})
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_a_second_wish_is_not_written_beside_one_that_has_not_ended(store: Store) -> None:
    """Two people ask at once: each has seen that nobody has."""
    first, second = asked(state=RetrainingState.REQUESTED), asked("ret_2", state=RetrainingState.REQUESTED)
    assert store.add_retraining(first, event(RetrainingState.REQUESTED, None), (wish("ret_1"),))
    for state in (RetrainingState.REQUESTED, RetrainingState.ACCEPTED, RetrainingState.RUNNING):
        if state is not RetrainingState.REQUESTED:
            assert store.save_retraining(replace(first, state=state), event(state, first.state))
            first = replace(first, state=state)
        assert not store.add_retraining(second, event(RetrainingState.REQUESTED, None, "ret_2"), (wish("ret_2"),), entry("ret_2"))
    assert [each.id for each in store.retrainings()] == ["ret_1"]
    assert [row.id for row in store.deliveries()] == [wish("ret_1").id]
    assert store.add_retraining(replace(second, model="o"), event(RetrainingState.REQUESTED, None, "ret_2")), "another model's"
    assert store.save_retraining(replace(first, state=RetrainingState.FAILED), event(RetrainingState.FAILED, first.state))
    assert store.add_retraining(replace(second, id="ret_3"), event(RetrainingState.REQUESTED, None, "ret_3"))


def test_a_request_that_is_cancelled_goes_out_no_more(store: Store) -> None:
    """Its trainer was away so far; people are told all the same, and other requests go out."""
    store.add_retraining(asked(state=RetrainingState.REQUESTED), event(RetrainingState.REQUESTED, None), (wish("ret_1"), note("told")))
    store.add_retraining(asked("ret_11", model="o", state=RetrainingState.REQUESTED), event(RetrainingState.REQUESTED, None, "ret_11"),
                         (wish("ret_11"),))
    [held] = store.claim("retrain", owner="o", lease=60, limit=1, now=NOW)
    step = event(RetrainingState.CANCELLED, RetrainingState.REQUESTED)
    assert store.save_retraining(asked(state=RetrainingState.CANCELLED), step, (note("cancelled"),))
    store.postponed(held, "the trainer is away", NOW)
    store.delivered(held, Receipt(), NOW)
    assert [row.id for row in store.claim("retrain", owner="o", lease=60, limit=9, now=NOW)] == [wish("ret_11").id]
    assert {row.id for row in store.deliveries()} == {wish("ret_11").id, note("told").id, note("cancelled").id}


def test_a_request_that_went_out_stays_written_when_it_is_cancelled(store: Store) -> None:
    store.add_retraining(asked(state=RetrainingState.REQUESTED), event(RetrainingState.REQUESTED, None), (wish("ret_1"),))
    [first] = store.claim("retrain", owner="o", lease=60, limit=2, now=NOW)
    store.delivered(first, Receipt(), NOW)
    step = event(RetrainingState.CANCELLED, RetrainingState.REQUESTED)
    assert store.save_retraining(asked(state=RetrainingState.CANCELLED), step)
    assert [row.state for row in store.deliveries()] == ["sent"]
