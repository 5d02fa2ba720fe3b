"""The digest's tick over the store in memory, and what Slack gets of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.clock import SystemClock
from monitor.core.digest import Digest, ModelPart, Told
from monitor.core.incidents import Incident, IncidentEvent, IncidentState, TransitionReason
from monitor.core.messages import from_body
from monitor.core.results import Check, Result, Verdict
from monitor.core.rules import Model, PerformanceRules, Stream, StreamKind, Task
from monitor.demo.slack_limits import refusal
from monitor.demo.slack_server import CHAT, SlackServer
from monitor.doubles.store import MemoryStore
from monitor.errors import Permanent
from monitor.notify import Dispatcher
from monitor.notify.slack import SlackBot
from monitor.notify.slack_digest import build_digest
from monitor.notify.slack_message import SlackMessage
from monitor.notify.slack_webhook import SlackWebhook
from monitor.pipeline import Daily, Digests, audience_of
from monitor.ports import Delivery, Judgement, Progress
from monitor.settings import load_settings
from monitor.settings.secret import Secret

NINE = datetime(2026, 3, 4, 9, tzinfo=UTC)
START = datetime(2026, 3, 4, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Hands:
    """A clock that is moved by hand."""

    def __init__(self, at: datetime = NINE) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()


def model(name: str = "m", *, labels: timedelta | None = None) -> Model:
    streams = [Stream(kind=StreamKind.PREDICTIONS, topic="p"), *([Stream(kind=StreamKind.LABELS, topic="l")] if labels else [])]
    rules = None if labels is None else PerformanceRules(metrics=("f1",), max_drop=0.1, label_delay=labels)
    return Model(name=name, task=Task.BINARY, window=HOUR, allowed_lateness=HOUR, min_rows=1, dedupe=False, streams=tuple(streams),
                 columns=(), performance=rules)


def warning(hour: int, name: str = "m", **changes: Any) -> Result:
    made = Result(model=name, version="1", segment="*", window_start=START + hour * HOUR, window_end=START + (hour + 1) * HOUR,
                  check=Check.DRIFT, column="dest", metric="tvd", value=0.04, threshold=0.03, p_value=None, verdict=Verdict.WARN,
                  reason="r", rows=9)
    return replace(made, **changes)


class World:
    """A store, a clock, and the tick of one process."""

    def __init__(self, *models: Model, audience: dict[str, Sequence[str]] | None = None) -> None:
        self.models = models or (model(),)
        self.store, self.clock = MemoryStore(), Hands()
        names = tuple(each.name for each in self.models)
        self.daily = Daily(at=time(8), zone=ZoneInfo("UTC"), audience=audience or {"slack": names}, page_url="https://p.example")
        self.ticks = self.begin()

    def begin(self) -> Digests:
        return Digests(store=self.store, models=self.models, clock=self.clock, daily=self.daily)

    def judge(self, *results: Result, until: int, name: str = "m", incident: Incident | None = None) -> None:
        begun = (IncidentEvent(incident=incident.id, at=START, before=None, after=incident.state, reason=TransitionReason.FIRST_BAD_WINDOW),
                 ) if incident and self.store.incident(incident.id) is None else ()  # fmt: skip
        assert self.store.record(Judgement(model=name, judged_until=START + until * HOUR, previous=self.store.progress(name).judged_until,
                                           results=results, incident=incident, events=begun))

    def at(self, when: datetime) -> None:
        self.clock.at = when
        self.ticks.sweep()

    @property
    def told(self) -> list[Digest]:
        claimed = self.store.claim("slack", owner="o", lease=0, limit=99, now=self.clock.now())
        return [from_body(delivery.body, Digest) for delivery in claimed]


def test_the_first_day_tells_nothing_and_the_next_morning_tells_what_came_since() -> None:
    world = World()
    world.judge(warning(0), until=1)
    world.at(NINE)
    assert world.store.digested("slack") == Told(receiver="slack", told_until=NINE, judged={"m": START + HOUR})
    world.judge(warning(5), warning(6), until=7)
    world.at(NINE + 22 * HOUR)
    assert world.told == []
    world.at(NINE + 23 * HOUR)
    (digest,) = world.told
    assert digest.models == (
        ModelPart(model="m", windows=2, lines=("dest: drifted a little in 2 of 2 windows (most tvd 0.04, limit 0.03)",), more=0,
                  url="https://p.example/models/m"),
    )
    assert (digest.since, digest.until) == (NINE, NINE + 23 * HOUR)
    world.at(NINE + 24 * HOUR)
    assert len(world.told) == 1


def test_a_day_with_nothing_to_tell_is_silent_and_told_of_all_the_same() -> None:
    world = World()
    world.at(NINE)
    world.judge(warning(0, verdict=Verdict.OK), until=1)
    world.at(NINE + DAY)
    assert world.told == []
    told = world.store.digested("slack")
    assert told is not None
    assert told.told_until == NINE + DAY


def test_days_that_nobody_was_there_for_are_one_digest() -> None:
    world = World()
    world.at(NINE)
    world.judge(*(warning(hour) for hour in range(0, 120, 10)), until=120)
    world.at(NINE + 5 * DAY)
    (digest,) = world.told
    assert (digest.since, digest.models[0].lines[0][:43]) == (NINE, "dest: drifted a little in 12 of 12 windows ")


def test_windows_are_told_by_when_they_were_judged_however_old_they_are() -> None:
    world = World()
    world.at(NINE)
    world.judge(warning(-9000), until=-8999)
    world.at(NINE + DAY)
    world.judge(warning(-8998), until=-8997)
    world.at(NINE + 2 * DAY)
    assert [digest.models[0].windows for digest in world.told] == [1, 1]


def test_replicas_write_one_digest() -> None:
    world = World()
    other = world.begin()
    world.at(NINE)
    world.judge(warning(0), until=1)
    world.clock.at = NINE + DAY
    world.ticks.sweep()
    other.sweep()
    assert len(world.told) == 1


def test_a_replica_that_read_before_the_other_wrote_writes_nothing() -> None:
    world = World()
    world.at(NINE)
    world.judge(warning(0), until=1)
    world.clock.at = NINE + DAY

    class Slow(MemoryStore):
        """Reads what was there before the other one wrote."""

        def digested(self, receiver: str) -> Told | None:
            read = super().digested(receiver)
            if world.told == []:
                quick.sweep()
            return read

    slow = Slow()
    slow._data = world.store._data
    world.store = slow
    quick = Digests(store=_Plain(slow), models=world.models, clock=world.clock, daily=world.daily)
    world.begin().sweep()
    assert len(world.told) == 1


class _Plain(MemoryStore):
    """The same data as another store's."""

    def __init__(self, other: MemoryStore) -> None:
        self._lock, self._other = other._lock, other

    @property
    def _data(self) -> Any:  # type: ignore[override]
        return self._other._data

    @_data.setter
    def _data(self, data: Any) -> None:
        self._other._data = data


