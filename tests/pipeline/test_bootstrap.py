"""A version that comes without a reference: its own first good windows, as soon as there are enough."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from monitor.core.incidents import Incident, IncidentEvent, IncidentState, TransitionReason
from monitor.core.reference import Source, source_of
from monitor.core.results import Check, Result, Verdict
from monitor.core.retraining import Retraining, RetrainingEvent, RetrainingState
from monitor.core.rules import DriftRules, Model, PerformanceRules, RetrainingRules, Rolling, Stream, StreamKind, Switch, Task
from monitor.core.schema import Column, Kind, Role
from monitor.doubles.log import MemoryLog
from monitor.pipeline.from_windows import MOST_WINDOWS, references_from_windows, starts_within
from monitor.ports import Judgement, Store
from tests.core.judged import drawn, numeric, reference_of
from tests.pipeline.world import HOUR, MODEL, P0, STAMP, START, TOPIC, TopicPartition, Unsteady, World

ROWS = 300
PLAIN = replace(MODEL, allowed_lateness=0 * HOUR, bootstrap=7, drift=DriftRules(multivariate=False))
ANNOUNCED = replace(PLAIN, bootstrap=None, retraining=RetrainingRules(when={"drift": 3}))
L0 = TopicPartition("labels", 0)


def data(hour: int, moved: float = 0.0, n: int = ROWS):  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(500 + hour)
    return {"delay": numeric(rng.normal(10 + moved, 5, n)), "carrier": drawn(rng, "ABC", (0.5, 0.3, 0.2), n)}


def log_of(model: Model) -> MemoryLog:
    return MemoryLog({TOPIC: 1} | ({"labels": 1} if model.performance else {}))


def world_of(model: Model = PLAIN, store: Store | None = None, version: str = "1") -> World:
    world = World(models=(model,), log=log_of(model), store=store or Unsteady())
    built = replace(reference_of([data(-n) for n in range(1, 30)]), version=version, window=HOUR, provenance={"file": "before.parquet"})
    world.store.add_reference(built, activate=True, at=world.clock.now())
    return world


def live(world: World, hours: range, sent: Mapping[str, float], n: int = ROWS, labelled: float = 0.0) -> None:
    """Hour by hour: the rows of each version, so far moved; the windows before are judged. ``labelled``: how many labels are wrong."""
    for hour in hours:
        for version, moved in sent.items():
            found = data(hour, moved, n)
            for row, (delay, code) in enumerate(zip(found["delay"].values, found["carrier"].codes, strict=True)):
                at, id = (START + hour * HOUR + row * HOUR / n), f"{version}-{hour}-{row}"
                said = {"id": id, "ts": at.isoformat(), "v": version, "delay": float(delay), "carrier": "ABC"[code], "late": row % 2}
                world.log.append(P0, json.dumps(said).encode(), timestamp=STAMP)
                if labelled:
                    came = row % 2 if row % 100 >= 100 * labelled else 1 - row % 2
                    label = {"id": id, "ts": (at + HOUR).isoformat(), "came": came}
                    world.log.append(L0, json.dumps(label).encode(), timestamp=STAMP)
        world.read_all()
        while labelled and world.labelling.sweep():
            world.clock.advance(timedelta(seconds=1))
        world.judge.sweep()


def drift(world: World, hour: int, version: str = "2") -> Result:
    found = [r for r in world.store.results(check=Check.DRIFT) if r.window_start == START + hour * HOUR and r.version == version]
    (only,) = [r for r in found if r.column in ("delay", None)]
    return only


def made(world: World, version: str = "2") -> list[tuple[int, bool, str]]:
    return [(r.number, r.active, source_of(r.provenance)) for r in world.store.references("m") if r.version == version]


def announce(store: Store, version: str = "2", incident: str | None = None) -> None:
    done = Retraining(id="ret_1", model="m", version="1", state=RetrainingState.SUCCEEDED, reason="drift", incident=incident, columns=(),
                      requested_at=START, new_version=version)
    store.add_retraining(done, RetrainingEvent(retraining="ret_1", at=START, before=None, after=done.state))


def put_incident(store: Store, since: int, until: int | None, id: str = "inc_1") -> None:
    """One of the model that fired, from one hour to another."""
    at, end = START + since * HOUR, None if until is None else START + until * HOUR
    found = Incident(id=id, model="m", state=IncidentState.FIRING if end is None else IncidentState.RESOLVED, severity=Verdict.ALERT,
                     since=at, updated_at=end or at + HOUR, fired_at=at + HOUR, resolved_at=end)
    line = IncidentEvent(incident=id, at=at, before=None, after=found.state, reason=TransitionReason.OPEN_AFTER_REACHED)
    progress = store.progress("m")
    assert store.record(Judgement(model="m", judged_until=progress.judged_until or START, previous=progress.judged_until, results=(),
                                  incident=found, events=(line,)))


def test_a_version_is_judged_by_its_own_first_windows_once_there_are_enough(any_store):
    world = world_of(store=any_store)
    live(world, range(8), {"1": 0.0, "2": 30.0})
    assert drift(world, 6).verdict is Verdict.SKIPPED
    assert made(world) == [], "seven windows are sealed, and judged; the eighth is the first to have seven before it"
    live(world, range(8, 11), {"1": 0.0, "2": 30.0})
    assert made(world) == [(2, True, "bootstrapped")]
    assert (drift(world, 7).verdict, drift(world, 7).column) == (Verdict.OK, "delay")
    assert drift(world, 7).reference == world.store.active_reference("m", "2").hash
    stored = world.store.active_reference("m", "2")
    assert stored.provenance["windows"] == 7
    assert stored.provenance["time_range"] == ["2013-03-01T00:00:00Z", "2013-03-01T07:00:00Z"]
    assert stored.baseline is not None, "with the limits that seven windows teach"
    live(world, range(11, 13), {"1": 0.0, "2": 60.0})
    assert drift(world, 11).verdict is Verdict.ALERT
    assert drift(world, 11, "1").verdict is Verdict.OK


def test_a_crash_between_makes_the_same_reference():
    first, second = world_of(), world_of()
    live(first, range(10), {"1": 0.0, "2": 30.0})
    live(second, range(7), {"1": 0.0, "2": 30.0})
    second.crash()
    live(second, range(7, 10), {"1": 0.0, "2": 30.0})
    assert first.store.active_reference("m", "2").hash == second.store.active_reference("m", "2").hash


@pytest.mark.parametrize(("model", "version"), [
    (replace(PLAIN, bootstrap=Switch.OFF), "1"), (replace(PLAIN, bootstrap=None), "1"), (PLAIN, "*"), (ANNOUNCED, "1"),
    (replace(PLAIN, recipe=Rolling(reach=14 * HOUR)), "1"),
], ids=["off", "not announced", "all versions have one", "retraining that announced none", "merged"])
def test_nothing_is_learned_where_nobody_asked_for_it(model: Model, version: str):
    world = world_of(model, version=version)
    live(world, range(12), {"2": 0.0})
    assert made(world) == []


@pytest.mark.parametrize("version", ["1", "*"])
def test_what_a_retraining_announced_gets_one_of_seven_windows_by_itself(version: str):
    world = world_of(ANNOUNCED, version=version)
    announce(world.store)
    live(world, range(10), {"2": 0.0})
    assert made(world) == [(2, True, "bootstrapped")]


def test_windows_within_incidents_and_with_few_rows_are_left_out():
    world = world_of()
    put_incident(world.store, 2, 4)
    live(world, range(5), {"2": 0.0})
    live(world, range(5, 6), {"2": 0.0}, n=5)
    live(world, range(6, 12), {"2": 0.0})
    [(_, _, kind)] = made(world)
    stored = world.store.active_reference("m", "2")
    assert kind == Source.BOOTSTRAPPED
    assert stored.provenance["windows"] == 7
    assert stored.profile.rows == 7 * ROWS
    assert stored.provenance["time_range"] == ["2013-03-01T00:00:00Z", "2013-03-01T10:00:00Z"], "hours 2, 3 and 5 are not in it"


def test_the_incident_that_asked_for_retraining_does_not_stand_in_the_way():
    world = world_of(ANNOUNCED)
    put_incident(world.store, 0, None)
    announce(world.store, incident="inc_1")
    live(world, range(10), {"2": 0.0})
    assert made(world) == [(2, True, "bootstrapped")]
    other = world_of(ANNOUNCED)
    put_incident(other.store, 0, None)
    announce(other.store)
    live(other, range(10), {"2": 0.0})
    assert made(other) == [], "any other one does"


def test_windows_on_another_grid_teach_nothing():
    world = World(models=(replace(PLAIN),), log=log_of(PLAIN))
    announce(world.store)
    live(world, range(12), {"2": 0.0})
    assert world.store.references("m") == []


PREDICTION = Column(name="late", kind=Kind.CATEGORICAL, role=Role.PREDICTION, path="late")
LABEL = Column(name="came", kind=Kind.CATEGORICAL, role=Role.LABEL, path="came")
LABELLED = replace(
    PLAIN, task=Task.BINARY, columns=(*PLAIN.columns, PREDICTION),
    performance=PerformanceRules(metrics=("accuracy",), max_drop=0.1, label_delay=3 * HOUR, min_labelled=10),
    streams=(Stream(kind=StreamKind.PREDICTIONS, topic=TOPIC, id="id", time="ts", version="v", columns=(*PLAIN.columns, PREDICTION)),
             Stream(kind=StreamKind.LABELS, topic="labels", id="id", time="ts", columns=(LABEL,))),
)  # fmt: skip


def test_once_the_labels_of_the_first_windows_are_in_it_knows_how_well_the_version_does():
    world = world_of(LABELLED)
    live(world, range(16), {"2": 0.0}, n=100, labelled=0.1)
    assert made(world) == [(2, False, "bootstrapped"), (3, True, "bootstrapped")]
    first, second = world.store.reference("m", 2), world.store.reference("m", 3)
    assert (first.performance, first.profile) == (None, second.profile)
    assert second.performance.tally.usable == 7 * 100
    assert second.performance.windows.values["accuracy"] == pytest.approx((0.9,) * 7)
    live(world, range(16, 22), {"2": 0.0}, n=100, labelled=0.6)
    told = [r for r in world.store.results(check=Check.PERFORMANCE) if r.metric == "accuracy" and r.verdict is Verdict.ALERT]
    assert told
    assert all(r.reference_value == pytest.approx(0.9) for r in told)
    assert made(world)[2:] == [], "and no third one is made"


# --- the primitive -------------------------------------------------------------------------------------------


def test_segments_come_with_it_where_they_have_enough_rows():
    model = replace(PLAIN, segments=("carrier",), min_rows=30)
    world = world_of(replace(model, bootstrap=Switch.OFF), version="*")
    live(world, range(6), {"1": 0.0, "2": 0.0})
    built = references_from_windows(world.store, model, "2", START, START + 5 * HOUR)
    assert built.profile.rows == 5 * ROWS
    assert set(built.segments["carrier"]) == {"A", "B", "C"}
    everything = references_from_windows(world.store, model, "*", START, START + 5 * HOUR)
    assert everything.profile.rows == 10 * ROWS


def test_too_few_windows_are_refused_with_the_reason():
    world = world_of(replace(PLAIN, bootstrap=Switch.OFF))
    live(world, range(1), {"2": 0.0})
    live(world, range(1, 5), {"2": 0.0}, n=5)
    with pytest.raises(Exception, match=r"1 windows of version 2 between .* can be learned from \(3 under min_rows\); 3 are needed"):
        references_from_windows(world.store, world.models[0], "2", START, START + 4 * HOUR)


def test_of_a_long_time_the_last_windows_count():
    assert len(starts_within(PLAIN, START, START + 9999 * HOUR)) == MOST_WINDOWS
    assert starts_within(PLAIN, START, START + 3 * HOUR) == [START, START + HOUR, START + 2 * HOUR]

