"""Socket Mode over a real websocket: a Slack that sends clicks and commands, waits three seconds for each, and goes away."""

from __future__ import annotations

import json
import logging
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.server import serve

from monitor.clock import SystemClock
from monitor.core.audit import AuditEntry, Via
from monitor.core.incidents import Incident, IncidentState, Notify, NotifyKind, TransitionReason
from monitor.core.messages import Occasion, message_body
from monitor.core.retraining import Retraining, RetrainingChange, RetrainingEvent, RetrainingState
from monitor.demo import scripted_http as http
from monitor.demo.slack_clicks import ANN, SlackUser, buttons_of
from monitor.demo.slack_history import SlackPost
from monitor.demo.slack_server import SlackServer, refuses
from monitor.errors import Permanent, Retryable, StoreUnavailable, UsageError
from monitor.health import Health
from monitor.log import configure
from monitor.metrics import Metrics
from monitor.notify.slack import SlackBot
from monitor.notify.slack_answer import Answers
from monitor.notify.slack_buttons import proposal_buttons
from monitor.notify.slack_clicks import ClickDesk
from monitor.notify.slack_command import Questions
from monitor.notify.slack_link import Closed, open_link
from monitor.notify.slack_rights import Deed, Rights
from monitor.notify.slack_socket import LONGEST, Bounds, SlackSocket, connection_test, pause
from monitor.notify.transport import tls_context
from monitor.ports import Delivery, Message, Store
from monitor.settings.receivers import SlackSettings
from monitor.settings.secret import Secret
from monitor.storage import open_store
from tests.contracts.store_story import event, incident, judgement
from tests.edges.web_story import FLIGHTS

TOKEN, APP_TOKEN = "xoxb-1234-very-secret", "xapp-1-A000-very-secret"
FIRING, ACKNOWLEDGED, RESOLVED = IncidentState.FIRING, IncidentState.ACKNOWLEDGED, IncidentState.RESOLVED
ACK, HOUR, DAY, EXPECT, APPROVE = "driftd_acknowledge", "driftd_silence_1h", "driftd_silence_1d", "driftd_expect", "driftd_approve"
BOB = SlackUser(id="U0BOB", name="bob")
EVE = SlackUser(id="U0EVE", name="eve", team="T999")
PROPOSED = Retraining(id="ret_1", model="m", version="1", state=RetrainingState.PROPOSED, reason="drift alerted", incident="inc_1",
                      columns=("x",), requested_at=datetime(2013, 7, 1, tzinfo=UTC))


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    server = SlackServer(token=TOKEN, app_token=APP_TOKEN)
    yield server
    server.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path}/driftd.db")
    opened.record(judgement(incident=incident(), events=(event(None, FIRING),)))
    yield opened
    opened.close()


@dataclass
class Listening:
    """One replica that listens to Slack, on a store."""

    slack: SlackServer
    store: Store
    rights: Rights = field(default_factory=Rights)
    health: Health = field(default_factory=Health)
    metrics: Metrics = field(default_factory=Metrics)
    approve: Any = None
    accept_shift: Any = None
    settings: dict[str, Any] = field(default_factory=dict)
    owner: str = "a"
    bounds: Bounds = field(default_factory=Bounds)

    def begin(self, connections: int = 1) -> Listening:
        """Start, and wait until it is connected."""
        self.socket = self.made()
        self.socket.start()
        if connections:
            assert self.slack.sockets is not None
            self.slack.sockets.wait_for(connections)
            eventually(lambda: self.connected == 1)
        return self

    def made(self) -> SlackSocket:
        given = {"token": TOKEN, "channel": "#ml-alerts", "app_token": APP_TOKEN, "api_url": self.slack.url, "timeout": "2s",
                 **self.settings}
        now = SystemClock().now
        desk = ClickDesk(store=self.store, now=now, rights=self.rights, tell=lambda _: (), approve=self.approve,
                         accept_shift=self.accept_shift)
        questions = Questions(store=self.store, models=(FLIGHTS,), rights=self.rights, now=now, lag=lambda _: 1234)
        return SlackSocket(slack=SlackSettings.model_validate(given), desk=desk, questions=questions, clock=SystemClock(),
                           health=self.health, metrics=self.metrics, owner=self.owner, bounds=self.bounds)

    @property
    def connected(self) -> float | None:
        """The gauge."""
        return self.metrics.registry.get_sample_value("driftd_slack_socket_connected", {"receiver": "slack"})

    @property
    def told(self) -> str:
        return "\n".join(self.health.told())


