"""Many incidents at once are one message: the dispatcher with the store in memory, and Slack against the server that stands for it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.clock import SystemClock
from monitor.core.incidents import Incident, IncidentState, Notify, NotifyKind, TransitionReason
from monitor.core.messages import ColumnLine, IncidentMessage, Occasion, incident_message, message_body
from monitor.core.results import Verdict
from monitor.demo import scripted_http as http
from monitor.demo.slack_limits import refusal
from monitor.demo.slack_server import CHAT, SlackPost, SlackServer, refuses
from monitor.doubles.store import MemoryStore
from monitor.errors import Gone, Permanent, Retryable
from monitor.notify import Dispatcher, Outcome
from monitor.notify.slack import SlackBot
from monitor.notify.slack_group import KINDS, MOST_LINES, Crowd, build_group, build_group_note, crowd_of
from monitor.notify.slack_message import SlackMessage
from monitor.notify.slack_webhook import SlackWebhook
from monitor.ports import PICTURE, Delivery, Grouping, Judgement, Message, Receipt, group_id
from monitor.settings.secret import Secret

START = datetime(2013, 7, 1, 9, 40, tzinfo=UTC)
HOUR = timedelta(hours=1)
RULE = Grouping(kinds=tuple(KINDS), wait=timedelta(seconds=10), at=5)
ALL = CHAT | {"channels:history", "channels:read"}


class Hands:
    """A clock that is moved by hand, from now on."""

    def __init__(self) -> None:
        self.began = datetime.now(UTC)
        self.seconds = 0.0

    def now(self) -> datetime:
        return self.began + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


def incident(n: int, **changes: Any) -> Incident:
    made = Incident(id=f"inc_{n}", model=f"model-{n:02}", state=IncidentState.FIRING, severity=Verdict.ALERT, since=START,
                    updated_at=START + HOUR, bad_windows=1, checks=("drift",), columns=("dep_delay",), cause="dep_delay × 60",
                    summary="drift alert on dep_delay")
    return replace(made, **changes)


REASONS = {
    NotifyKind.FIRING: TransitionReason.OPEN_AFTER_REACHED,
    NotifyKind.REPEAT: TransitionReason.REPEAT_INTERVAL_ELAPSED,
    NotifyKind.RESOLVED: TransitionReason.RESOLVE_AFTER_REACHED,
    NotifyKind.UPDATE: TransitionReason.ACKNOWLEDGED_BY_PERSON,
}


def occasion(n: int, kind: NotifyKind = NotifyKind.FIRING, columns: Sequence[str] = ("dep_delay",), **changes: Any) -> Occasion:
    over = {"state": IncidentState.RESOLVED, "resolved_at": START + 3 * HOUR} if kind is NotifyKind.RESOLVED else {}
    return Occasion(incident=incident(n, **{**over, **changes}), notify=Notify(kind=kind, reason=REASONS[kind]),
                    columns=tuple(ColumnLine(column=c, sentence=f"{c}: mean 1 → 60") for c in columns), page_url="https://drift.example")


def message(n: int, kind: NotifyKind = NotifyKind.FIRING, body: Mapping[str, object] | None = None) -> Message:
    return Message(receiver="slack", kind=kind, dedupe=f"{kind}:{n}", incident=f"inc_{n}", body=body or message_body(occasion(n, kind)))


class World:
    """An outbox in memory, a dispatcher, and a clock."""

    def __init__(self, receiver: Any, **options: Any) -> None:
        self.store, self.clock, self.seen = MemoryStore(), Hands(), []
        self.receiver, self.options = receiver, options
        self.dispatcher = self.begin()
        self._judged = 0

    def begin(self) -> Dispatcher:
        """A process that knows nothing of the one before."""
        self.dispatcher = Dispatcher(self.store, [self.receiver], self.clock, "me", seen=self.seen.append, **self.options)
        return self.dispatcher

    def put(self, *messages: Message) -> None:
        before = START + self._judged * HOUR if self._judged else None
        self._judged += 1
        until = START + self._judged * HOUR
        assert self.store.record(
            Judgement(model="m", judged_until=until, previous=before, results=(), messages=messages, at=self.clock.now())
        )

    def after(self, seconds: float) -> int:
        self.clock.seconds += seconds
        return self.dispatcher.run_once()

    @property
    def states(self) -> Counter[str]:
        return Counter(row.state for row in self.store.deliveries())


class Scripted:
    """A receiver that groups, does what it is told, and then succeeds."""

    name = "slack"
    grouping: Grouping | None = RULE

    def __init__(self, *script: Exception) -> None:
        self.script = list(script)
        self.alone: list[str] = []
        self.groups: list[list[str]] = []
        self.ids: list[str | None] = []

    def _go(self) -> None:
        if self.script:
            raise self.script.pop(0)

    def send(self, delivery: Delivery) -> Receipt:
        self.alone.append(delivery.incident or "")
        self._go()
        return Receipt(thread=f"C1:{delivery.id}")

    def send_group(self, deliveries: Sequence[Delivery]) -> Receipt:
        self.groups.append([delivery.incident or "" for delivery in deliveries])
        self.ids += {delivery.together for delivery in deliveries}
        self._go()
        return Receipt(thread="C1:7:shared")

    def close(self) -> None:
        pass


def incidents(*numbers: int) -> list[str]:
    return [f"inc_{n}" for n in numbers]


# --- the dispatcher ------------------------------------------------------------------------------------------


def test_a_burst_is_one_message_and_every_member_is_marked() -> None:
    world = World(Scripted())
    world.put(*map(message, range(50)))
    assert world.after(9) == 0
    assert world.after(1) == 50
    assert (world.receiver.alone, world.receiver.groups) == ([], [incidents(*range(50))])
    assert world.states == {"sent": 50}
    assert Counter((each.outcome, each.kind) for each in world.seen) == {(Outcome.SENT, "firing"): 50}


def test_a_few_are_told_one_by_one() -> None:
    world = World(Scripted())
    world.put(*map(message, range(4)))
    assert world.after(10) == 4
    assert (world.receiver.alone, world.receiver.groups) == (incidents(0, 1, 2, 3), [])


def test_what_ends_at_once_is_told_at_once_in_the_thread_that_it_began_in() -> None:
    world = World(Scripted())
    world.put(*map(message, range(7)))
    world.after(10)
    world.put(*(message(n, NotifyKind.RESOLVED) for n in range(6)))
    world.after(10)
    world.put(message(6, NotifyKind.RESOLVED))
    world.after(10)
    assert world.receiver.groups == [incidents(*range(7)), incidents(*range(6))]
    assert world.receiver.alone == ["inc_6"]


def test_a_failed_group_goes_out_again_as_it_was_while_others_come_and_go() -> None:
    world = World(Scripted(Retryable("Slack is down")))
    world.put(*map(message, range(6)))
    world.after(10)
    assert world.states == {"pending": 6}
    world.put(*map(message, range(6, 12)))
    assert world.after(20) == 12
    assert world.receiver.groups == [incidents(*range(6))] * 2 + [incidents(*range(6, 12))]
    assert len(set(world.receiver.ids)) == 2
    assert world.states == {"sent": 12}


def test_a_group_that_cannot_be_mended_is_given_up_as_a_whole() -> None:
    world = World(Scripted(Permanent("is_archived")))
    world.put(*map(message, range(6)))
    assert world.after(10) == 6
    assert {(row.state, row.error) for row in world.store.deliveries()} == {("dead", "is_archived")}
    assert {each.outcome for each in world.seen} == {Outcome.DEAD}


def test_a_receiver_that_wants_nothing_more_buries_the_rest_without_a_call() -> None:
    world = World(Scripted(Gone("410")))
    world.put(*map(message, range(6)))
    world.after(10)
    world.put(*map(message, range(6, 12)))
    world.after(10)
    assert (len(world.receiver.groups), world.states) == (1, {"dead": 12})


def test_a_receiver_that_breaks_loses_no_member() -> None:
    world = World(Scripted(ZeroDivisionError("hush")))
    world.put(*map(message, range(6)))
    world.after(10)
    assert {(row.state, row.error) for row in world.store.deliveries()} == {("pending", "ZeroDivisionError")}
    assert world.after(10) == 6
    assert world.states == {"sent": 6}


def test_before_the_end_nothing_waits_for_others() -> None:
    world = World(Scripted())
    world.put(*map(message, range(6)))
    assert world.dispatcher.drain(5) == 0
    assert world.receiver.groups == [incidents(*range(6))]


def test_where_grouping_was_switched_off_a_group_that_failed_goes_out_one_by_one() -> None:
    world = World(Scripted(Retryable("down")))
    world.put(*map(message, range(5)))
    world.after(10)
    world.receiver.grouping = None
    world.begin()
    assert world.after(60) == 5
    assert (len(world.receiver.groups), world.receiver.alone) == (1, incidents(*range(5)))


@pytest.mark.fault(12)
def test_a_receiver_that_asks_for_patience_is_left_alone_altogether() -> None:
    world = World(Scripted(Retryable("429", retry_after=60)))
    world.put(message(0), message(1))
    world.after(10)
    assert world.receiver.alone == ["inc_0"], "the second one waits as well"
    assert world.after(59) == 0
    world.after(1)
    assert world.receiver.alone == ["inc_0", "inc_1"]
    world.after(15)
    assert world.receiver.alone == ["inc_0", "inc_1", "inc_0"]


@pytest.mark.fault(12)
def test_without_a_word_about_when_only_the_delivery_waits() -> None:
    world = World(Scripted(Retryable("500")))
    world.put(message(0), message(1))
    world.after(10)
    assert world.receiver.alone == ["inc_0", "inc_1"]


@pytest.mark.fault(12, 22)
def test_a_clock_that_is_set_back_lengthens_nobodys_patience() -> None:
    world = World(Scripted(Retryable("429", retry_after=60)))
    world.put(message(0), message(1))
    world.after(10)
    world.clock.began -= timedelta(hours=5)
    world.store.clock_went_back(world.clock.now(), 60)
    world.after(1)
    assert world.receiver.alone[-2:] == ["inc_0", "inc_1"]


# --- Slack ---------------------------------------------------------------------------------------------------


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    server = SlackServer(scopes=ALL)
    yield server
    server.close()


def bot(slack: SlackServer, min_interval: float = 0.0) -> SlackBot:
    return SlackBot(token=Secret(text="xoxb-1"), channel="#ml-alerts", api_url=slack.url, timeout=5.0, clock=SystemClock(), grouping=RULE,
                    min_interval=min_interval)


def texts(post: SlackPost) -> str:
    blocks = [*post.body.get("blocks", []), *(b for a in post.body.get("attachments", []) for b in a["blocks"])]
    return "\n".join(p["text"] for b in blocks for p in (b.get("text"), *b.get("elements", [])) if p)


def as_arguments(message: SlackMessage) -> dict[str, Any]:
    return {"text": message.text, "blocks": list(message.blocks), "attachments": list(message.attachments)}


def test_fifty_models_are_one_post_that_names_them_all(slack: SlackServer) -> None:
    world = World(bot(slack))
    world.put(*map(message, range(50)))
    world.after(10)
    (post,) = slack.posts
    said = texts(post)
    assert post.text == "🔴 Alert: 50 models drift since 2013-07-01 09:40 UTC"
    assert "Likely cause, the same for all: dep_delay × 60" in said
    assert "• <https://drift.example/models/model-00|model-00>\n" in said
    assert f"… and {50 - MOST_LINES} more: model-{MOST_LINES}, " in said
    assert all(f"model-{n:02}" in said for n in range(50))
    assert said.count("dep_delay × 60") == 1
    assert post.body["metadata"]["event_payload"] == {"delivery": group_id(deliveries(50)), "incidents": 50, "kind": "firing"}


def deliveries(count: int, kind: NotifyKind = NotifyKind.FIRING, first: int = 0) -> list[Delivery]:
    return [Delivery(id=message(n, kind).id, receiver="slack", kind=kind, incident=f"inc_{n}", body=message(n, kind).body, attempts=0,
                     created_at=START) for n in range(first, first + count)]


def test_later_messages_of_each_go_into_the_thread_and_rewrite_nothing(slack: SlackServer) -> None:
    world = World(bot(slack))
    world.put(*map(message, range(12)))
    world.after(10)
    world.put(message(0, NotifyKind.REPEAT), message(1, NotifyKind.RESOLVED))
    world.after(10)
    world.put(message(0, NotifyKind.RESOLVED), *(message(n, NotifyKind.RESOLVED) for n in range(2, 12)))
    world.after(10)
    first, reminder, single, note = slack.posts
    assert {post.thread_ts for post in (reminder, single, note)} == {first.ts}
    assert first.edits == 0
    assert (reminder.body["reply_broadcast"], single.body["reply_broadcast"], note.body["reply_broadcast"]) == (True, False, False)
    assert texts(single) == "🟢 model-01: resolved after 3 h (1 bad window; resolve_after reached)"
    assert texts(note).startswith("🟢 11 models drifted: resolved after up to 3 h: model-00, model-02, ")
    assert world.states == {"sent": 25}


def test_in_the_thread_of_many_a_change_of_one_is_a_note_and_no_picture_is_put(slack: SlackServer) -> None:
    world = World(bot(slack))
    world.put(*map(message, range(6)))
    world.after(10)
    body = message_body(occasion(3, NotifyKind.UPDATE, acknowledged_by="ann"))
    picture = Message(receiver="slack", kind=PICTURE, dedupe="picture:3", incident="inc_3", body={})
    world.put(picture, message(3, NotifyKind.UPDATE, body))
    world.after(0)
    first, note = slack.posts
    assert (first.edits, note.thread_ts, note.body["reply_broadcast"]) == (0, first.ts, False)
    assert "model-03" in texts(note)
    assert world.states == {"sent": 8}


def test_reminders_of_many_are_one_that_the_channel_sees(slack: SlackServer) -> None:
    world = World(bot(slack))
    world.put(*map(message, range(6)))
    world.after(10)
    world.put(*(message(n, NotifyKind.REPEAT) for n in range(6)))
    world.after(10)
    first, reminder = slack.posts
    assert (reminder.thread_ts, reminder.body["reply_broadcast"]) == (first.ts, True)
    assert "6 models drift: still going on after up to 1 h, since 2013-07-01 09:40 UTC" in texts(reminder)


def test_where_the_groups_message_was_deleted_the_end_is_told_in_the_channel(slack: SlackServer) -> None:
    world = World(bot(slack))
    world.put(*map(message, range(6)))
    world.after(10)
    slack.delete(slack.posts[0])
    world.put(*(message(n, NotifyKind.RESOLVED) for n in range(6)))
    world.after(10)
    (post,) = slack.posts
    assert post.thread_ts is None
    assert "6 models drifted: resolved after up to 3 h" in texts(post)


@pytest.mark.fault(13)
@pytest.mark.parametrize("lost", [http.drops_after_work, http.resets_after_work])
def test_a_group_whose_answer_was_lost_is_found_and_its_thread_kept(slack: SlackServer, lost: http.Fault) -> None:
    world = World(bot(slack))
    world.put(*map(message, range(6)))
    slack.script(lost)
    world.after(10)
    world.put(*map(message, range(6, 9)))
    world.after(10)
    assert [post.text[:15] for post in slack.posts] == ["🔴 Alert: 6 mode", *["🔴 Alert: model-"] * 3]
    world.put(*(message(n, NotifyKind.RESOLVED) for n in range(6)))
    slack.script(lost)
    world.after(10)
    world.after(10)
    assert slack.posts[-1].thread_ts == slack.posts[0].ts
    assert len(slack.posts) == 5
    assert world.states == {"sent": 15}


@pytest.mark.fault(14)
def test_a_form_that_slack_refuses_is_sent_as_text(slack: SlackServer) -> None:
    world = World(bot(slack))
    world.put(*map(message, range(6)))
    slack.script(refuses("invalid_blocks"))
    world.after(10)
    (post,) = slack.posts
    assert (post.text, post.body["blocks"]) == ("🔴 Alert: 6 models drift since 2013-07-01 09:40 UTC", [])


def test_a_message_that_cannot_be_read_takes_no_other_down_and_is_named(slack: SlackServer) -> None:
    world = World(bot(slack))
    world.put(*map(message, range(5)), message(5, body={"kind": "odd"}))
    world.after(10)
    (post,) = slack.posts
    assert "6 models drift" in post.text
    assert "Messages that cannot be read: inc_5" in texts(post)


def test_an_incoming_webhook_is_told_once_of_the_beginning_and_once_of_the_end(slack: SlackServer) -> None:
    hook = SlackWebhook(url=Secret(text=slack.webhook_url), clock=SystemClock(), grouping=RULE)
    world = World(hook)
    for kind in (NotifyKind.FIRING, NotifyKind.RESOLVED):
        world.put(*(message(n, kind) for n in range(6)))
        world.after(10)
    assert [post.text for post in slack.posts] == [
        "🔴 Alert: 6 models drift since 2013-07-01 09:40 UTC", "🟢 Resolved: 6 models drifted: resolved after up to 3 h"
    ]


# --- the pace ------------------------------------------------------------------------------------------------


class Waits(Hands):
    """Time goes by itself, as it does for whoever waits."""

    def monotonic(self) -> float:
        return SystemClock().monotonic()


@pytest.mark.fault(12)
def test_a_channel_gets_no_more_messages_than_slack_takes() -> None:
    apart = 0.2
    slack = SlackServer(scopes=ALL, apart=apart)
    try:
        world = World(bot(slack, min_interval=apart))
        world.clock = Waits()
        world.begin()
        world.put(*map(message, range(4)))
        assert world.after(10) == 4
        came = slack.rates.arrived["#ml-alerts"]
        assert (len(came), slack.rates.refused) == (4, 0)
        assert min(b - a for a, b in pairwise(came)) >= apart
    finally:
        slack.close()


@pytest.mark.fault(12)
def test_the_double_refuses_who_is_too_fast_and_what_was_refused_is_told_later() -> None:
    slack = SlackServer(scopes=ALL, apart=0.5)
    try:
        world = World(bot(slack))
        world.put(message(0), message(1), message(2))
        world.after(10)
        assert (len(slack.posts), slack.rates.refused) == (1, 1), "after the first refusal nothing more is asked"
        assert world.states == {"sent": 1, "pending": 2}
        slack.rates.apart = None
        world.after(1.0)
        world.after(10)
        assert world.states == {"sent": 3}
    finally:
        slack.close()


@pytest.mark.fault(12)
def test_the_doubles_webhook_refuses_who_is_too_fast() -> None:
    slack = SlackServer(apart=60)
    try:
        hook = SlackWebhook(url=Secret(text=slack.webhook_url), clock=SystemClock())
        hook.send(deliveries(1)[0])
        with pytest.raises(Retryable, match="429: rate_limited") as caught:
            hook.send(deliveries(1)[0])
        assert caught.value.retry_after is not None
        assert 59 < caught.value.retry_after <= 60
    finally:
        slack.close()


def test_what_posts_nothing_is_kept_apart_from_nothing() -> None:
    class Quiet(Scripted):
        min_interval = 3600.0

        def send(self, delivery: Delivery) -> Receipt:
            self.alone.append(delivery.incident or "")
            return Receipt(detail="nothing to do", posted=False)

    world = World(Quiet())
    world.put(*map(message, range(4)))
    assert world.after(10) == 4
    assert world.receiver.alone == incidents(0, 1, 2, 3)


def test_a_stop_waits_for_no_pace() -> None:
    paced = Scripted()
    paced.min_interval = 3600.0  # type: ignore[attr-defined]
    world = World(paced)
    world.put(message(0), message(1))
    paced.send = lambda delivery: (world.dispatcher.stop(), Receipt())[1]  # type: ignore[method-assign]
    assert world.after(10) == 1
    assert world.states == {"sent": 1, "pending": 1}


# --- the message ---------------------------------------------------------------------------------------------


def crowd(kind: NotifyKind = NotifyKind.FIRING, *told: IncidentMessage) -> Crowd:
    return Crowd(kind=kind, told=told)


def told(n: int, kind: NotifyKind = NotifyKind.FIRING, **changes: Any) -> IncidentMessage:
    return incident_message(occasion(n, kind, **changes))


def said(message: SlackMessage) -> str:
    return json.dumps(as_arguments(message), ensure_ascii=False)


def test_causes_that_differ_stand_in_their_lines_and_a_column_in_common_is_said_once() -> None:
    group = build_group(crowd(NotifyKind.FIRING, told(0, cause="dep_delay × 60", columns=("dep_delay", "a")),
                              told(1, cause="dep_delay × 59", columns=("b", "dep_delay"))))
    assert "In all of them: dep_delay" in said(group)
    assert "|model-00>: dep_delay × 60\\n• " in said(group)
    apart = build_group(crowd(NotifyKind.FIRING, told(0, cause="x", columns=("x",)), told(1, cause="y", columns=("y",))))
    assert "In all of them" not in said(apart)
    assert "same for all" not in said(apart)


def test_many_columns_in_common_are_counted() -> None:
    wide = tuple("abcdef")
    group = build_group(crowd(NotifyKind.FIRING, told(0, cause="x", columns=wide), told(1, cause="y", columns=wide)))
    assert "In all of them: a, b, c and 3 more columns" in said(group)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ([{}, {}], "2 models drift since"),
        ([{"checks": ("drift", "quality")}, {}], "2 models alert since"),
        ([{"condition": "judging_failed"}, {}], "1 model drifts and 1 trouble of driftd's own since"),
        ([{"condition": "a"}, {"condition": "b"}], "2 troubles of driftd's own since"),
    ],
)  # fmt: skip
def test_the_headline_says_how_many_of_what(changes: list[dict[str, Any]], sentence: str) -> None:
    group = build_group(crowd(NotifyKind.FIRING, *(told(n, **each) for n, each in enumerate(changes))))
    assert sentence in group.text


def test_it_looks_as_bad_as_the_worst_of_them() -> None:
    mixed = [told(0, severity=Verdict.WARN), told(1, severity=Verdict.ALERT)]
    assert build_group(crowd(NotifyKind.FIRING, *mixed)).attachments[0]["color"] == "#e01e5a"
    assert build_group(crowd(NotifyKind.FIRING, mixed[0])).attachments[0]["color"] == "#ecb22e"
    assert build_group(crowd(NotifyKind.RESOLVED, *mixed)).attachments[0]["color"] == "#2eb67d"
    assert build_group(Crowd(kind=NotifyKind.FIRING, told=(), unread=("inc_1", "inc_2"))).text == "⚪ Notice: 2 models alert"


NASTY = "<!channel> <@U123> <https://evil.example|click> & @here"


@pytest.mark.fault(31)
def test_names_from_logs_wake_nobody_and_link_nowhere() -> None:
    bad = [told(n, model=NASTY, cause=f"{NASTY}{n}", columns=(NASTY,), summary=NASTY) for n in range(40)]
    for kind in KINDS:
        for message in (build_group(crowd(kind, *bad)), build_group_note(crowd(kind, *bad))):
            for block in [*message.blocks, *(b for a in message.attachments for b in a["blocks"])]:  # type: ignore[attr-defined]
                if block.get("text", {}).get("type") == "mrkdwn":
                    text = block["text"]["text"]
                    assert text.count("<") == text.count("<https://drift.example/models/")
                    assert block["text"]["verbatim"] is True
            assert "<" not in message.text


@pytest.mark.fault(31)
@pytest.mark.parametrize("huge", ["&" * 100_000, "x" * 100_000])
def test_the_largest_group_is_within_slacks_limits(huge: str) -> None:
    many = [told(n, model=huge, cause=f"{n}{huge}", columns=(huge,) * 100, summary=huge) for n in range(500)]
    for kind in KINDS:
        for message in (build_group(crowd(kind, *many)), build_group_note(crowd(kind, *many))):
            assert refusal(as_arguments(message)) is None


@pytest.mark.fault(31)
@given(st.lists(st.tuples(st.text(max_size=300), st.text(max_size=300)), min_size=1, max_size=60), st.sampled_from(KINDS))
def test_any_text_makes_a_group_that_slack_takes(parts: list[tuple[str, str]], kind: NotifyKind) -> None:
    many = [told(n, kind, model=model, cause=cause) for n, (model, cause) in enumerate(parts)]
    for message in (build_group(crowd(kind, *many)), build_group_note(crowd(kind, *many))):
        assert refusal(as_arguments(message)) is None
        json.dumps(as_arguments(message)).encode()


def test_a_crowd_is_what_its_deliveries_tell() -> None:
    found = crowd_of([*deliveries(2), replace(deliveries(1)[0], incident=None, body={})])
    assert (found.kind, found.size, [m.model for m in found.told]) == (NotifyKind.FIRING, 3, ["model-00", "model-01"])
    assert found.unread == (deliveries(1)[0].id,)
