"""After retraining: the verdict comes from labels, goes into the incident's thread, and is given once."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from monitor.core.helped import waits_for
from monitor.core.incidents import Incident, IncidentEvent, IncidentState, TransitionReason
from monitor.core.messages import from_body
from monitor.core.results import Verdict
from monitor.core.retraining import Helped, Retraining, RetrainingEvent, RetrainingState
from monitor.core.rules import PerformanceRules, RetrainingRules
from monitor.core.verdict_message import RETRAINING_VERDICT, RetrainingVerdict
from monitor.doubles.log import MemoryLog
from monitor.doubles.store import MemoryStore
from monitor.pipeline import References, RetrainingLoop, Routes, Telling
from monitor.ports import Judgement, Store
from tests.pipeline.test_labelling import L0, LABELS, P0
from tests.pipeline.test_labelling import MODEL as HOURLY
from tests.pipeline.world import START, TOPIC, World

DAY = timedelta(days=1)
RULES = PerformanceRules(metrics=("mean_error", "accuracy"), max_drop=0.1, label_delay=2 * DAY, min_labelled=100)
MODEL = replace(HOURLY, window=DAY, performance=RULES, retraining=RetrainingRules(when={"performance": 2}))
ROWS = 60
STAMP = int((START + 90 * DAY).timestamp() * 1000)
ASKED = START + 3 * DAY
PEOPLE = Routes(people=("slack", "mail"), retraining="ci", page_url="http://driftd.example")


def a_world(store: Store | None = None) -> World:
    return World(models=(MODEL,), log=MemoryLog({TOPIC: 1, LABELS: 2}), routes=PEOPLE, store=store or MemoryStore())


def loop_of(world: World, model=MODEL) -> RetrainingLoop:  # type: ignore[no-untyped-def]
    return RetrainingLoop(store=world.store, models=(model,), references=References(world.store, world.clock), clock=world.clock,
                          metrics=world.metrics, telling=Telling({"m": PEOPLE}))


def live(world: World, day: int, wrong: dict[str, int], *, labelled: bool = True) -> None:
    """A day: ``ROWS`` predictions of each version, ``wrong`` of which did not come true; their labels come at its end."""
    for version, misses in wrong.items():
        for n in range(ROWS):
            at, id = START + day * DAY + n * timedelta(minutes=20), f"{version}-{day}-{n}"
            said = {"id": id, "ts": at.isoformat(), "v": version, "delay": 5 + n % 7 / 7, "late": n % 2}
            world.log.append(P0, json.dumps(said).encode(), timestamp=STAMP)
            if labelled:
                came = {"id": id, "ts": (at + DAY).isoformat(), "came": n % 2 if n >= misses else 1 - n % 2}
                world.log.append(L0, json.dumps(came).encode(), timestamp=STAMP)


def go(world: World) -> None:
    world.read_all()
    world.judge.sweep()
    while world.labelling.sweep():
        world.clock.advance(timedelta(seconds=1))


def retrained(store: Store, **changes: object) -> Retraining:
    """A request whose trainer is done."""
    plain = Retraining(id="ret_1", model="m", version="1", state=RetrainingState.SUCCEEDED, reason="performance alerted",
                       incident=None, columns=(), requested_at=ASKED, new_version="2")
    asked = replace(plain, **changes)  # type: ignore[arg-type]
    assert store.add_retraining(asked, RetrainingEvent(retraining=asked.id, at=ASKED, before=None, after=asked.state))
    return asked


def an_incident(store: Store, since: datetime = START) -> Incident:
    found = Incident(id="inc_1", model="m", state=IncidentState.FIRING, severity=Verdict.ALERT, since=since, updated_at=ASKED)
    opened = IncidentEvent(incident="inc_1", at=ASKED, before=None, after=IncidentState.FIRING, reason=TransitionReason.FIRST_BAD_WINDOW)
    progress = store.progress("m")
    assert store.record(Judgement(model="m", judged_until=progress.judged_until or START, previous=progress.judged_until, results=(),
                                  incident=found, events=(opened,)))
    return found


def test_a_better_version_beside_the_old_one_is_told_in_the_incidents_thread(any_store):
    world = a_world(any_store)
    an_incident(world.store)
    retrained(world.store, incident="inc_1")
    loop = loop_of(world)
    for day in range(21):
        live(world, day, {"1": 18} if day < 4 else {"1": 18, "2": 3})
        go(world)
        if loop.sweep():
            break
    found = world.store.retraining("ret_1")
    assert found is not None
    assert found.helped is Helped.HELPED
    assert found.state is RetrainingState.SUCCEEDED
    assert found.verdict.startswith("retraining helped: accuracy +0.25 [")
    assert "realised; version 2 instead of 1, side by side with it" in found.verdict
    assert day < 4 + 14, "so clear a difference needs no two weeks"
    told = [row for row in world.store.deliveries() if row.kind == RETRAINING_VERDICT]
    assert [(row.receiver, row.incident) for row in told] == [("slack", "inc_1"), ("mail", "inc_1")]
    [line] = [e for e in world.store.retraining_events("ret_1") if e.before is RetrainingState.SUCCEEDED]
    assert (line.after, line.by, line.detail) == (RetrainingState.SUCCEEDED, "", found.verdict)
    assert world.metrics.registry.get_sample_value("driftd_retraining_verdicts_total", {"model": "m", "verdict": "helped"}) == 1
    assert loop_of(world).sweep() == 0, "a verdict is given once"


def test_what_is_told_can_be_read_by_machines(any_store):
    world = a_world(any_store)
    retrained(world.store)
    for day in range(21):
        live(world, day, {"1": 18} if day < 4 else {"1": 18, "2": 3})
    go(world)
    assert loop_of(world).sweep() == 1
    bodies = [delivery.body for delivery in world.store.claim("slack", owner="me", lease=60, limit=9, now=world.clock.now())
              if delivery.kind == RETRAINING_VERDICT]
    [said] = [from_body(body, RetrainingVerdict) for body in bodies]
    assert (said.retraining, said.version, said.new_version, said.helped, said.metric) == ("ret_1", "1", "2", Helped.HELPED, "accuracy")
    assert said.difference == pytest.approx(0.25)
    assert said.low is not None
    assert said.low > 0
    assert (said.url, said.estimated) == ("http://driftd.example/models/m", False)
    assert said.sentence.startswith("m: retraining helped: accuracy +0.25")


def test_no_verdict_comes_of_labels_that_are_still_coming():
    world = a_world()
    retrained(world.store)
    for day in range(8):
        live(world, day, {"1": 18, "2": 3} if day > 3 else {"1": 18})
    go(world)
    assert loop_of(world).sweep() == 0, "of days 4 to 6 one alone is two days over"
    assert world.store.retraining("ret_1").verdict == ""


def test_who_took_the_place_of_the_old_one_is_held_against_its_days_after_the_request():
    world = a_world()
    retrained(world.store)
    rng = np.random.default_rng(1)
    for day in range(28):
        live(world, day, {"1": int(rng.integers(16, 20))} if day < 8 else {"2": int(rng.integers(2, 5))})
    go(world)
    assert loop_of(world).sweep() == 1
    found = world.store.retraining("ret_1")
    assert found.helped is Helped.HELPED
    assert found.verdict.endswith("against its windows after the request, which are other days")


def test_without_labels_it_gives_up_after_a_month_and_says_so():
    world = a_world()
    retrained(world.store)
    loop = loop_of(world)
    for day in range(4 + waits_for(DAY).days + 6):
        live(world, day, {"1": 18} if day < 4 else {"2": 3}, labelled=False)
        go(world)
        if loop.sweep():
            break
    found = world.store.retraining("ret_1")
    assert found.helped is None
    assert found.verdict.startswith("whether retraining helped could not be told within 30d: version 2 has 0 estimated windows")
    assert day == 4 + 30 + 2, "label_delay is waited for besides"
    assert world.metrics.registry.get_sample_value("driftd_retraining_verdicts_total", {"model": "m", "verdict": "unknown"}) == 1


def test_a_version_that_never_came_is_told_after_a_month_too():
    world = a_world()
    retrained(world.store)
    for day in range(3 + 30 + 2 + 2):
        live(world, day, {"1": 18})
    go(world)
    assert loop_of(world).sweep() == 1
    assert "could not be told within 30d" in world.store.retraining("ret_1").verdict


@pytest.mark.parametrize(("model", "new", "said"), [
    (replace(MODEL, performance=None), "2", "the model's performance is not watched"),
    (MODEL, "1", "version 1 is the one that was there"),
    (replace(MODEL, performance=replace(RULES, metrics=("mean_error",))), "2", "no metric of the model has a better side"),
])
def test_what_can_never_be_told_is_said_at_once(model, new, said):
    world = a_world()
    live(world, 0, {"1": 3})
    live(world, 2, {"1": 3})
    go(world)
    retrained(world.store, new_version=new)
    assert loop_of(world, model).sweep() == 1
    assert world.store.retraining("ret_1").verdict == f"whether retraining helped cannot be told: {said}"


def test_requests_that_are_not_done_are_left_alone():
    world = a_world()
    live(world, 0, {"1": 3})
    live(world, 2, {"1": 3})
    go(world)
    for id, changes in (("a", {"state": RetrainingState.RUNNING}), ("b", {"new_version": None}), ("c", {"state": RetrainingState.FAILED})):
        retrained(world.store, id=id, **changes)
    assert loop_of(world).sweep() == 0
    assert {found.verdict for found in world.store.retrainings()} == {""}


def test_two_replicas_give_one_verdict():
    world = a_world()
    retrained(world.store)
    for day in range(21):
        live(world, day, {"1": 18} if day < 4 else {"1": 18, "2": 3})
    go(world)
    first, second = loop_of(world), loop_of(world)
    asked = world.store.retrainings()
    assert first.sweep() == 1
    world.store.retrainings = lambda model=None: asked  # read before the first one wrote
    assert second.sweep() == 0
    assert len([row for row in world.store.deliveries() if row.kind == RETRAINING_VERDICT]) == 2


def test_damaged_counts_are_left_out_and_told(monkeypatch):
    world = a_world()
    retrained(world.store)
    for day in range(21):
        live(world, day, {"1": 18} if day < 4 else {"1": 18, "2": 3})
    go(world)
    kept = world.store.tallies("m")
    broken = [replace(tally, data=b"?") if n % 5 == 0 else tally for n, tally in enumerate(kept)]
    monkeypatch.setattr(world.store, "tallies", lambda _model, _since=None, *, segment=None: broken)
    assert loop_of(world).sweep() == 1
    assert world.store.retraining("ret_1").helped is Helped.HELPED


def test_it_does_not_look_again_before_a_window_is_over(monkeypatch):
    world = a_world()
    retrained(world.store)
    live(world, 0, {"1": 3})
    live(world, 2, {"1": 3})
    go(world)
    loop, looks = loop_of(world), []
    plain = world.store.tallies
    monkeypatch.setattr(world.store, "tallies", lambda *given, **named: looks.append(1) or plain(*given, **named))
    assert [loop.sweep() for _ in range(3)] == [0, 0, 0]
    assert len(looks) == 1