@pytest.fixture
def listening(slack: SlackServer, store: Store) -> Iterator[Callable[..., Listening]]:
    begun: list[Listening] = []

    def begin(connections: int = 1, **given: Any) -> Listening:
        made = Listening(slack, given.pop("store", store), **given)
        begun.append(made)
        return made.begin(connections)

    yield begin
    for each in begun:
        each.socket.close()
        assert each.socket.failed is None


def eventually(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends, "it did not come to be"
        time.sleep(0.01)


def fired(slack: SlackServer, rights: Rights | None = None, **changes: Any) -> SlackPost:
    """The message of the incident that fires, in the channel."""
    told = replace(incident(), **changes)
    body = message_body(Occasion(incident=told, notify=Notify(kind=NotifyKind.FIRING, reason=TransitionReason.OPEN_AFTER_REACHED)))
    offered = (rights or Rights(approvers=frozenset({ANN.id}))).offered()
    bot = SlackBot(token=Secret(text=TOKEN), channel="#ml-alerts", api_url=slack.url, clock=SystemClock(), offered=offered)
    bot.send(Delivery(id=f"msg_{len(slack.posts)}", receiver="slack", kind="firing", incident=told.id, body=body, attempts=0,
                      created_at=told.since))
    return slack.posts[-1]


def answered(slack: SlackServer, count: int = 1) -> str:
    """The last of so many answers."""
    slack.wait_for_answers(count)
    return str(slack.told[count - 1]["text"])


def now_of(slack: SlackServer, post: SlackPost) -> SlackPost:
    return next(each for each in slack.posts if each.ts == post.ts)


def shown(post: SlackPost) -> str:
    """All texts of a message, a line each."""
    blocks = [*post.body.get("blocks", []), *(block for each in post.body.get("attachments", []) for block in each["blocks"])]
    parts = [part for block in blocks for part in (block.get("text"), *block.get("fields", []), *block.get("elements", [])) if part]
    return "\n".join(part["text"] if isinstance(part["text"], str) else part["text"]["text"] for part in parts)


# --- what clicks do --------------------------------------------------------------------------------------------


def test_an_acknowledgement_is_stored_audited_and_shown_to_all(
    slack: SlackServer, store: Store, listening: Callable[..., Listening]
) -> None:
    listening()
    post = fired(slack)
    assert list(buttons_of(post)) == [ACK, HOUR, DAY, EXPECT]
    done = slack.click(post, ACK)
    assert done.acked_after is not None
    assert answered(slack) == "Acknowledged: no reminders until it is over."
    kept = store.incident("inc_1")
    assert kept is not None
    assert (kept.state, kept.acknowledged_by) == (ACKNOWLEDGED, "ann (U0ANN)")
    (line,) = store.audit(subject="inc_1")
    assert (line.by, line.via, line.action, line.model) == ("ann (U0ANN)", Via.SLACK, "acknowledge", "m")
    eventually(lambda: now_of(slack, post).edits == 1)
    after = now_of(slack, post)
    assert "✋ Acknowledged by ann (U0ANN), " in shown(after)
    assert list(buttons_of(after)) == [HOUR, DAY], "nobody of this replica may accept a shift"
    assert after.body["attachments"][0]["color"] == "#e01e5a"
    assert shown(post).splitlines()[0] == shown(after).splitlines()[0]
    assert slack.told[0]["response_type"] == "ephemeral"


@pytest.mark.parametrize(("button", "hours"), [(HOUR, 1), (DAY, 24)])
def test_a_silence_of_the_incident_is_kept_and_shown(
    slack: SlackServer, store: Store, listening: Callable[..., Listening], button: str, hours: int
) -> None:
    listening()
    post = fired(slack)
    slack.click(post, button)
    assert answered(slack).startswith("Silenced until ")
    (silence,) = store.silences()
    assert (silence.model, silence.incident, silence.by, silence.check, silence.column) == ("m", "inc_1", "ann (U0ANN)", None, None)
    assert silence.ends_at - silence.starts_at == timedelta(hours=hours)
    assert [(line.action, line.by) for line in store.audit(subject="inc_1")] == [("silence", "ann (U0ANN)")]
    eventually(lambda: now_of(slack, post).edits == 1)
    assert f"🔕 Silenced until {silence.ends_at:%Y-%m-%d %H:%M} UTC by ann (U0ANN)" in shown(now_of(slack, post))
    assert ACK in buttons_of(now_of(slack, post))


def test_a_second_click_takes_the_place_of_what_the_first_one_showed(
    slack: SlackServer, store: Store, listening: Callable[..., Listening]
) -> None:
    listening()
    post = fired(slack)
    slack.click(post, HOUR)
    eventually(lambda: now_of(slack, post).edits == 1)
    slack.click(post, ACK, BOB)
    eventually(lambda: now_of(slack, post).edits == 2)
    lines = shown(now_of(slack, post)).splitlines()
    assert sum(line.startswith("🔕") for line in lines) == sum(line.startswith("✋") for line in lines) == 1


def test_the_same_envelope_twice_acts_once(slack: SlackServer, store: Store, listening: Callable[..., Listening]) -> None:
    listening()
    post = fired(slack)
    for _ in range(2):
        slack.click(post, HOUR, envelope="e1", at=1_700_000_000.5)
    for _ in range(2):
        slack.click(post, ACK, envelope="e2", at=1_700_000_001.5)
    slack.wait_for_answers(4)
    assert len(store.silences()) == 1
    assert [line.action for line in store.audit()] == ["silence", "acknowledge"]
    assert [answer["text"].split()[0] for answer in slack.told] == ["Silenced", "Not", "Acknowledged:", "Not"]
    assert "ann (U0ANN) has acknowledged it already" in slack.told[3]["text"]
    assert [e.reason for e in store.incident_events("inc_1")].count(TransitionReason.ACKNOWLEDGED_BY_PERSON) == 1


def test_two_replicas_share_the_clicks_and_the_state(slack: SlackServer, store: Store, listening: Callable[..., Listening]) -> None:
    listening()
    listening(2, owner="b")
    post = fired(slack)
    for at in range(4):  # in turn over both connections, the same click each time
        assert slack.click(post, ACK, at=1_700_000_000.0 + at).acked_after is not None
    slack.wait_for_answers(4)
    assert len(store.audit()) == 1
    assert sum(answer["text"].startswith("Acknowledged") for answer in slack.told) == 1


def test_an_unknown_incident_is_answered_politely(slack: SlackServer, store: Store, listening: Callable[..., Listening]) -> None:
    listening()
    post = fired(slack)
    for n, value in enumerate(("inc_none", "", "inc_1\x00", "inc_\ud800", "x" * 2000), start=1):
        slack.click(post, ACK, value=value)
        assert answered(slack, n) == "Not done: there is no such incident here; perhaps its database is another one now."
    assert store.audit() == []


def test_a_resolved_incident_is_told_to_be_over_and_loses_its_buttons(
    slack: SlackServer, store: Store, listening: Callable[..., Listening]
) -> None:
    listening()
    post = fired(slack)
    over = replace(incident(RESOLVED), resolved_at=incident().updated_at)
    assert store.save_incident(over, event(FIRING, RESOLVED))
    for n, button in enumerate((ACK, HOUR), start=1):
        slack.click(post, button)
        assert answered(slack, n).startswith("Not done: it is over since ")
        eventually(lambda: not buttons_of(now_of(slack, post)))
    assert store.silences() == []


def test_who_is_not_allowed_is_told_why_and_does_nothing(slack: SlackServer, store: Store, listening: Callable[..., Listening]) -> None:
    rights = Rights(users=frozenset({BOB.id}), approvers=frozenset())
    listening(rights=rights)
    post = fired(slack)
    slack.click(post, ACK)
    assert answered(slack) == "Not done: only those in slack.allow_users may acknowledge by Slack; your id there would be U0ANN."
    slack.click(post, EXPECT, BOB)
    assert answered(slack, 2) == "Not done: only those in slack.approvers may accept a shift by Slack; your id there would be U0BOB."
    assert (store.audit(), store.silences(), now_of(slack, post).edits) == ([], [], 0)
    slack.click(post, ACK, BOB)
    assert answered(slack, 3).startswith("Acknowledged")


def test_a_guest_of_another_workspace_may_nothing_unless_listed(
    slack: SlackServer, store: Store, listening: Callable[..., Listening]
) -> None:
    listening()
    post = fired(slack)
    slack.click(post, ACK, EVE)
    assert answered(slack).startswith("Not done: you are of another workspace")
    assert store.audit() == []


def test_what_is_not_configured_says_so(slack: SlackServer, store: Store, listening: Callable[..., Listening]) -> None:
    listening(rights=Rights(approvers=frozenset({ANN.id})))
    store.add_retraining(PROPOSED, RetrainingEvent(retraining="ret_1", at=PROPOSED.requested_at, before=None, after=PROPOSED.state))
    post = fired(slack)
    slack.click(post, EXPECT)
    assert answered(slack) == "Not done: that is not configured here."
    eventually(lambda: APPROVE in buttons_of(now_of(slack, post)))
    slack.click(now_of(slack, post), APPROVE)
    assert answered(slack, 2) == "Not done: that is not configured here."
    assert store.audit() == []


def test_an_approved_retraining_goes_out_with_its_audit_once(
    slack: SlackServer, store: Store, listening: Callable[..., Listening]
) -> None:
    store.add_retraining(PROPOSED, RetrainingEvent(retraining="ret_1", at=PROPOSED.requested_at, before=None, after=PROPOSED.state))
    listening(rights=Rights(approvers=frozenset({ANN.id})), approve=approved)
    post = fired(slack)
    slack.click(post, HOUR)
    eventually(lambda: APPROVE in buttons_of(now_of(slack, post)))
    assert buttons_of(now_of(slack, post))[APPROVE]["confirm"]["deny"]["text"] == "Cancel"
    before = now_of(slack, post)
    slack.click(before, APPROVE)
    assert answered(slack, 2) == "Approved: m is asked to be retrained."
    eventually(lambda: APPROVE not in buttons_of(now_of(slack, post)))
    assert "🔁 Retraining approved by ann (U0ANN)" in shown(now_of(slack, post))
    kept = store.retraining("ret_1")
    assert kept is not None
    assert (kept.state, kept.approved_by) == (RetrainingState.REQUESTED, "ann (U0ANN)")
    assert [row.kind for row in store.deliveries()] == ["retraining"]
    assert [(line.action, line.via) for line in store.audit(subject="ret_1")] == [("approve", Via.SLACK)]
    slack.click(before, APPROVE)
    assert answered(slack, 3) == "Not done: the request is requested already, approved by ann (U0ANN)."
    slack.click(before, APPROVE, value="ret_none")
    assert answered(slack, 4) == "Not done: there is no such request to retrain here."


def test_a_proposal_of_no_incident_shows_that_it_was_approved(
    slack: SlackServer, store: Store, listening: Callable[..., Listening]
) -> None:
    alone = replace(PROPOSED, incident=None)
    store.add_retraining(alone, RetrainingEvent(retraining="ret_1", at=alone.requested_at, before=None, after=alone.state))
    listening(rights=Rights(approvers=frozenset({ANN.id})), approve=approved)
    post = fired(slack)
    blocks = [*post.body["blocks"], *proposal_buttons("ret_1", frozenset(Deed))]
    slack.click(replace(post, body={**post.body, "blocks": blocks, "attachments": []}), APPROVE)
    assert answered(slack).startswith("Approved")
    eventually(lambda: now_of(slack, post).edits == 1)
    assert shown(now_of(slack, post)).endswith("🔁 Retraining approved by ann (U0ANN)")
    assert buttons_of(now_of(slack, post)) == {}


def approved(retraining: Retraining, *, by: str, at: datetime) -> tuple[RetrainingChange, tuple[Message, ...]]:
    after = replace(retraining, state=RetrainingState.REQUESTED, approved_by=by, updated_at=at)
    step = RetrainingEvent(retraining=retraining.id, at=at, before=retraining.state, after=after.state, by=by)
    message = Message(receiver="retraining:m", kind="retraining", dedupe="ret_1", incident=None, body={})
    return RetrainingChange(retraining=after, event=step), (message,)


def test_an_expected_shift_is_accepted_by_who_may(slack: SlackServer, store: Store, listening: Callable[..., Listening]) -> None:
    asked: list[tuple[str, str, AuditEntry]] = []

    def accept(incident: Incident, *, by: str, at: datetime, audit: AuditEntry) -> str:
        asked.append((incident.id, by, audit))
        if len(asked) > 1:
            raise UsageError("too few windows to learn from")
        return "The last 3 windows are the reference of m now."

    listening(rights=Rights(approvers=frozenset({ANN.id})), accept_shift=accept)
    post = fired(slack)
    slack.click(post, EXPECT)
    assert answered(slack) == "The last 3 windows are the reference of m now."
    ((id, by, audit),) = asked
    assert (id, by, audit.action, audit.via, audit.subject) == ("inc_1", "ann (U0ANN)", "expect", Via.SLACK, "inc_1")
    slack.click(post, EXPECT)
    assert answered(slack, 2) == "Not done: too few windows to learn from."


def test_of_driftds_own_way_nothing_can_become_usual(slack: SlackServer, store: Store, listening: Callable[..., Listening]) -> None:
    listening(rights=Rights(approvers=frozenset({ANN.id})), accept_shift=lambda *_, **__: "never")
    post = fired(slack)
    own = replace(incident(), id="inc_own", condition="kafka_away")
    store.open_condition(own, replace(event(None, FIRING), incident="inc_own"))
    assert EXPECT not in buttons_of(fired(slack, id="inc_own", condition="kafka_away"))
    slack.click(post, EXPECT, value="inc_own")
    assert answered(slack).startswith("Not done: it is about driftd itself")
    slack.click(post, ACK, value="inc_own")
    assert answered(slack, 2).startswith("Acknowledged")


def test_a_button_that_is_not_ours_is_acknowledged_and_left_alone(slack: SlackServer, listening: Callable[..., Listening]) -> None:
    listening()
    post = fired(slack)
    assert slack.sockets is not None
    other = json.loads(json.dumps(post.body).replace(ACK, "somebody_elses"))
    assert slack.click(replace(post, body=other), "somebody_elses").acked_after is not None
    assert slack.sockets.send("events_api", {"type": "event_callback"}).acked_after is not None
    assert slack.sockets.send("interactive", {"type": "view_submission"}).acked_after is not None
    assert slack.told == []


def test_a_reminder_in_the_thread_has_no_buttons_and_one_that_stands_alone_has(slack: SlackServer) -> None:
    first = fired(slack)
    notify = Notify(kind=NotifyKind.REPEAT, reason=TransitionReason.REPEAT_INTERVAL_ELAPSED)
    body = message_body(Occasion(incident=incident(), notify=notify))
    bot = SlackBot(token=Secret(text=TOKEN), channel="#ml-alerts", api_url=slack.url, clock=SystemClock(), offered=Rights().offered())
    again = Delivery(id="msg_again", receiver="slack", kind="repeat", incident="inc_1", body=body, attempts=0, created_at=incident().since,
                     thread=f"{first.channel_id}:{first.ts}")
    bot.send(again)
    assert (slack.posts[-1].thread_ts, buttons_of(slack.posts[-1])) == (first.ts, {})
    slack.delete(first)
    bot.send(replace(again, id="msg_alone"))
    assert (slack.posts[-1].thread_ts, list(buttons_of(slack.posts[-1]))) == (None, [ACK, HOUR, DAY])


def test_an_answer_is_posted_to_slacks_hosts_alone() -> None:
    answers = Answers(api_url="https://slack.com/api/", timeout=1.0)
    for url in ("https://hooks.slack.com.evil.example/x", "http://hooks.slack.com/x", "https://evilslack.com/x", "https://[", "",
                "slack.com", "https://hooks.evil.example/?slack.com"):
        with pytest.raises(Permanent, match="of another host than Slack's"):
            answers.say(url, "text", SystemClock().now())


# --- acknowledgement and trouble -------------------------------------------------------------------------------


class Hanging:
    """A store that answers nothing until it is let go."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.go = threading.Event()

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._store, name)

        def waits(*args: Any, **given: Any) -> Any:
            self.go.wait(30)
            return verb(*args, **given)

        return waits


def test_envelopes_are_acknowledged_in_time_while_the_store_hangs(
    slack: SlackServer, store: Store, listening: Callable[..., Listening]
) -> None:
    hanging = Hanging(store)
    listening(store=hanging)
    post = fired(slack)
    took = [slack.click(post, button).acked_after for button in (ACK, HOUR, DAY)]
    assert all(each is not None and each < 1.0 for each in took)
    assert (slack.told, store.audit()) == ([], [])
    hanging.go.set()
    slack.wait_for_answers(3)
    assert [line.action for line in store.audit()] == ["acknowledge", "silence", "silence"]


def test_a_store_that_is_away_is_told_to_who_clicked_and_stops_nothing(
    slack: SlackServer, store: Store, listening: Callable[..., Listening]
) -> None:
    class Away:
        def __getattr__(self, name: str) -> Any:
            raise StoreUnavailable("the database is away")

    made = listening(store=Away())
    post = fired(slack)
    slack.click(post, ACK)
    assert answered(slack).startswith("That could not be done now: the database does not answer.")
    slack.command("status flight-delay")
    assert answered(slack, 2).startswith("That could not be done now")
    assert (made.socket.failed, made.connected) == (None, 1)


def test_a_fault_of_ours_is_kept_for_the_daemon_that_stops_with_it(slack: SlackServer, store: Store) -> None:
    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise KeyError("a fault of ours")

    made = Listening(slack, Broken()).begin()  # type: ignore[arg-type]
    slack.click(fired(slack), ACK)
    eventually(lambda: "died: KeyError" in made.told)
    assert isinstance(made.socket.failed, KeyError)
    made.socket.close()


def test_an_answer_that_slack_does_not_take_at_first_is_told_again(
    slack: SlackServer, store: Store, listening: Callable[..., Listening]
) -> None:
    listening()
    post = fired(slack)
    slack.script(http.answers(503))
    slack.click(post, ACK)
    assert answered(slack).startswith("Acknowledged")
    slack.script(http.answers(404), http.answers(404))
    slack.click(post, HOUR)
    eventually(lambda: len(store.silences()) == 1)


@pytest.mark.fault(43)
@pytest.mark.parametrize("leave", ["end", "tear", "half_close"])
def test_a_link_that_is_lost_is_opened_again(
    slack: SlackServer, store: Store, listening: Callable[..., Listening], leave: str
) -> None:
    made = listening()
    assert slack.sockets is not None
    began = time.process_time()
    getattr(slack.sockets, leave)()
    slack.sockets.wait_for(1, opened=2)
    eventually(lambda: made.connected == 1)
    assert time.process_time() - began < 2.0, "it waits, it does not turn in a loop"
    assert slack.click(fired(slack), ACK).acked_after is not None
    assert answered(slack).startswith("Acknowledged")


@pytest.mark.parametrize("reason", ["warning", "refresh_requested"])
def test_when_slack_asks_for_a_new_link_the_old_one_serves_until_it_is_there(
    slack: SlackServer, store: Store, listening: Callable[..., Listening], reason: str
) -> None:
    made = listening()
    assert slack.sockets is not None
    slack.sockets.disconnect(reason)
    assert made.connected == 1
    done = slack.click(fired(slack), ACK)
    slack.sockets.wait_for(1, opened=2)
    assert answered(slack).startswith("Acknowledged")
    assert done.acked_after is not None
    assert made.connected == 1


def test_a_slack_that_asks_for_new_links_all_the_time_is_asked_more_and_more_slowly(
    slack: SlackServer, listening: Callable[..., Listening]
) -> None:
    made = listening()
    assert slack.sockets is not None
    slack.sockets.disconnect("refresh_requested")
    slack.sockets.wait_for(1, opened=2)
    eventually(lambda: made.connected == 1)
    slack.sockets.disconnect("refresh_requested")
    eventually(lambda: "as soon as there is one" in made.told)
    assert made.connected == 0
    slack.sockets.wait_for(1, opened=3)
    eventually(lambda: made.connected == 1)


def test_that_socket_mode_was_turned_off_is_told_until_it_is_on_again(slack: SlackServer, listening: Callable[..., Listening]) -> None:
    made = listening()
    assert slack.sockets is not None
    slack.script(refuses("internal_error"), refuses("internal_error"))
    slack.sockets.disconnect("link_disabled")
    eventually(lambda: made.connected == 0)
    eventually(lambda: "link_disabled" in made.told or "internal_error" in made.told)
    slack.sockets.wait_for(1, opened=2)
    eventually(lambda: made.connected == 1)


def test_a_slack_that_is_away_from_the_start_is_waited_for(slack: SlackServer, listening: Callable[..., Listening]) -> None:
    slack.script(http.drops, refuses("ratelimited"))
    made = listening(0)
    eventually(lambda: "connection failed" in made.told)
    assert made.connected == 0
    assert slack.sockets is not None
    slack.sockets.wait_for(1)
    eventually(lambda: made.connected == 1)
    assert made.told == "slack socket: connected"


def test_a_token_that_is_no_app_token_is_told_and_tried_again_later(slack: SlackServer, listening: Callable[..., Listening]) -> None:
    made = listening(0, settings={"app_token": "xapp-another"})
    eventually(lambda: "invalid_auth" in made.told)
    assert made.connected == 0
    assert "xapp" not in made.told


def test_a_link_without_a_hello_is_none(slack: SlackServer, listening: Callable[..., Listening]) -> None:
    assert slack.sockets is not None
    slack.sockets.silent = True
    made = listening(0, bounds=Bounds(hello=timedelta(milliseconds=100)))
    eventually(lambda: "nothing was said" in made.told)
    slack.sockets.silent = False
    eventually(lambda: made.connected == 1)


@pytest.mark.parametrize(
    "frame", ["{", "[]", '{"type": 7}', '{"type": "interactive"}', "[" * 100_000, '{"type": "hello", "num_connections": "x"}']
)
def test_a_frame_that_means_nothing_changes_nothing(slack: SlackServer, listening: Callable[..., Listening], frame: str) -> None:
    listening()
    assert slack.sockets is not None
    slack.sockets.say(frame)
    slack.click(fired(slack), ACK)
    assert answered(slack).startswith("Acknowledged")


def test_an_envelope_that_cannot_be_read_is_acknowledged_or_it_would_come_again(
    slack: SlackServer, listening: Callable[..., Listening]
) -> None:
    listening()
    assert slack.sockets is not None
    for payload in ({"type": "block_actions"}, {"type": "block_actions", "user": {"id": "<!channel>"}, "actions": [{"action_id": ACK}]}):
        assert slack.sockets.send("interactive", payload).acked_after is not None
    assert slack.sockets.send("slash_commands", {"user_id": 7}).acked_after is not None
    assert slack.sockets.send("interactive", {"type": "block_actions", "user": {"id": "U0ANN"}, "actions": []}).acked_after is not None
    assert slack.told == []


def test_more_than_can_be_done_is_not_acknowledged(slack: SlackServer, store: Store, listening: Callable[..., Listening]) -> None:
    hanging = Hanging(store)
    listening(store=hanging, bounds=Bounds(waiting=1))
    assert slack.sockets is not None
    slack.sockets.patience = 0.5
    post = fired(slack)
    taken = [slack.click(post, ACK).acked_after is not None for _ in range(4)].count(True)
    assert 1 <= taken <= 2, "one is being done, one waits"
    hanging.go.set()
    slack.wait_for_answers(taken)
    slack.sockets.patience = 3.0
    assert slack.click(post, HOUR).acked_after is not None


def test_an_answer_goes_to_nobody_but_slack(slack: SlackServer, store: Store, listening: Callable[..., Listening]) -> None:
    listening()
    assert slack.sockets is not None
    payload = {"type": "block_actions", "user": {"id": "U0ANN"}, "actions": [{"action_id": ACK, "value": "inc_1"}],
               "response_url": "http://hooks.evil.example/actions"}
    assert slack.sockets.send("interactive", payload).acked_after is not None
    eventually(lambda: len(store.audit()) == 1)
    assert [request.path for request in slack.requests] == ["/api/apps.connections.open"]


@pytest.mark.parametrize("trouble", [refuses(f"no_{APP_TOKEN}"), http.redirects("http://elsewhere.example/"), http.answers(500)])
def test_no_token_ticket_or_url_reaches_a_log(slack: SlackServer, listening: Callable[..., Listening], trouble: http.Fault) -> None:
    before, written = list(logging.getLogger().handlers), StringIO()
    configure(level="debug", stream=written)
    try:
        fine = listening()
        post = fired(slack)
        slack.click(post, ACK)
        eventually(lambda: now_of(slack, post).edits == 1)
        slack.script(trouble)
        ill = listening(0)
        eventually(lambda: "apps.connections.open" in ill.told)
        fine.socket.close()
    finally:
        logging.getLogger().handlers[:] = before
    said = written.getvalue() + ill.told
    assert "slack.connected" in said
    assert "acknowledge" in said
    for secret in (TOKEN, APP_TOKEN, "very-secret", "ticket=", "elsewhere", "/actions/"):
        assert secret not in said


def test_closing_is_quick_and_does_what_was_acknowledged(slack: SlackServer, store: Store) -> None:
    made = Listening(slack, store).begin()
    slack.click(fired(slack), ACK)
    began = time.monotonic()
    made.socket.close()
    assert time.monotonic() - began < 5.0
    assert len(store.audit()) == 1
    assert slack.sockets is not None
    slack.sockets.wait_for(0)


# --- opening a link --------------------------------------------------------------------------------------------


def test_a_link_needs_tls_unless_it_is_a_test(slack: SlackServer) -> None:
    for url in ("ws://127.0.0.1:1/link", "http://127.0.0.1/", "wss:///", "wss://[", "wss://h:99999/"):
        with pytest.raises(Permanent, match="websocket is no"):
            open_link(url)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of this machine that nobody has signed, and its key, in one file."""
    key, made = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", made],
                   check=True, capture_output=True)
    made.write_bytes(made.read_bytes() + key.read_bytes())
    return made