def test_each_receiver_is_told_of_its_own_models() -> None:
    world = World(model("m"), model("n"), audience={"slack": ("m",), "mail": ("n",), "nobody": ()})
    world.at(NINE)
    world.judge(warning(0), until=1)
    world.judge(warning(0, "n"), until=1, name="n")
    world.at(NINE + DAY)
    assert [[part.model for part in digest.models] for digest in world.told] == [["m"]]
    mail = world.store.claim("mail", owner="o", lease=0, limit=9, now=world.clock.now())
    assert [from_body(each.body, Digest).models[0].model for each in mail] == ["n"]
    assert [row.receiver for row in world.store.deliveries()] == ["slack", "mail"]


def test_a_model_that_came_later_is_told_from_its_first_window_on() -> None:
    world = World(model("m"), model("n"))
    world.at(NINE)
    world.judge(warning(0, "n"), until=1, name="n")
    world.at(NINE + DAY)
    assert [part.model for part in world.told[0].models] == ["n"]


def test_what_labels_make_anew_is_told_once_they_are_complete() -> None:
    world = World(model(labels=2 * DAY))
    world.judge(until=0)
    world.at(NINE)
    early = warning(1, check=Check.PERFORMANCE, column=None, metric="f1", value=0.5, threshold=0.6)
    late = replace(early, revision=3, value=0.4)
    world.judge(early, late, warning(2), until=24)
    world.at(NINE + DAY)
    world.judge(until=48)
    world.at(NINE + 2 * DAY)
    world.judge(until=72)
    world.at(NINE + 3 * DAY)
    world.judge(until=96)
    world.at(NINE + 4 * DAY)
    assert [digest.models[0].lines for digest in world.told] == [
        ("dest: drifted a little in 1 of 2 windows (most tvd 0.04, limit 0.03)",),
        ("the whole model: performance warned in 1 of 1 window (most f1 0.4, limit 0.6)",),
    ]


