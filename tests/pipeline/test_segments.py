"""Segments from the log to the message: to the row whatever happens on the way, judged apart, and named where they explain an alert."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from datetime import datetime
from functools import reduce

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.profile import CategoricalProfile, Profile
from monitor.core.reference import Reference, SegmentPart
from monitor.core.results import ALL_ROWS, Account, Check, Verdict
from monitor.core.rules import DriftRules
from monitor.core.schema import CategoricalValues
from monitor.doubles.log import MemoryLog
from monitor.pipeline import Routes
from monitor.ports import Store, StoredWindow, TopicPartition
from tests.core.judged import Data, drawn, numeric, reference_of
from tests.pipeline.test_any_order import OPS, Row, do, partitions
from tests.pipeline.world import HOUR, MODEL, P0, START, TOPIC, Unsteady, World, message

CARRIERS, SHARES, ROWS = "ABC", [0.5, 0.3, 0.2], 900
RULES = replace(MODEL, segments=("carrier",), min_rows=50, drift=DriftRules())


def hour_of(seed: int) -> Data:
    rng = np.random.default_rng(seed)
    return {"delay": numeric(rng.normal(20, 5, ROWS)), "carrier": drawn(rng, CARRIERS, SHARES, ROWS)}


def of_carrier(data: Data, at: int) -> Data:
    chosen = data["carrier"]
    assert isinstance(chosen, CategoricalValues)
    return {name: values.take(chosen.codes == at) for name, values in data.items()}


def the_reference(own: str = CARRIERS) -> Reference:
    """Thirty quiet hours, with the segments of some carriers."""
    hours = [hour_of(1000 + i) for i in range(30)]
    plain = replace(reference_of(hours), window=HOUR)
    parts = {c: reference_of([of_carrier(hour, CARRIERS.index(c)) for hour in hours], grid=plain.grid) for c in own}
    return replace(plain, segments={"carrier": {c: SegmentPart(profile=part.profile, baseline=part.baseline) for c, part in parts.items()}})


WITH_ALL, WITH_TWO = the_reference(), the_reference("AB")


def world_of(store: Store, reference: Reference = WITH_ALL, *, log: MemoryLog | None = None) -> World:
    made = World(store=store, models=(RULES,), routes=Routes(people=("slack",)), log=log or MemoryLog({TOPIC: 3}))
    made.store.add_reference(reference, activate=True, at=made.clock.now())
    made.crash()
    return made


def put_hour(world: World, hour: int, times: dict[str, float] | None = None) -> None:
    data = hour_of(hour)
    carrier, delay = data["carrier"], data["delay"]
    assert isinstance(carrier, CategoricalValues)
    for i, (code, minutes) in enumerate(zip(carrier.codes, delay.values, strict=True)):  # type: ignore[union-attr]
        name = CARRIERS[code]
        value = float(minutes) * (times or {}).get(name, 1.0)
        world.put(TopicPartition(TOPIC, i % 3), message(f"{hour}-{i}", 60 * hour + 60 * i / ROWS, value, name))


def windows_of(world: World, start: datetime) -> dict[str, StoredWindow]:
    return {window.key.segment: window for window in world.store.windows("m", start)}


# --- to the row --------------------------------------------------------------------------------------------------


def by_hand(logs: list[list[Row]]) -> dict[tuple[datetime, str], Account]:
    """Each id of a partition counts once in its window; C has no segment of its own."""
    counted: defaultdict[tuple[datetime, str], set[tuple[int, Row]]] = defaultdict(set)
    received: Counter[tuple[datetime, str]] = Counter()
    for number, rows in enumerate(logs):
        for row in rows:
            for segment in (ALL_ROWS, f"carrier={row.carrier if row.carrier in 'AB' else '(other)'}"):
                where = START + (row.minutes // 60) * HOUR, segment
                counted[where].add((number, row))
                received[where] += 1
    return {where: Account(counted=len(rows), duplicate=received[where] - len(rows)) for where, rows in counted.items()}


@pytest.mark.fault(23)
@settings(max_examples=60)
@given(logs=partitions(), ops=st.lists(st.sampled_from(OPS), max_size=30), at_a_time=st.integers(1, 9))
def test_segments_are_those_of_plain_python_and_add_up_whatever_happens_on_the_way(
    logs: list[list[Row]], ops: list[str], at_a_time: int
) -> None:
    world = world_of(Unsteady(), WITH_TWO, log=MemoryLog({TOPIC: 3}, max_records=at_a_time))
    for number, rows in enumerate(logs):
        world.put(TopicPartition(TOPIC, number), *(row.bytes() for row in rows))
    for op in ops:
        do(op, world)
    world.read_all()
    accounts = {(w.key.start, w.key.segment): w.account for w in world.store.window_accounts(model="m") if w.account != Account()}
    assert accounts == by_hand(logs)
    for start in {start for start, _ in accounts}:
        windows = windows_of(world, start)
        whole = windows.pop(ALL_ROWS).profile
        assert whole is not None
        assert reduce(Profile.merge, (w.profile for w in windows.values() if w.profile is not None)).columns == whole.columns
    assert sum(count.received for count in world.store.stream_counts()) == sum(map(len, logs))


def test_what_comes_after_sealing_is_late_in_its_segment_and_the_stream_counts_it_once(any_store: Store) -> None:
    world = world_of(any_store)
    world.put(P0, message("a", 0, carrier="A"))
    world.read_all()
    world.judge.finish()
    world.put(P0, message("b", 1, carrier="A"), message("c", 2, carrier="X"))
    world.read_all()
    accounts = {segment: window.account for segment, window in windows_of(world, START).items()}
    assert accounts == {
        ALL_ROWS: Account(counted=1, late=2), "carrier=A": Account(counted=1, late=1), "carrier=(other)": Account(late=1),
    }  # fmt: skip
    [count] = world.store.stream_counts()
    assert (count.received, count.counted, count.late) == (3, 1, 2)


def test_a_value_that_the_reference_does_not_know_is_counted_with_the_others_whoever_comes_first() -> None:
    orders = ["ABXYB", "YXBBA"]
    found = []
    for order in orders:
        world = world_of(Unsteady(), WITH_TWO)
        world.put(P0, *(message(f"{i}", i, carrier=carrier) for i, carrier in enumerate(order)), message("n", 9, carrier=None))
        world.read_all()
        found.append({segment: window.account.counted for segment, window in windows_of(world, START).items()})
    assert found[0] == found[1] == {ALL_ROWS: 6, "carrier=A": 1, "carrier=B": 2, "carrier=(other)": 2, "carrier=(null)": 1}


def test_without_a_reference_nothing_is_kept_apart() -> None:
    world = World(models=(RULES,))
    world.put(P0, message("a", 0))
    world.read_all()
    assert set(windows_of(world, START)) == {ALL_ROWS}


def test_a_new_reference_brings_its_own_values() -> None:
    world = world_of(Unsteady(), WITH_TWO)
    assert world.reader is not None
    world.put(P0, message("a", 0, carrier="C"))
    world.read_all()
    world.store.add_reference(WITH_ALL, activate=True, at=world.clock.now())
    world.clock.advance(HOUR)
    world.put(P0, message("b", 1, carrier="C"))
    world.read_all()
    assert {s: w.account.counted for s, w in windows_of(world, START).items()} == {ALL_ROWS: 2, "carrier=(other)": 1, "carrier=C": 1}


# --- verdicts ----------------------------------------------------------------------------------------------------


def test_every_segment_is_judged_and_a_calm_story_raises_nothing(any_store: Store) -> None:
    world = world_of(any_store)
    for hour in range(3):
        put_hour(world, hour)
    world.read_all()
    world.judge.finish()
    results = world.store.results()
    judged = {r.segment for r in results if r.check is Check.DRIFT and r.column == "delay" and r.verdict is Verdict.OK}
    assert judged == {ALL_ROWS, "carrier=A", "carrier=B", "carrier=C"}
    assert {r.verdict for r in results} == {Verdict.OK}
    assert world.store.open_incident("m") is None


def test_an_alert_of_all_rows_says_which_segment_explains_it(any_store: Store) -> None:
    world = world_of(any_store)
    put_hour(world, 0)
    put_hour(world, 1, {"B": 60.0})
    world.read_all()
    world.judge.finish()
    incident = world.store.open_incident("m")
    assert incident is not None
    assert incident.cause.startswith("delay: mean 20 → 1,190, about ×60 (unit change)"), "told of the one segment, not of the mixture"
    assert ", only carrier=B (" in incident.cause
    bad = {(r.segment, r.column) for r in world.store.results(verdicts=[Verdict.ALERT]) if r.check is Check.DRIFT}
    assert {segment for segment, _ in bad} == {ALL_ROWS, "carrier=B"}


def test_a_segment_that_alone_drifts_opens_an_incident_that_names_it() -> None:
    """A fifth of the rows move a little: too little to be seen in all of them."""
    world = world_of(Unsteady())
    put_hour(world, 0, {"C": 1.19})
    world.read_all()
    world.judge.finish()
    assert {r.segment for r in world.store.results(verdicts=[Verdict.ALERT])} == {"carrier=C"}
    incident = world.store.open_incident("m")
    assert incident is not None
    assert incident.cause.startswith("delay: mean 19.9 → 23.5")
    assert incident.cause.endswith(", only carrier=C")


def test_the_account_that_people_are_told_is_that_of_all_rows() -> None:
    world = world_of(Unsteady())
    put_hour(world, 0, dict.fromkeys(CARRIERS, 60.0))
    world.read_all()
    world.judge.finish()
    [told] = world.store.claim("slack", owner="o", lease=1, limit=9, now=world.clock.now())
    assert told.body["account"]["counted"] == ROWS  # type: ignore[index, call-overload]
    assert "in all segments of carrier" in str(told.body["cause"])


def test_old_references_without_segments_are_counted_apart_and_skipped_with_the_reason() -> None:
    world = world_of(Unsteady(), replace(WITH_ALL, segments={}))
    put_hour(world, 0)
    world.read_all()
    world.judge.finish()
    apart = [r for r in world.store.results() if r.segment != ALL_ROWS]
    assert {(r.verdict, r.segment) for r in apart} == {(Verdict.SKIPPED, f"carrier={c}") for c in CARRIERS}
    assert all("built before the segments were configured" in r.reason for r in apart)
    assert {c.verdict for c in world.store.verdict_counts("m", windows=1)} == {Verdict.OK}


def test_a_category_of_a_segment_is_in_it_alone() -> None:
    world = world_of(Unsteady())
    put_hour(world, 0)
    world.read_all()
    profile = windows_of(world, START)["carrier=B"].profile
    assert profile is not None
    carrier = profile.columns["carrier"]
    assert isinstance(carrier, CategoricalProfile)
    assert np.flatnonzero(carrier.counts).tolist() == [carrier.grid.positions["B"]]
