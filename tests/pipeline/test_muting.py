"""Who is not told: silences in the store, old windows, maintenance; and that what was held back is told once it is time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from monitor.core.audit import Via
from monitor.core.conditions import EVERY_MODEL, Condition, Trouble
from monitor.core.helped import Answer
from monitor.core.incidents import Incident, IncidentState
from monitor.core.maintenance import OneOff
from monitor.core.messages import IncidentMessage, from_body
from monitor.core.retraining import Helped, Retraining, RetrainingState
from monitor.core.rules import AlertRules
from monitor.core.silences import Silence, new_silence, silence_audit, silence_for
from monitor.doubles.store import MemoryStore
from monitor.pipeline import Muting, Routes, SelfWatch, Telling
from monitor.pipeline.replay import rejudge
from tests.pipeline.test_judge import RULES, put_hour, the_reference
from tests.pipeline.test_labelling import a_world, go, label, predict, with_reference
from tests.pipeline.world import HOUR, START, ManualClock, Unsteady, World

QUICK = replace(RULES, alerts=AlertRules(open_after=1, resolve_after=2, repeat_after=3 * HOUR), retraining=None)


class Counting(Unsteady):
    """A store that counts how often it is asked for silences."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def silences(self, *, at: datetime | None = None) -> Sequence[Silence]:
        self.asked += at is not None
        return super().silences(at=at)


def a_bad_world(model=QUICK, *, ages: bool = False, store: Unsteady | None = None) -> World:  # type: ignore[no-untyped-def]
    world = World(store=store or Counting(), models=(model,), routes=Routes(people=("slack",)), ages=ages)
    world.store.add_reference(the_reference(), activate=True, at=world.clock.now())
    world.crash()
    return world


def hours(world: World, *factors: float, first: int = 0) -> None:
    """Judge these hours: 60 is a fault, 1 is well."""
    for hour, times in enumerate(factors, start=first):
        put_hour(world, hour, times)
    world.read_all()
    world.judge.finish()


def silence(world: World, **matches: str) -> Silence:
    made = new_silence(model=matches.pop("model", "m"), until=world.clock.now() + HOUR, by="eve", at=world.clock.now(), **matches)  # type: ignore[arg-type]
    assert world.store.add_silence(made, silence_audit(made, by="eve", at=world.clock.now(), via=Via.CLI, action="silence"))
    return made


def ended(world: World, made: Silence) -> None:
    now = world.clock.now()
    entry = silence_audit(made, by="eve", at=now, via=Via.CLI, action="end silence")
    assert world.store.end_silence(made.id, by="eve", at=now, audit=entry)


def told(world: World) -> list[str]:
    return [row.kind for row in world.store.deliveries()]


def reasons(world: World) -> list[str]:
    [incident] = world.store.incidents()
    return [str(event.reason) for event in world.store.incident_events(incident.id)]


@pytest.mark.fault(41)
def test_a_backlog_of_old_bad_windows_is_told_once_when_the_judging_has_caught_up() -> None:
    world = a_bad_world(ages=True)
    world.clock.wall = START + 40 * HOUR
    hours(world, *[60.0] * 37)  # the last one ended three hours ago, and 4 h 10 may have passed
    assert told(world) == ["firing"]
    assert reasons(world) == ["first bad window", "open_after reached", "held back", "told late"]
    [incident] = world.store.incidents()
    assert (incident.notified_at, incident.muted, incident.bad_windows) == (START + 36 * HOUR, None, 37)
    hours(world, 60.0, 60.0, 60.0, first=37)
    assert told(world) == ["firing", "repeat"], "from then on as ever"


@pytest.mark.fault(41)
def test_a_trouble_that_was_over_long_ago_is_told_to_nobody_and_stands_in_the_history() -> None:
    world = a_bad_world(ages=True)
    hours(world, 1, 60, 60, 1, 1)
    assert told(world) == []
    assert reasons(world) == ["first bad window", "open_after reached", "held back", "resolve_after reached"]
    [incident] = world.store.incidents()
    assert (incident.state, incident.muted) == (IncidentState.RESOLVED, "old window")
    assert isinstance(world.store, Counting)
    assert world.store.asked == 0, "what is old is not told anyway"


@pytest.mark.fault(41)
def test_a_window_that_ended_just_now_still_reminds() -> None:
    world = a_bad_world(replace(QUICK, alerts=replace(QUICK.alerts, repeat_after=HOUR)), ages=True)
    world.clock.wall = START + 3 * HOUR
    hours(world, 60, 60, 60)
    assert told(world) == ["firing", "repeat", "repeat"]


def test_the_end_of_a_run_knows_which_incidents_were_too_old() -> None:
    world = a_bad_world(ages=True)
    world.clock.wall = START + 40 * HOUR
    muting = Muting(world.store, world.clock)
    world.judge._muting = muting  # what the daemon's parts share
    hours(world, 60)
    [incident] = world.store.incidents()
    assert muting.old == {incident.id}
    world.clock.wall = START + 3 * HOUR
    hours(world, 60, first=1)
    assert muting.old == frozenset()
    assert told(world) == ["firing"]


