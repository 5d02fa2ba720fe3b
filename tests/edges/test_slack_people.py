"""What people are shown and answered in Slack, as pure functions: buttons, edited messages, envelopes, rights, the command."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from monitor.core.audit import AuditEntry, Via
from monitor.core.incidents import IncidentEvent, IncidentState, Notify, NotifyKind, TransitionReason
from monitor.core.messages import IncidentMessage, Occasion, incident_message
from monitor.core.results import Account, Check, Verdict, WindowKey
from monitor.core.retraining import Retraining, RetrainingState
from monitor.core.rules import PerformanceRules
from monitor.core.silences import Silence
from monitor.demo.slack_clicks import ANN, SlackUser, block_actions, buttons_of, given_back, slash_command
from monitor.demo.slack_history import NEEDS, SlackPost
from monitor.demo.slack_limits import refusal
from monitor.doubles.store import MemoryStore
from monitor.errors import DecodeError
from monitor.notify.slack_buttons import Standing, buttons, edited, is_proposal, proposal_blocks, proposal_buttons, standing_blocks
from monitor.notify.slack_command import MOST_LISTED, Questions, Reply, reply
from monitor.notify.slack_envelope import Click, Command, Goodbye, Hello, Other, Person, envelope_of, read
from monitor.notify.slack_message import build
from monitor.notify.slack_rights import WEIGHTY, Deed, Rights, rights_of
from monitor.notify.slack_status import Status, fact_pairs, headline
from monitor.ports import StoredWindow, VerdictCount
from monitor.settings.receivers import SlackSettings
from tests.contracts.store_story import START, event, incident, judgement, result
from tests.edges.web_story import FLIGHTS

ALL = frozenset(Deed)
NOW = datetime(2013, 7, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
FIRING, ACKNOWLEDGED, RESOLVED = IncidentState.FIRING, IncidentState.ACKNOWLEDGED, IncidentState.RESOLVED
SILENCE = Silence(id="sil_1", model="m", incident="inc_1", starts_at=NOW, ends_at=NOW + HOUR, by="ann (U0ANN)")
ASKED = Retraining(id="ret_1", model="m", version="1", state=RetrainingState.PROPOSED, reason="drift", incident="inc_1", columns=(),
                   requested_at=NOW)
PERFORMANCE = PerformanceRules(metrics=("roc_auc", "f1"), max_drop=0.03, label_delay=timedelta(days=30))
REASONS = {
    NotifyKind.FIRING: TransitionReason.OPEN_AFTER_REACHED, NotifyKind.REPEAT: TransitionReason.REPEAT_INTERVAL_ELAPSED,
    NotifyKind.RESOLVED: TransitionReason.RESOLVE_AFTER_REACHED, NotifyKind.UPDATE: TransitionReason.ACKNOWLEDGED_BY_PERSON,
}


def message(kind: NotifyKind = NotifyKind.FIRING, **changes: Any) -> IncidentMessage:
    return incident_message(Occasion(incident=replace(incident(), **changes), notify=Notify(kind=kind, reason=REASONS[kind]),
                                     account=Account(counted=5), page_url="https://drift.example"))


def post(**changes: Any) -> SlackPost:
    """The message as the channel has it."""
    made = build(message(**changes), buttons(message(**changes), ALL))
    body = {"text": made.text, "blocks": list(made.blocks), "attachments": list(made.attachments)}
    assert refusal(body) is None
    return SlackPost(channel="#ml", ts="1.000001", body=body)


def names(blocks: list[Mapping[str, Any]]) -> list[str]:
    return [element["action_id"] for block in blocks if block["type"] == "actions" for element in block["elements"]]


def words(blocks: list[Mapping[str, Any]]) -> str:
    return "\n".join(element["text"] for block in blocks if block["type"] == "context" for element in block["elements"])


# --- buttons -----------------------------------------------------------------------------------------------------


def test_buttons_stand_under_an_incidents_own_message_while_it_goes_on_and_bear_its_id() -> None:
    (block,) = buttons(message(), ALL)
    assert names([block]) == ["driftd_acknowledge", "driftd_silence_1h", "driftd_silence_1d", "driftd_expect"]
    assert {element["value"] for element in block["elements"]} == {"inc_1"}  # type: ignore[attr-defined]
    assert [("confirm" in element) for element in block["elements"]] == [False, False, False, True]  # type: ignore[attr-defined]
    assert buttons(message(NotifyKind.REPEAT), ALL) == [block]
    assert buttons(message(NotifyKind.RESOLVED), ALL) == []
    taken = message(NotifyKind.UPDATE, state=ACKNOWLEDGED, acknowledged_by="ann")
    assert names(buttons(taken, ALL)) == names([block])[1:]


def test_nothing_is_offered_that_nobody_may() -> None:
    assert Rights().offered() == ALL - WEIGHTY
    assert Rights(approvers=frozenset({"U1"})).offered() == ALL
    assert names(buttons(message(), ALL - WEIGHTY)) == ["driftd_acknowledge", "driftd_silence_1h", "driftd_silence_1d"]
    assert buttons(message(), frozenset()) == []
    assert names(proposal_buttons("ret_1", ALL)) == ["driftd_approve"]
    assert proposal_buttons("ret_1", ALL - WEIGHTY) == []


@pytest.mark.parametrize(
    ("standing", "left", "said"),
    [
        (Standing(incident=incident()), ["acknowledge", "silence_1h", "silence_1d", "expect"], ""),
        (Standing(incident=replace(incident(ACKNOWLEDGED), acknowledged_by="ann (U0ANN)")), ["silence_1h", "silence_1d", "expect"],
         "✋ Acknowledged by ann (U0ANN)"),
        (Standing(incident=incident(), silence=SILENCE), ["acknowledge", "silence_1h", "silence_1d", "expect"],
         "🔕 Silenced until 2013-07-02 01:00 UTC by ann (U0ANN)"),
        (Standing(incident=incident(), retraining=ASKED), ["acknowledge", "silence_1h", "silence_1d", "expect", "approve"], ""),
        (Standing(incident=incident(), retraining=replace(ASKED, state=RetrainingState.REQUESTED, approved_by="bob (U0BOB)")),
         ["acknowledge", "silence_1h", "silence_1d", "expect"], "🔁 Retraining approved by bob (U0BOB)"),
        (Standing(incident=incident(RESOLVED), silence=SILENCE), [], "🟢 Resolved"),
        (Standing(incident=replace(incident(), condition="kafka_away")), ["acknowledge", "silence_1h", "silence_1d"], ""),
        (Standing(incident=incident(IncidentState.PENDING)), [], ""),
    ],
)
def test_what_stands_under_a_message_says_what_was_done_and_offers_what_makes_sense(
    standing: Standing, left: list[str], said: str
) -> None:
    blocks = list(standing_blocks(standing, ALL))
    assert names(blocks) == [f"driftd_{each}" for each in left]
    assert words(blocks) == said


def test_when_and_why_come_from_the_history() -> None:
    acked = IncidentEvent(incident="inc_1", at=NOW, before=FIRING, after=ACKNOWLEDGED, reason=TransitionReason.ACKNOWLEDGED_BY_PERSON)
    over = IncidentEvent(incident="inc_1", at=NOW, before=ACKNOWLEDGED, after=RESOLVED, reason=TransitionReason.RESOLVED_AS_EXPECTED,
                         detail="by bob")
    closed = replace(incident(RESOLVED), acknowledged_by="ann")
    assert words(list(standing_blocks(Standing(incident=closed, history=(acked, over)), ALL))).splitlines() == [
        "✋ Acknowledged by ann, 2013-07-02 00:00 UTC", "🟢 Resolved: resolved by a person as expected (by bob)"]


def test_an_edited_message_keeps_all_but_our_own_blocks_and_slack_takes_it() -> None:
    first = post()
    standing = Standing(incident=replace(incident(ACKNOWLEDGED), acknowledged_by="ann"), silence=SILENCE)
    once = edited(given_back(first), standing_blocks(standing, ALL))
    assert once is not None
    assert refusal(once) is None
    twice = edited(given_back(replace(first, body=once)), standing_blocks(Standing(incident=incident(RESOLVED)), ALL))
    assert twice is not None
    assert refusal(twice) is None
    assert buttons_of(replace(first, body=twice)) == {}
    before, after = first.body["attachments"][0], twice["attachments"][0]  # type: ignore[index]
    assert after["color"] == before["color"] == "#e01e5a"
    kept = [{name: value for name, value in block.items() if name != "block_id"} for block in after["blocks"]]
    assert kept[:-1] == before["blocks"][:-1]
    assert twice["text"] == first.text


def test_a_message_without_our_buttons_is_left_alone() -> None:
    plain = build(message())
    body = {"text": plain.text, "blocks": list(plain.blocks), "attachments": list(plain.attachments)}
    for strange in (body, {}, {"blocks": 7, "attachments": [7, {"blocks": None}]}, {"attachments": None}):
        assert edited(strange, standing_blocks(Standing(incident=incident()), ALL)) is None


def test_a_proposal_shows_what_became_of_it_and_nothing_of_the_incident() -> None:
    plain = build(message(NotifyKind.REPEAT), proposal_buttons("ret_1", ALL))
    body = {"text": plain.text, "blocks": list(plain.blocks), "attachments": list(plain.attachments)}
    proposal = SlackPost(channel="#ml", ts="1.000001", body=body)
    assert refusal(body) is None
    assert is_proposal(given_back(proposal))
    assert not is_proposal(given_back(post()))
    for asked, left, said in (
        (ASKED, ["driftd_approve"], ""),
        (replace(ASKED, state=RetrainingState.REQUESTED, approved_by="ann (U0ANN)"), [], "🔁 Retraining approved by ann (U0ANN)"),
        (replace(ASKED, state=RetrainingState.CANCELLED), [], "🔁 Retraining cancelled"),
    ):
        blocks = proposal_blocks(asked, ALL)
        back = edited(given_back(proposal), blocks)
        assert back is not None
        assert refusal(back) is None
        assert (names(blocks), words(blocks)) == (left, said)
        assert is_proposal(given_back(replace(proposal, body=back)))


def test_pictures_go_back_as_they_came() -> None:
    first = post()
    picture = {"type": "image", "slack_file": {"id": "F1"}, "alt_text": "columns"}
    first.body["attachments"][0]["blocks"].insert(0, picture)
    back = edited(given_back(first), standing_blocks(Standing(incident=incident()), ALL))
    assert back is not None
    shown = back["attachments"][0]["blocks"][0]  # type: ignore[index]
    assert {name: value for name, value in shown.items() if name != "block_id"} == picture


@given(text=st.text(max_size=300), by=st.text(max_size=5000))
def test_no_name_breaks_slacks_limits(text: str, by: str) -> None:
    standing = Standing(incident=replace(incident(ACKNOWLEDGED), acknowledged_by=by or "x", id=text[:99] or "i"),
                        silence=replace(SILENCE, by=by), history=(event(FIRING, RESOLVED),))
    back = edited(given_back(post()), standing_blocks(standing, ALL))
    assert back is not None
    assert refusal(back) is None


# --- envelopes ---------------------------------------------------------------------------------------------------


def frame(kind: str, payload: object = None, **more: object) -> str:
    return json.dumps({"type": kind, "envelope_id": "e1", "payload": payload, **more})


def test_a_click_is_read_as_slack_sends_it() -> None:
    payload = block_actions(post(), "driftd_silence_1h", ANN, at=1_700_000_000.25, answer_to="https://hooks.slack.com/actions/1")
    click = read(frame("interactive", payload))
    assert isinstance(click, Click)
    assert (click.envelope, click.action, click.value, str(click.person)) == ("e1", "driftd_silence_1h", "inc_1", "ann (U0ANN)")
    assert click.at == datetime.fromtimestamp(1_700_000_000.25, UTC)
    assert click.answer_to == "https://hooks.slack.com/actions/1"
    assert edited(click.message, ()) is not None
    assert "a-verification-token" not in repr(click)


def test_a_guest_is_told_apart_and_names_cannot_play_tricks() -> None:
    eve = SlackUser(id="W0EVE", name="eve\n\ud800\x1b[31m" + "x" * 200, team="T999")
    click = read(frame("interactive", block_actions(post(), "driftd_expect", eve, at=0, answer_to="")))
    assert isinstance(click, Click)
    assert click.person.guest
    assert click.person.name.startswith("eve\\n\\ud800\\x1b[31m")
    assert len(click.person.name) < 120
    click.person.name.encode()


def test_a_command_is_read_as_slack_sends_it() -> None:
    command = read(frame("slash_commands", slash_command("status m", ANN, channel="C1", answer_to="https://hooks.slack.com/commands/1")))
    assert isinstance(command, Command)
    assert (command.text, str(command.person), command.person.guest) == ("status m", "ann (U0ANN)", False)


def test_the_connections_own_words_are_read() -> None:
    assert read('{"type": "hello", "num_connections": 3, "connection_info": {"app_id": "A1"}}') == Hello(connections=3)
    assert read('{"type": "disconnect", "reason": "warning", "debug_info": {"host": "h"}}') == Goodbye(reason="warning")
    assert read(frame("events_api", {"event": {}})) == Other(envelope="e1", kind="events_api")
    assert read(frame("interactive", {"type": "view_submission"})) == Other(envelope="e1", kind="interactive")


@pytest.mark.parametrize(
    "payload",
    [None, 7, {}, {"type": "block_actions"}, {"type": "block_actions", "user": {"id": "<@U1>"}, "actions": [{"action_id": "x"}]},
     {"type": "block_actions", "user": "U1", "actions": []}],
)
def test_what_is_no_payload_is_an_error_that_repeats_nothing(payload: object) -> None:
    if payload is None or payload in (7, {}):
        assert isinstance(read(frame("interactive", payload)), Other)
        payload = {"user_id": 7, "text": "a-secret"}
        with pytest.raises(DecodeError) as caught:
            read(frame("slash_commands", payload))
    else:
        with pytest.raises(DecodeError) as caught:
            read(frame("interactive", payload))
    assert "a-secret" not in str(caught.value)
    assert envelope_of(frame("interactive", payload)) == "e1"


def test_what_has_no_envelope_has_none() -> None:
    assert [envelope_of(text) for text in ("{", "[]", '{"envelope_id": 7}', '{"envelope_id": ""}')] == [None] * 4


def test_a_time_that_is_none_is_the_beginning_of_time() -> None:
    for ts in ("", "soon", "1e400", "nan"):
        payload = {"type": "block_actions", "user": {"id": "U1A"}, "actions": [{"action_id": "x", "action_ts": ts}]}
        click = read(frame("interactive", payload))
        assert isinstance(click, Click)
        assert click.at == datetime.fromtimestamp(0, UTC)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)
                    | st.dictionaries(st.sampled_from(["type", "user", "actions", "id", "action_id", "payload", "value", "team", "text"]),
                                      inner, max_size=4), max_leaves=20))
def test_no_payload_makes_another_error_than_the_one_that_is_expected(payload: object) -> None:
    for kind in ("interactive", "slash_commands"):
        for told in (payload, {"type": "block_actions", "user": payload, "actions": payload}):
            try:
                read(frame(kind, told))
            except DecodeError:
                continue


# --- rights ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rights", "person", "may"),
    [
        (Rights(), Person(id="U1", name="a"), ALL - WEIGHTY),
        (Rights(), Person(id="U1", name="a", guest=True), frozenset()),
        (Rights(users=frozenset({"U1"})), Person(id="U1", name="a", guest=True), ALL - WEIGHTY),
        (Rights(users=frozenset({"U2"})), Person(id="U1", name="a"), frozenset()),
        (Rights(users=frozenset()), Person(id="U1", name="a"), frozenset()),
        (Rights(users=frozenset(), approvers=frozenset({"U1"})), Person(id="U1", name="a"), ALL),
        (Rights(approvers=frozenset({"U2"})), Person(id="U1", name="a"), ALL - WEIGHTY),
    ],
)
def test_who_may_what(rights: Rights, person: Person, may: frozenset[Deed]) -> None:
    assert {deed for deed in Deed if rights.refusal(deed, person) is None} == may


def test_rights_come_from_the_configuration() -> None:
    given = {"token": "xoxb-1", "channel": "c", "app_token": "xapp-1"}
    assert rights_of(SlackSettings.model_validate(given)) == Rights()
    given |= {"allow_users": ["U024BE7LH"], "approvers": "W024BE7LH"}
    assert rights_of(SlackSettings.model_validate(given)) == Rights(users=frozenset({"U024BE7LH"}), approvers=frozenset({"W024BE7LH"}))


# --- the command -------------------------------------------------------------------------------------------------


def asked(text: str, store: MemoryStore | None = None, **changes: Any) -> Reply:
    parts = {"store": store or MemoryStore(), "models": (FLIGHTS, replace(FLIGHTS, name="fare-price")), "rights": Rights(),
             "now": lambda: NOW, "lag": lambda _: None, **changes}
    said = reply(Questions(**parts), Command(envelope="e", text=text, person=Person(id="U1", name="ann"), answer_to=""))
    assert refusal({"text": said.text, "blocks": list(said.blocks)}) is None
    return said


def seen(said: Reply) -> str:
    parts = [part for block in said.blocks for part in (block.get("text"), *(block.get("fields") or ())) if part]
    return "\n".join(part["text"] for part in parts)  # type: ignore[index]


def test_help_is_what_is_answered_to_nothing_and_to_what_is_not_known() -> None:
    for text in ("", "help", "HELP  ", "  "):
        assert seen(asked(text)).splitlines()[0] == "driftd"
    wrong = seen(asked("statsu flight-delay"))
    assert '"statsu" is not known; did you mean "status"?' in wrong
    assert "/driftd incidents" in wrong


def test_a_model_that_is_not_watched_is_guessed() -> None:
    assert '"flight-dely" is no model that is watched; did you mean "flight-delay"?' in seen(asked("status flight-dely"))
    assert "which model?; known: fare-price, flight-delay" in seen(asked("status"))
    assert "nothing is judged yet" in seen(asked("status", models=(FLIGHTS,))), "of one model there is no question"


def test_models_are_listed_and_too_many_are_counted() -> None:
    assert seen(asked("models")) == "Models\n• flight-delay\n• fare-price"
    many = tuple(replace(FLIGHTS, name=f"m{n}") for n in range(MOST_LISTED + 7))
    assert seen(asked("models", models=many)).endswith("… and 7 more")


def test_open_incidents_are_listed_newest_first() -> None:
    store = MemoryStore()
    assert seen(asked("incidents", store)) == "Open incidents\nNone is open."
    store.record(judgement(incident=incident(), events=(event(None, FIRING),)))
    store.record(replace(judgement(incident=incident(id="inc_2", model="o")), model="o", events=(event(None, FIRING, id="inc_2"),)))
    lines = seen(asked("incidents", store)).splitlines()
    assert lines[1:] == [f"• {name}, firing since {START:%Y-%m-%d %H:%M} UTC: delay in seconds ({id})" for name, id in
                         (("o", "inc_2"), ("m", "inc_1"))]


def test_who_may_not_ask_gets_no_answer() -> None:
    assert "only those in slack.allow_users may ask by Slack" in seen(asked("models", rights=Rights(users=frozenset({"U2"}))))


def test_a_status_tells_all_that_is_known() -> None:
    store, model = MemoryStore(), replace(FLIGHTS, name="m", performance=PERFORMANCE)
    at = (result(0), result(0, None, check=Check.PERFORMANCE, metric="roc_auc", value=0.71, ci_low=0.69, ci_high=0.73, labelled=8,
                            estimated=False, verdict=Verdict.ALERT))
    store.record(judgement(results=at, incident=incident(), events=(event(None, FIRING),)))
    audit = AuditEntry(at=NOW, by="ann", via=Via.CLI, action="silence", model="m", subject="sil_1")
    store.add_silence(SILENCE, audit)
    said = seen(asked("status m", store, models=(model,), lag=lambda _: 12345))
    assert said.splitlines()[:2] == ["🔴 m", f"firing since {START:%Y-%m-%d %H:%M} UTC: delay in seconds"]
    for part in ("Last window: ", "2 alert", "Performance: roc_auc 0.71 [0.69, 0.73], realised, 80 % labelled", "Estimated: not known",
                 "Incident: inc_1", "Silenced until: 2013-07-02 01:00 UTC, by ann (U0ANN)", "Not read yet: 12,345 messages"):
        assert part in said


def test_the_newest_performance_and_the_first_metric_count() -> None:
    model = replace(FLIGHTS, performance=PERFORMANCE)

    def of(hour: int, metric: str, value: float | None, **more: Any) -> Any:
        return result(hour, None, check=Check.PERFORMANCE, metric=metric, value=value, verdict=Verdict.OK, **more)

    known = (of(0, "roc_auc", 0.9, estimated=False), of(1, "f1", 0.5, estimated=False), of(1, "roc_auc", 0.8, estimated=False),
             of(1, "roc_auc", 0.85, estimated=False, revision=1), of(2, "roc_auc", None, estimated=False),
             of(3, "f1", 0.4, estimated=True, labelled=0))
    status = Status(model=model, incident=None, counts=(), accounts=(), performance=known)
    facts = dict(fact_pairs(status))
    assert facts["Performance"].startswith("roc_auc 0.85, realised, window ")
    assert facts["Estimated"].startswith("f1 0.4, estimated, no labels yet, window ")
    assert dict(fact_pairs(replace(status, performance=(), model=FLIGHTS)))["Performance"] == "not watched"


def window(hour: int, version: str, counted: int) -> StoredWindow:
    start = START + hour * HOUR
    return StoredWindow(key=WindowKey(model="m", version=version, start=start, end=start + HOUR), account=Account(counted=counted),
                        profile=None)


def test_the_account_is_of_the_newest_window_over_its_versions() -> None:
    status = Status(model=FLIGHTS, incident=None, counts=(), performance=(), accounts=(window(0, "1", 7), window(1, "1", 3),
                                                                                       window(1, "2", 4)))
    assert dict(fact_pairs(status))["Rows"].endswith(": 7 received = 7 counted")


@pytest.mark.parametrize(
    ("verdicts", "sign"), [((), "⚪"), ((Verdict.OK,), "🟢"), ((Verdict.OK, Verdict.ALERT), "🟡"), ((Verdict.WARN,), "🟡"),
                           ((Verdict.INSUFFICIENT, Verdict.OK), "⚪"), ((Verdict.ERROR, Verdict.OK), "⚪")],
)
def test_the_sign_is_of_the_worst_that_is_known(verdicts: tuple[Verdict, ...], sign: str) -> None:
    counts = tuple(VerdictCount(window_start=START, window_end=START + HOUR, check=Check.DRIFT, verdict=v, count=1) for v in verdicts)
    status = Status(model=FLIGHTS, incident=None, counts=counts, accounts=(), performance=())
    assert status.sign == sign
    assert replace(status, incident=incident()).sign == "🔴"
    assert replace(status, incident=incident(IncidentState.PENDING)).sign == sign
    taken = replace(incident(ACKNOWLEDGED), acknowledged_by="ann")
    assert headline(replace(status, incident=taken)).startswith("acknowledged by ann since")


@given(text=st.text(max_size=600))
def test_whatever_is_typed_is_answered_within_slacks_limits_and_wakes_nobody(text: str) -> None:
    said = asked(text)
    assert not any(sign in said.text for sign in "<>")
    assert all(part["type"] == "plain_text" for block in said.blocks for part in (block["text"], *block.get("fields", ()))
               if isinstance(part, dict))


@given(name=st.text(min_size=1, max_size=2000))
def test_whatever_a_model_or_cause_is_called_slack_takes_it(name: str) -> None:
    model = replace(FLIGHTS, name=name.strip() or "m")
    status = Status(model=model, incident=replace(incident(), cause=name * 5), counts=(), accounts=(), performance=(),
                    silence=replace(SILENCE, by=name), retraining=replace(ASKED, verdict=name))
    assert len(fact_pairs(status)) <= 10
    assert math.isfinite(len(headline(status)))
    for command in ("models", f"status {model.name}", "incidents"):
        asked(command, models=(model,))


# --- the app's manifest ------------------------------------------------------------------------------------------


def test_the_manifest_asks_for_what_is_used_and_no_more() -> None:
    manifest = YAML(typ="safe").load((Path(__file__).parents[2] / "config" / "slack-app-manifest.yaml").read_text())
    scopes = set(manifest["oauth_config"]["scopes"]["bot"])
    assert scopes == {*NEEDS.values(), "files:write", "commands"}
    assert manifest["settings"]["socket_mode_enabled"]
    assert manifest["settings"]["interactivity"]["is_enabled"]
    (command,) = manifest["features"]["slash_commands"]
    assert (command["command"], "url" in command) == ("/driftd", False)
    assert all(word in command["usage_hint"] for word in ("status", "models", "incidents", "help"))