def incident(**changes: Any) -> Incident:
    made = Incident(id="inc_1", model="m", state=IncidentState.FIRING, severity=Verdict.ALERT, since=START, updated_at=START + 2 * HOUR,
                    summary="drift alert on x", muted="maintenance")
    return replace(made, **changes)


def test_an_incident_held_back_is_told_while_it_goes_on() -> None:
    world = World()
    world.at(NINE)
    world.judge(until=2, incident=incident())
    world.at(NINE + DAY)
    world.at(NINE + 2 * DAY)
    assert [digest.held for digest in world.told] == [("m: drift alert on x, since 2026-03-04 00:00 UTC, held back: maintenance",)]


@pytest.mark.parametrize(("updated", "told"), [(NINE + HOUR, 1), (NINE - HOUR, 0)])
def test_a_trouble_of_driftds_own_is_held_to_the_clock_on_the_wall(updated: datetime, told: int) -> None:
    world = World()
    world.at(NINE)
    own = incident(model="*", condition="kafka_unreachable", updated_at=updated)
    begun = IncidentEvent(incident=own.id, at=START, before=None, after=own.state, reason=TransitionReason.CONDITION_STANDS)
    assert world.store.open_condition(own, begun)
    world.at(NINE + DAY)
    assert len(world.told) == told


def test_messages_given_up_are_told() -> None:
    world = World(audience={"slack": ("m",), "hook": ()})
    world.at(NINE)
    world.judge(warning(0), until=1)
    world.at(NINE + DAY)
    for delivery in world.store.claim("slack", owner="o", lease=9, limit=9, now=world.clock.now()):
        world.store.dead(delivery, "no", world.clock.now() + HOUR)
    world.at(NINE + 2 * DAY)
    assert [digest.dead for digest in world.told] == [("1 message to slack was given up",)]


@pytest.mark.fault(22)
def test_a_clock_that_leapt_ahead_and_back_tells_nothing_twice_and_goes_on() -> None:
    world = World()
    world.at(NINE)
    world.judge(warning(0), until=1)
    world.at(NINE + 3650 * DAY)
    world.judge(warning(1), until=2)
    world.at(NINE + DAY)
    world.at(NINE + DAY + HOUR)
    world.clock.at += 10_000 * DAY
    assert [digest.models[0].windows for digest in world.told] == [1, 1]


# --- Slack ---------------------------------------------------------------------------------------------------


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    server = SlackServer(scopes=CHAT | {"channels:history", "channels:read"})
    yield server
    server.close()