def test_a_silence_holds_a_message_back_and_the_next_bad_window_after_it_tells() -> None:
    world = a_bad_world()
    made = silence(world)
    hours(world, 60, 60)
    assert told(world) == []
    [incident] = world.store.incidents()
    assert (incident.state, incident.muted) == (IncidentState.FIRING, "silenced")
    [line] = [event for event in world.store.incident_events(incident.id) if event.reason == "held back"]
    assert made.id in line.detail
    world.clock.advance(2 * HOUR)
    hours(world, 60, first=2)
    [delivery] = world.store.deliveries()
    message = from_body(world.store.claim("slack", owner="me", lease=1, limit=1, now=world.clock.now())[0].body, IncidentMessage)
    assert (delivery.kind, message.reason, message.since, message.bad_windows) == ("firing", "told late", START, 3)


def test_silences_do_not_lose_the_end_of_what_was_told() -> None:
    world = a_bad_world()
    hours(world, 60)
    silence(world, model="*")
    hours(world, 60, 60, 60, 1, 1, first=1)
    assert told(world) == ["firing", "resolved"]


def test_a_column_that_is_not_silenced_is_told() -> None:
    world = a_bad_world()
    silence(world, column="carrier")
    hours(world, 60)
    assert told(world) == ["firing"], "it is delay that is in seconds"
    other = a_bad_world()
    silence(other, column="delay", check="drift")
    hours(other, 60)
    alerts = {(r.check, r.column) for r in other.store.results() if r.verdict == "alert"}
    assert alerts >= {("drift", "delay")}
    assert told(other) == ([] if alerts == {("drift", "delay")} else ["firing"])


def test_a_silence_that_ends_early_is_over() -> None:
    world = a_bad_world()
    made = silence(world)
    ended(world, made)
    hours(world, 60)
    assert told(world) == ["firing"]


def test_silences_are_looked_up_only_where_there_is_something_to_tell() -> None:
    world = a_bad_world()
    assert isinstance(world.store, Counting)
    hours(world, *[1.0] * 8)
    assert world.store.asked == 0
    hours(world, 60, 60, 1, 1, first=8)
    assert world.store.asked == 1, "when it fires; who was told is told of its end"


def test_what_labels_show_is_silenced_too_and_told_by_the_next_labels(tmp_path: Path) -> None:
    world = with_reference(a_world(), tmp_path)
    for hour in range(4):
        predict(world, hour)
    go(world)
    label(world, 0, wrong=24)
    made = silence(world, check="performance")
    go(world)
    incident = world.store.open_incident("m")
    assert incident is not None
    assert (incident.checks, incident.muted, told(world)) == (("performance",), "silenced", [])
    ended(world, made)
    label(world, 1, wrong=24)
    go(world)
    assert told(world) == ["firing"]
    assert reasons(world) == ["first bad window", "open_after reached", "held back", "told late"]


def test_windows_in_maintenance_keep_their_verdicts_and_move_no_incident() -> None:
    rules = replace(QUICK, alerts=replace(QUICK.alerts, maintenance=(OneOff(starts=START + HOUR, ends=START + 3 * HOUR, reason="moving"),)))
    world = a_bad_world(rules)
    hours(world, 60, 60, 60, 1, 1)
    [incident] = world.store.incidents()
    assert (incident.bad_windows, incident.state, told(world)) == (1, IncidentState.RESOLVED, ["firing", "resolved"])
    assert {r.window_start for r in world.store.results() if r.verdict == "alert"} == {START + n * HOUR for n in range(3)}
    assert reasons(world) == ["first bad window", "open_after reached", "stands still in maintenance", "resolve_after reached"]
    calm = a_bad_world(replace(rules, alerts=replace(rules.alerts, maintenance=(OneOff(starts=START, ends=START + 9 * HOUR),))))
    hours(calm, 60, 60, 1, 1)
    assert calm.store.incidents() == []


def test_a_replay_asks_who_would_have_been_told_at_the_time() -> None:
    world = a_bad_world(ages=True)
    hours(world, 1, 60, 60, 1, 1)
    silence(world)
    last = rejudge(world.store, QUICK, world.clock)[-1]
    assert last.incident is not None
    assert (last.incident.state, last.incident.muted, last.incident.notified_at) == (IncidentState.RESOLVED, None, START + 2 * HOUR)


# --- conditions ----------------------------------------------------------------------------------------------

TROUBLE = Trouble(condition=Condition.KAFKA_UNREACHABLE, said="no broker answers")
TOLD = Routes(people=("slack",))


def watch(store: MemoryStore, clock: ManualClock, troubles: list[Trouble]) -> SelfWatch:
    return SelfWatch(store=store, clock=clock, telling=Telling({EVERY_MODEL: TOLD}), probes=[lambda: troubles])