def test_a_link_by_tls_is_opened_to_whom_the_authorities_know_alone(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = serve(lambda connection: connection.send("hello"), "localhost", 0, ssl=context, logger=logging.getLogger("quiet"))
    listening = threading.Thread(target=server.serve_forever, daemon=True)
    listening.start()
    url = f"wss://localhost:{server.socket.getsockname()[1]}/link?ticket=t"
    try:
        with pytest.raises(Retryable, match=r"could not be opened \(TLS: CERTIFICATE_VERIFY_FAILED\)$"):
            open_link(url)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        tls_context.cache_clear()
        link = open_link(url)
        assert link.receive(5.0) == "hello"
        with pytest.raises(Closed, match="closed by Slack with 1000"):
            link.receive(5.0)
        with pytest.raises(Closed):
            link.acknowledge("e1")
        link.close()
    finally:
        tls_context.cache_clear()
        server.shutdown()
        listening.join()


def test_nobody_there_is_told_without_the_ticket() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        with pytest.raises(Retryable, match=r"cannot be reached \(Connection refused\)$"):
            open_link(f"ws://127.0.0.1:{probe.getsockname()[1]}/link?ticket=t", plain=True)
    with pytest.raises(Retryable, match=r"cannot be found: looking up nobody\.invalid failed"):
        open_link("wss://nobody.invalid/link?ticket=t")


def test_a_link_to_link_local_addresses_is_refused() -> None:
    with pytest.raises(Permanent, match="metadata"):
        open_link("ws://169.254.169.254/link", plain=True)


def test_a_link_that_is_not_let_in_tells_no_ticket(slack: SlackServer) -> None:
    assert slack.sockets is not None
    url = slack.sockets.url()
    open_link(url, plain=True).close()
    with pytest.raises(Retryable) as caught:
        open_link(url, plain=True)  # a ticket is good once
    assert "ticket" not in str(caught.value)


def test_a_redirect_is_not_followed_with_the_ticket() -> None:
    server = Redirecting()
    with pytest.raises(Retryable) as caught:
        open_link(server.root.replace("http", "ws") + "/link?ticket=t", plain=True)
    assert "elsewhere" not in str(caught.value)
    assert len(server.requests) == 1
    server.close()


class Redirecting(http.ScriptedServer):
    def process(self, request: http.Request) -> http.Reply:
        return http.Reply(status=302, headers={"location": f"{self.root.replace('http', 'ws')}/elsewhere"})


def test_the_app_token_can_be_tried_without_opening_a_link(slack: SlackServer) -> None:
    given = {"token": TOKEN, "channel": "c", "api_url": slack.url}
    assert connection_test(SlackSettings.model_validate({**given, "app_token": APP_TOKEN}), SystemClock()).startswith("Socket Mode is on")
    assert slack.sockets is not None
    assert slack.sockets.opened == 0
    with pytest.raises(Permanent, match=r"invalid_auth$"):
        connection_test(SlackSettings.model_validate({**given, "app_token": "xapp-other"}), SystemClock())
    with pytest.raises(Permanent, match=r"not_allowed_token_type \(slack.app_token is no app-level token"):
        connection_test(SlackSettings.model_validate({**given, "app_token": TOKEN}), SystemClock())
    slack.script(http.answers(200, b'{"ok": true}'))
    with pytest.raises(Retryable, match="told no URL"):
        connection_test(SlackSettings.model_validate({**given, "app_token": APP_TOKEN}), SystemClock())
    with pytest.raises(ValueError, match="no app_token"):
        connection_test(SlackSettings.model_validate(given), SystemClock())
    assert all(APP_TOKEN.encode() not in request.body for request in slack.requests), "in a header alone"


def test_waits_grow_keep_to_what_slack_asks_and_end() -> None:
    waits = [pause(n, None, "a").total_seconds() for n in range(1, 12)]
    assert 1.0 <= waits[0] <= 1.2
    assert all(before < after for before, after in pairwise(waits[:6]))
    assert max(waits) <= LONGEST.total_seconds() * 1.2
    assert pause(1, 30.0, "a") >= timedelta(seconds=30)
    assert pause(1, 1e9, "a") <= timedelta(minutes=6)
    assert pause(1, None, "a", hopeless=True) >= timedelta(minutes=5)
    assert pause(1, None, "a") != pause(1, None, "b")
    assert pause(5000, None, "a") <= LONGEST * 1.2


# --- the command -----------------------------------------------------------------------------------------------


def test_a_command_is_answered_to_who_asked_alone(slack: SlackServer, listening: Callable[..., Listening]) -> None:
    listening()
    done = slack.command("help")
    assert done.acked_after is not None
    assert "/driftd status MODEL" in answered(slack)
    assert slack.told[0]["response_type"] == "ephemeral"
    slack.command("status flight-delay")
    assert "flight-delay: nothing is judged yet" in answered(slack, 2)
    slack.command("incidents")
    assert "inc_1" in answered(slack, 3)
