"""A store as a daemon leaves it after some weeks: what the tests of the API and the page look at."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from monitor.core.audit import Via
from monitor.core.incidents import Incident, IncidentEvent, IncidentState, TransitionReason
from monitor.core.profile import Grid, Profile
from monitor.core.reference import Reference
from monitor.core.results import Account, Check, Result, Verdict, WindowKey
from monitor.core.retraining import Retraining, RetrainingState
from monitor.core.rules import Model, Stream, StreamKind, Task
from monitor.core.schema import Column, Kind, Reason, Role
from monitor.core.silences import Silence, silence_audit
from monitor.ports import Advance, Checkpoint, Judgement, Message, Quarantined, StreamCount, TopicPartition, WindowDelta
from monitor.storage import SqlStore, open_store

DAY = timedelta(days=1)
FIRST = datetime(2013, 3, 1, tzinfo=UTC)
DAYS = 70
FAULT_DAYS = range(66, 69)
OLD_FAULT_DAYS = range(30, 32)
LAST = FIRST + (DAYS - 1) * DAY
OPEN_ID, PAST_ID = "inc-5a1c09", "inc-07be41"
SILENCE_ID, OVER_ID = "sil-4711", "sil-0815"
WITHIN = "within the limit"
SECONDS = "mean 12.6 → 756: 60 times the reference, as minutes given in seconds"
EVIL = "<script>alert(1)</script>"

COLUMNS = (
    Column(name="dep_delay", kind=Kind.NUMERIC),
    Column(name="distance", kind=Kind.NUMERIC),
    Column(name="carrier", kind=Kind.CATEGORICAL),
    Column(name="origin", kind=Kind.CATEGORICAL),
    Column(name="late", kind=Kind.CATEGORICAL, role=Role.PREDICTION),
)


def model(name: str, task: Task = Task.BINARY) -> Model:
    """A configured model with one stream."""
    stream = Stream(kind=StreamKind.PREDICTIONS, topic=f"{name}.predictions", id="id", time="ts", columns=COLUMNS)
    return Model(
        name=name, task=task, window=DAY, allowed_lateness=timedelta(hours=1), min_rows=200, dedupe=True, streams=(stream,), columns=COLUMNS
    )


FLIGHTS, PRICES, NEW = replace(model("flight-delay"), segments=("origin",)), model("fare-price", Task.REGRESSION), model("bag-loss")
MODELS = (FLIGHTS, PRICES, NEW)


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One made window of a model."""

    model: str
    number: int

    @property
    def key(self) -> WindowKey:
        """Its place in time."""
        start = FIRST + self.number * DAY
        return WindowKey(model=self.model, version="1", start=start, end=start + DAY)

    @property
    def faulty(self) -> bool:
        """Whether ``dep_delay`` arrives in seconds that day."""
        return self.model == FLIGHTS.name and (self.number in FAULT_DAYS or self.number in OLD_FAULT_DAYS)

    @property
    def account(self) -> Account:
        """The account of its rows."""
        weekly = 1.0 - 0.18 * (self.number % 7 in (1, 2))
        return Account(
            counted=int(900 * weekly) + self.number % 13,
            late=3 * (self.number % 9 == 4),
            duplicate=7 * (self.number == 65),
            quarantined=10 * (self.number == 67),
        )


def result(
    day: Day,
    column: str | None,
    metric: str,
    value: float | None,
    threshold: float | None,
    verdict: Verdict,
    reason: str,
    check: Check = Check.DRIFT,
) -> Result:
    """One result of a day."""
    return Result(
        model=day.model,
        version="1",
        segment="*",
        window_start=day.key.start,
        window_end=day.key.end,
        check=check,
        column=column,
        metric=metric,
        value=value,
        threshold=threshold,
        p_value=None,
        verdict=verdict,
        reason=reason,
        rows=day.account.counted,
        reference="9f31c2aa0b7d",
    )


def results_of(day: Day) -> tuple[Result, ...]:
    """What a day came to."""
    quiet = 0.04 + 0.02 * math.sin(day.number * 1.7) ** 2
    found = [
        result(day, column.name, "ks" if column.kind is Kind.NUMERIC else "tvd", round(quiet * (1 + i * 0.2), 4), 0.11, Verdict.OK, WITHIN)
        for i, column in enumerate(COLUMNS)
    ]
    if day.faulty:
        found[0] = result(day, "dep_delay", "ks", 0.874, 0.11, Verdict.ALERT, SECONDS)
        found[4] = result(day, "late", "tvd", 0.18, 0.11, Verdict.WARN, f"more {EVIL} than before")
    if day.number == 40:
        found = [replace(each, verdict=Verdict.INSUFFICIENT, value=None, threshold=None, reason="57 rows, 200 needed") for each in found]
    rows = result(day, None, "rows", float(day.account.counted), 450.0, Verdict.OK, "within the limits", Check.VOLUME)
    return (*found, rows)