def quiet(store: MemoryStore, clock: ManualClock, made: Silence) -> None:
    assert store.add_silence(made, silence_audit(made, by="eve", at=clock.now(), via=Via.API, action="silence"))


def test_a_condition_obeys_a_silence_of_its_kind_and_is_told_once_by_two_replicas_when_that_ends() -> None:
    store, clock, troubles = MemoryStore(), ManualClock(), [TROUBLE]
    quiet(store, clock, new_silence(model="*", check="kafka_unreachable", until=clock.now() + HOUR, by="eve", at=clock.now()))
    one, two = watch(store, clock, troubles), watch(store, clock, troubles)
    one.sweep()
    [incident] = store.incidents()
    assert (store.deliveries(), incident.muted) == ([], "silenced")
    [line] = store.incident_events(incident.id)
    assert "held back: silenced" in line.detail
    clock.advance(HOUR)
    for each in (one, two, one):
        each.sweep()
    assert [row.kind for row in store.deliveries()] == ["firing"]
    assert [str(event.reason) for event in store.incident_events(incident.id)] == ["the condition stands", "told late"]
    troubles.clear()
    clock.advance(HOUR)
    one.sweep()
    assert [row.kind for row in store.deliveries()] == ["firing", "resolved"]


def test_a_condition_that_passes_within_its_silence_is_told_to_nobody() -> None:
    store, clock, troubles = MemoryStore(), ManualClock(), [TROUBLE]
    quiet(store, clock, new_silence(model="*", until=clock.now() + 9 * HOUR, by="eve", at=clock.now()))
    own = watch(store, clock, troubles)
    own.sweep()
    troubles.clear()
    clock.advance(HOUR)
    own.sweep()
    [incident] = store.incidents()
    assert (incident.state, store.deliveries()) == (IncidentState.RESOLVED, [])


def test_a_silence_of_another_kind_holds_no_condition_back() -> None:
    store, clock = MemoryStore(), ManualClock()
    quiet(store, clock, new_silence(model="*", check="drift", until=clock.now() + HOUR, by="eve", at=clock.now()))
    watch(store, clock, [TROUBLE]).sweep()
    assert [row.kind for row in store.deliveries()] == ["firing"]


def test_what_two_replicas_tell_late_at_one_moment_is_one_message() -> None:
    """Both have read the condition before either wrote."""
    store, clock = MemoryStore(), ManualClock()
    quiet(store, clock, new_silence(model="*", until=clock.now() + HOUR, by="eve", at=clock.now()))
    watch(store, clock, [TROUBLE]).sweep()
    clock.advance(HOUR)
    stale: list[Incident] = list(store.open_conditions())
    watch(store, clock, [TROUBLE]).sweep()
    late = Muting(store, clock).late(stale[0])
    assert late is not None
    assert late.incident is not None
    clock.advance(timedelta(seconds=1))
    store.save_incident(late.incident, late.events[0], Telling({EVERY_MODEL: TOLD}).condition(late))
    assert [row.kind for row in store.deliveries()] == ["firing"]


def test_an_incident_is_silenced_alone() -> None:
    world = a_bad_world()
    hours(world, 60)
    incident = world.store.open_incident("m")
    assert incident is not None
    made = silence_for(incident, until=world.clock.now() + HOUR, by="eve", at=world.clock.now())
    world.store.add_silence(made, silence_audit(made, by="eve", at=world.clock.now(), via=Via.SLACK, action="silence"))
    hours(world, 60, 60, 60, 60, 1, 1, 60, first=1)
    assert told(world) == ["firing", "resolved", "firing"], "no reminder of the first, and the second is another incident"


def test_what_becomes_of_a_request_to_retrain_is_not_told_while_its_incident_is_held_back_but_approval_is_asked_for() -> None:
    world = a_bad_world(ages=True)
    hours(world, 60)
    held = world.store.open_incident("m")
    assert held is not None
    failed = Retraining(id="ret_1", model="m", version="1", state=RetrainingState.FAILED, reason="drift", incident=held.id, columns=(),
                        requested_at=START, updated_at=START)
    telling = Telling({"m": TOLD}, told=world.store.told, incident=world.store.incident)
    assert telling.retraining_status(failed) == ()
    assert telling.retraining_status(replace(failed, state=RetrainingState.PROPOSED)) != ()
    assert telling.retraining_status(replace(failed, incident=None)) != ()
    did_not = Answer(helped=Helped.DID_NOT, final=True, sentence="retraining did not help")
    assert telling.verdict(failed, did_not, "roc_auc") == ()
    assert telling.verdict(replace(failed, incident=None), did_not, "roc_auc") != ()
    world.clock.wall = START + 2 * HOUR
    hours(world, 60, first=1)
    assert told(world) == ["firing"]
    assert telling.retraining_status(failed) != ()
    assert telling.verdict(failed, did_not, "roc_auc") != ()
