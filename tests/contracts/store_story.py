"""Made-up things to store, small and on real grids."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from monitor.core.incidents import Incident, IncidentEvent, IncidentState, TransitionReason
from monitor.core.profile import CategoricalGrid, Grid, NumericGrid, Profile
from monitor.core.reference import Baseline, Reference
from monitor.core.results import Account, Check, Result, Verdict, WindowKey
from monitor.core.schema import Batch, CategoricalValues, NumericValues, Reason
from monitor.ports import Advance, Checkpoint, Judgement, Message, Quarantined, TopicPartition, WindowDelta

HOUR = timedelta(hours=1)
START = datetime(2013, 3, 1, tzinfo=UTC)
NOW = datetime(2026, 5, 4, 12, 0, 0, 123456, tzinfo=UTC)
TP0, TP1 = TopicPartition("flights", 0), TopicPartition("flights", 1)
GRID = Grid({"delay": NumericGrid(edges=np.array([0.0, 10.0, 20.0])), "carrier": CategoricalGrid(categories=("AA", "UA"))})
OTHER_GRID = Grid({"delay": NumericGrid(edges=np.array([5.0]))})


def profile_of(*delays: float, grid: Grid = GRID, carrier: str = "AA") -> Profile:
    profile = Profile.empty(grid, sample_rows=5)
    columns = {
        "delay": NumericValues(values=np.array(delays)),
        "carrier": CategoricalValues(codes=np.zeros(len(delays), dtype=np.int32), dictionary=(carrier,)),
    }
    offsets = np.arange(len(delays)) + round(sum(delays))
    batch = Batch(offsets=offsets, times=np.zeros(len(delays), dtype=np.int64), versions=None, ids=None, columns=columns)
    profile.fold(batch, topic_seed=7)
    return profile


def key(hour: int = 0, *, model: str = "m", version: str = "1", segment: str = "*") -> WindowKey:
    start = START + hour * HOUR
    return WindowKey(model=model, version=version, segment=segment, start=start, end=start + HOUR)


def delta(where: WindowKey, *delays: float, grid: Grid = GRID, **account: int) -> WindowDelta:
    """A delta of these delays; without any, of an account alone."""
    counts = Account(counted=len(delays), **account)
    return WindowDelta(key=where, account=counts, profile=profile_of(*delays, grid=grid) if delays else None)


def advance(partition: TopicPartition, expected: int | None, following: int) -> Advance:
    return Advance(partition=partition, expected=expected, next_offset=following, topic_id="t-1")


def checkpoint(*windows: WindowDelta, advances: tuple[Advance, ...] = (), **parts: object) -> Checkpoint:
    return replace(Checkpoint(at=NOW, advances=advances, windows=windows), **parts)  # type: ignore[arg-type]


def quarantined(offset: int, *, model: str = "m", partition: TopicPartition = TP0, detail: str = "no JSON") -> Quarantined:
    return Quarantined(
        model=model, stream="predictions", partition=partition, offset=offset, reason=Reason.NOT_JSON, detail=detail,
        sample=b"\x00{", at=NOW,
    )  # fmt: skip


def result(hour: int = 0, column: str | None = "delay", *, check: Check = Check.DRIFT, **fields: object) -> Result:
    where = key(hour)
    made = Result(
        model=where.model, version=where.version, segment=where.segment, window_start=where.start, window_end=where.end, check=check,
        column=column, metric="ks", value=0.25, threshold=0.1, p_value=None, verdict=Verdict.ALERT, reason="far off", rows=10,
        reference="abc",
    )  # fmt: skip
    return replace(made, **fields)  # type: ignore[arg-type]


def incident(state: IncidentState = IncidentState.FIRING, *, id: str = "inc_1", hour: int = 0, model: str = "m") -> Incident:
    where = key(hour)
    return Incident(
        id=id, model=model, state=state, severity=Verdict.ALERT, since=where.start, updated_at=where.end, fired_at=where.end, bad_windows=1,
        checks=("drift",), columns=("delay", "carrier"), cause="delay in seconds", summary="drift alert on delay",
    )  # fmt: skip


def event(before: IncidentState | None, after: IncidentState, *, id: str = "inc_1", hour: int = 0) -> IncidentEvent:
    return IncidentEvent(incident=id, at=key(hour).end, before=before, after=after, reason=TransitionReason.FIRST_BAD_WINDOW, detail="d")


def message(dedupe: str, *, receiver: str = "slack", about: str | None = "inc_1") -> Message:
    return Message(receiver=receiver, kind="firing", dedupe=dedupe, incident=about, body={"text": dedupe, "n": [1, None, {"deep": 2.5}]})


def judgement(hour: int = 0, **parts: object) -> Judgement:
    """The judgement of one hour after the one before it."""
    previous = None if hour == 0 else key(hour - 1).end
    return replace(Judgement(model="m", judged_until=key(hour).end, previous=previous, results=(), at=NOW), **parts)  # type: ignore[arg-type]


def reference(*delays: float, model: str = "m", version: str = "1") -> Reference:
    return Reference(
        model=model, version=version, grid=GRID, profile=profile_of(*delays), provenance={"file": "march.parquet", "rows": len(delays)},
        window=HOUR, baseline=Baseline(window_rows=(3,), distances={"delay": {"ks": (0.125,)}}, shares={"delay": {"null": (0.0,)}}),
    )  # fmt: skip