@pytest.mark.parametrize("by", ["bot", "webhook"])
def test_a_digest_goes_out_as_a_message_of_its_own(slack: SlackServer, by: str) -> None:
    world = World()
    world.at(NINE)
    world.judge(warning(0), until=1, incident=incident())
    world.at(NINE + DAY)
    bot = SlackBot(token=Secret(text="xoxb-1"), channel="#c", api_url=slack.url, clock=SystemClock())
    receiver = bot if by == "bot" else SlackWebhook(url=Secret(text=slack.webhook_url), clock=SystemClock())
    assert Dispatcher(world.store, [receiver], world.clock, "me").run_once() == 1
    (post,) = slack.posts
    said = json.dumps(post.body, ensure_ascii=False)
    for part in ("🟡 Warning: Digest: 1 model warned, 1 incident held back", "m\\n• dest: drifted a little in 1 of 1 window",
                 "Held back:\\n• m: drift", "2026-03-04 09:00 UTC to 2026-03-05 09:00 UTC", "<https://p.example/models/m|Open driftd>"):
        assert part in said
    assert (post.thread_ts, [row.state for row in world.store.deliveries()]) == (None, ["sent"])


def test_who_gets_it_is_told_of_the_models_that_the_routes_tell_him_of(tmp_path: Path) -> None:
    path = tmp_path / "driftd.yaml"
    model = "{task: binary, window: 1h, streams: {predictions: {topic: p, time: ts, prediction: late}}, columns: {x: numeric}}"
    path.write_text(
        'kafka: {bootstrap_servers: "a:1"}\nslack: {token: xoxb-1, channel: c}\nreceivers: {lines: {file: {path: "-"}}}\n'
        f"routes: [{{model: fraud-*, receivers: [lines]}}]\nmodels: {{fraud-1: {model}, late: {model}}}\n"
    )
    assert audience_of(load_settings(path)) == {"slack": ("late",), "lines": ("fraud-1", "late")}


def test_a_stored_digest_that_cannot_be_read_is_given_up(slack: SlackServer) -> None:
    bot = SlackBot(token=Secret(text="xoxb-1"), channel="#c", api_url=slack.url, clock=SystemClock())
    odd = Delivery(id="msg_1", receiver="slack", kind="digest", incident=None, body={"since": "?"}, attempts=0, created_at=NINE)
    with pytest.raises(Permanent, match="stored body is no Digest"):
        bot.send(odd)


def as_arguments(message: SlackMessage) -> dict[str, Any]:
    return {"text": message.text, "blocks": list(message.blocks), "attachments": list(message.attachments)}


def large(text: str, models: int = 20, held: int = 20, more: int = 3) -> Digest:
    part = ModelPart(model=text[:200], windows=9, lines=(text[:200],) * 5, more=more, url="https://p.example/models/m")
    return Digest(since=NINE, until=NINE + DAY, models=(part,) * models, more_models=more, held=(text[:200],) * held, more_held=more,
                  dead=(text[:200],) * 9)


@pytest.mark.fault(31)
def test_the_largest_digest_is_within_slacks_limits_and_counts_what_it_leaves_out() -> None:
    message = build_digest(large("&" * 1000))
    assert refusal(as_arguments(message)) is None
    said = json.dumps(as_arguments(message), ensure_ascii=False)
    assert "… and 20 more models" in said
    assert "Held back:" in said
    assert "… and 11 more" in said


@pytest.mark.fault(31)
@given(st.text(max_size=300), st.integers(0, 20), st.integers(0, 20), st.integers(0, 2))
def test_any_text_makes_a_digest_that_slack_takes(text: str, models: int, held: int, more: int) -> None:
    message = build_digest(large(text, models, held, more))
    assert refusal(as_arguments(message)) is None
    json.dumps(as_arguments(message)).encode()


def test_progress_is_what_the_store_has() -> None:
    world = World()
    assert world.store.progress("m") == Progress(sealed_until=None, judged_until=None)
    world.at(NINE)
    assert world.store.digested("slack") == Told(receiver="slack", told_until=NINE, judged={})