def incident(id: str, days: range, state: IncidentState) -> Incident:
    """The incident of some faulty days."""
    first, last = Day(model=FLIGHTS.name, number=days[0]).key, Day(model=FLIGHTS.name, number=days[-1]).key
    return Incident(
        id=id,
        model=FLIGHTS.name,
        state=state,
        severity=Verdict.ALERT,
        since=first.start,
        updated_at=last.end,
        fired_at=first.end,
        resolved_at=last.end + 2 * DAY if state is IncidentState.RESOLVED else None,
        bad_windows=len(days),
        checks=("drift",),
        columns=("dep_delay", "late"),
        cause="dep_delay: mean 12.6 → 756, every value about 60 times the reference",
        summary="dep_delay drifted",
    )


def _judge(store: SqlStore, day: Day) -> None:
    previous = None if day.number == 0 else day.key.start
    incident_now, events = None, ()
    if day.model == FLIGHTS.name and day.number == OLD_FAULT_DAYS[-1] + 2:
        incident_now = incident(PAST_ID, OLD_FAULT_DAYS, IncidentState.RESOLVED)
    if day.model == FLIGHTS.name and day.number == FAULT_DAYS[0]:
        incident_now = incident(OPEN_ID, FAULT_DAYS, IncidentState.FIRING)
        events = (
            IncidentEvent(
                incident=OPEN_ID,
                at=day.key.end,
                before=None,
                after=IncidentState.FIRING,
                reason=TransitionReason.OPEN_AFTER_REACHED,
                detail="1 bad window",
            ),
        )
    asked = (
        Retraining(
            id="ret-1",
            model=day.model,
            version="1",
            state=RetrainingState.REQUESTED,
            reason="drift: 3 windows",
            incident=OPEN_ID,
            columns=("dep_delay",),
            requested_at=day.key.end,
        )
        if events
        else None
    )
    messages = (
        ()
        if asked is None
        else tuple(
            Message(receiver=receiver, kind=kind, dedupe=receiver, incident=OPEN_ID, body={})
            for receiver, kind in (("slack", "firing"), ("retrain", "retraining"))
        )
    )
    assert store.seal(day.model, day.key.end, previous)
    assert store.record(
        Judgement(
            model=day.model,
            judged_until=day.key.end,
            previous=previous,
            results=results_of(day),
            incident=incident_now,
            events=events,
            retraining=asked,
            messages=messages,
        )
    )


def _rows(store: SqlStore) -> None:
    days = [Day(model=name, number=n) for name in (FLIGHTS.name, PRICES.name) for n in range(DAYS)]
    partition = TopicPartition("flight-delay.predictions", 0)
    broken = Quarantined(
        model=FLIGHTS.name,
        stream="predictions",
        partition=partition,
        offset=77,
        reason=Reason.NOT_JSON,
        detail="cut off",
        sample=b'{"id": "broken\xff',
        at=LAST,
    )
    counts = tuple(
        StreamCount(
            model=m.name,
            stream="predictions",
            topic=m.streams[0].topic,
            received=61234,
            counted=61200,
            late=17,
            duplicate=7,
            quarantined=10,
            untimed=2,
            sampled_out=0,
        )
        for m in (FLIGHTS, PRICES)
    )
    store.checkpoint(
        Checkpoint(
            at=LAST,
            advances=(Advance(partition=partition, expected=None, next_offset=61234),),
            windows=tuple(WindowDelta(key=day.key, account=day.account, profile=None) for day in days),
            quarantined=(broken,),
            streams=counts,
        )
    )
    for day in days:
        _judge(store, day)


def _silences(store: SqlStore) -> None:
    """One that is in force for long, and one that is over; neither is about an incident."""
    quiet = Silence(id=SILENCE_ID, model=NEW.name, column="bags", starts_at=LAST, ends_at=datetime(2999, 1, 1, tzinfo=UTC), by="mara",
                    reason="we know")
    for silence in (quiet, replace(quiet, id=OVER_ID, ends_at=LAST + DAY)):
        store.add_silence(silence, silence_audit(silence, by="mara", at=LAST, via=Via.API, action="silence"))


def tell(path: Path) -> SqlStore:
    """A new store in that folder, with the whole story in it."""
    store = open_store(f"sqlite:///{path}/story.db")
    grid = Grid.blank(COLUMNS)
    reference = Reference(
        model=FLIGHTS.name, version="1", grid=grid, profile=Profile.empty(grid), window=DAY, provenance={"data": "reference.parquet"}
    )
    store.add_reference(reference, activate=True, at=FIRST)
    _rows(store)
    _silences(store)
    lost = store.claim("retrain", owner="me", lease=30, limit=1, now=LAST + 2 * DAY)
    for delivery in lost:
        store.dead(delivery, "410 Gone", LAST + 2 * DAY)
    return store
