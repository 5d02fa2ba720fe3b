"""From judged windows to requests to retrain, and what people and trainers do with them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from monitor.core.audit import Via
from monitor.core.results import Check
from monitor.core.retraining import Report, Retraining, RetrainingState
from monitor.core.rules import Allowance, Approval, Model, RetrainingRules
from monitor.doubles.store import MemoryStore
from monitor.errors import UnknownError, UsageError
from monitor.pipeline import Desk, Routes, Telling
from monitor.ports import Message, Store
from tests.pipeline.test_judge import RULES, STORY, put_hour, the_reference
from tests.pipeline.world import HOUR, START, World

URL = "https://driftd.example"
ROUTES = Routes(people=("slack",), retraining="retrain", page_url=URL, api_url=URL)
ASK, AUTOMATIC = Approval.ASK, Approval.AUTOMATIC
SLOWLY = (1, 1, 1.3, 1.3, 1.3, 1.3, 1, 1)
"""Delays that grow by a third: the world has changed, nothing is broken."""


def asking(**changes: object) -> Model:
    given = {"when": {"drift": 2}, "cooldown": 24 * HOUR, **changes}
    return replace(RULES, retraining=RetrainingRules(**given))  # type: ignore[arg-type]


def world_of(*models: Model, store: Store | None = None, story: tuple[float, ...] = SLOWLY) -> World:
    """Its windows wait to be judged."""
    made = World(store=store or MemoryStore(), models=models, routes=ROUTES)
    for model in models:
        made.store.add_reference(replace(the_reference(), model=model.name), activate=True, at=made.clock.now())
    made.crash()
    for hour, times in enumerate(story):
        put_hour(made, hour, times)
    made.read_all()
    return made


def judged(*models: Model, store: Store | None = None, story: tuple[float, ...] = SLOWLY) -> World:
    made = world_of(*models, store=store, story=story)
    made.judge.finish()
    return made


def desk_of(world: World, *models: Model) -> Desk:
    telling = Telling({model.name: world.routes for model in world.models})
    return Desk(store=world.store, models=models or world.models, telling=telling, clock=world.clock)


def messages(world: World, receiver: str) -> list[Message]:
    """What waits for a receiver, in order."""
    found = []
    while claimed := world.store.claim(receiver, owner="o", lease=60, limit=1, now=world.clock.now()):
        found.append(claimed[0])
        world.store.dead(claimed[0], "read", world.clock.now())
    return found


def states(world: World, id: str) -> list[RetrainingState]:
    return [event.after for event in world.store.retraining_events(id)]


def test_a_data_fault_asks_for_nothing_and_the_message_says_so(any_store: Store) -> None:
    world = judged(asking(), store=any_store, story=STORY)
    assert list(world.store.retrainings()) == []
    assert messages(world, "retrain") == []
    first = messages(world, "slack")[0]
    assert first.body["retraining"] == (
        "No retraining is asked for: do not retrain on a broken pipeline (delay: its unit changed)"
    )


def test_where_nobody_would_be_asked_nothing_is_said_of_it() -> None:
    for model in (replace(RULES, retraining=None), asking(veto=False)):
        assert messages(judged(model, story=STORY), "slack")[0].body["retraining"] == ""


def test_a_drift_asks_once_with_all_that_is_known_of_why(any_store: Store) -> None:
    world = judged(asking(), store=any_store)
    [asked] = world.store.retrainings()
    assert (asked.state, asked.requested_at, asked.columns) == (RetrainingState.REQUESTED, START + 4 * HOUR, ("delay",))
    [sent] = messages(world, "retrain")
    assert len(json.dumps(sent.body).encode()) < 20_000
    data = sent.body["data"]
    assert isinstance(data, dict)
    reference = the_reference()
    assert data["reference"] == {"number": 1, "hash": reference.hash}
    assert {**data["training"], "leave_out": list(data["training"]["leave_out"])} == {
        "start": "2013-03-01T00:00:00Z", "end": "2013-03-01T04:00:00Z", "changed_at": "2013-03-01T02:00:00Z", "leave_out": [],
    }
    assert data["column_lines"][0]["column"] == "delay"
    assert "delay" in data["column_lines"][0]["sentence"]
    assert (data["incident"], data["incident_since"]) == (asked.incident, "2013-03-01T02:00:00Z")
    assert data["url"] == f"{URL}/models/m"
    assert data["callback_url"] == f"{URL}/api/v1/retrainings/{asked.id}/status"
    assert states(world, asked.id) == [RetrainingState.REQUESTED]


def test_of_two_replicas_one_asks(any_store: Store) -> None:
    world = world_of(asking(), store=any_store)
    other = world.replica()
    for _ in range(len(SLOWLY) + 1):
        other.judge.finish()
        world.judge.finish()
    assert len(world.store.retrainings()) == 1
    assert len(messages(world, "retrain")) == 1


def test_what_is_to_be_approved_goes_out_once_it_is(any_store: Store) -> None:
    world = judged(asking(approval=ASK), store=any_store)
    desk = desk_of(world)
    [proposed] = world.store.retrainings()
    assert proposed.state is RetrainingState.PROPOSED
    assert messages(world, "retrain") == []
    note = next(message for message in messages(world, "slack") if message.kind == "retraining_status")
    assert note.incident == proposed.incident
    assert note.body["sentence"] == "m: retraining is proposed: drift alerted in 2 windows in a row"
    assert note.body["hint"] == f"driftd retrainings approve CONFIG {proposed.id}, or cancel in the place of approve"
    after = desk.approve(proposed.id, by="ann", via=Via.CLI)
    assert (after.state, after.approved_by) == (RetrainingState.REQUESTED, "ann")
    [sent] = messages(world, "retrain")
    data = sent.body["data"]
    assert isinstance(data, dict)
    assert (data["id"], data["reference"]["number"], len(data["results"])) == (proposed.id, 1, 2)
    assert data["training"]["end"] == "2013-03-01T04:00:00Z"
    assert messages(world, "slack")[-1].body["sentence"] == "m: retraining is asked for: approved by ann"
    assert [(line.by, line.via, line.action, line.subject) for line in world.store.audit()] == [("ann", Via.CLI, "approve", proposed.id)]
    with pytest.raises(UsageError, match="only a proposed one can be approved"):
        desk.approve(proposed.id, by="bo", via=Via.API)
    assert states(world, proposed.id) == [RetrainingState.PROPOSED, RetrainingState.REQUESTED]


def test_the_trainer_reports_and_people_are_told_in_the_incidents_thread(any_store: Store) -> None:
    world = judged(asking(), store=any_store)
    desk = desk_of(world)
    [asked] = world.store.retrainings()
    messages(world, "slack")
    for report in (Report(state=RetrainingState.ACCEPTED), Report(state=RetrainingState.RUNNING, run_url="https://ci.example/7"),
                   Report(state=RetrainingState.RUNNING), Report(state=RetrainingState.SUCCEEDED, version="2", detail="on June")):
        after = desk.report(asked.id, report, by="ci")
    assert (after.state, after.new_version, after.run_url) == (RetrainingState.SUCCEEDED, "2", "https://ci.example/7")
    told = messages(world, "slack")
    assert [message.incident for message in told] == [asked.incident] * 3
    assert told[-1].body["sentence"] == "m: retraining succeeded: version 2, on June"
    with pytest.raises(UsageError, match="cannot become running; allowed: nothing more"):
        desk.report(asked.id, Report(state=RetrainingState.RUNNING), by="ci")
    assert list(world.store.audit()) == [], "a trainer is no person"


def test_a_person_asks_whatever_the_policy_says_but_not_beside_another(any_store: Store) -> None:
    quiet = asking(when={})
    world = judged(quiet, store=any_store)
    desk = desk_of(world)
    assert list(world.store.retrainings()) == []
    wish = desk.request("m", by="ann", via=Via.API, reason="new airports")
    assert (wish.state, wish.requested_at, wish.version, wish.reason) == (RetrainingState.REQUESTED, START + 8 * HOUR, "1", "new airports")
    assert [(line.action, line.detail) for line in world.store.audit()] == [("retrain", "new airports")]
    [sent] = messages(world, "retrain")
    assert sent.body["data"]["id"] == wish.id  # type: ignore[index]
    with pytest.raises(UsageError, match=f"retraining {wish.id} of m is requested: cancel it first"):
        desk.request("m", by="bo", via=Via.CLI)
    assert desk.cancel(wish.id, by="bo", via=Via.CLI).state is RetrainingState.CANCELLED
    assert desk.request("m", by="bo", via=Via.CLI).reason == "asked for by bo"
    with pytest.raises(UnknownError, match=r"no model 'x' that can be retrained is configured, known: \['m'\]"):
        desk.request("x", by="bo", via=Via.CLI)


def test_what_is_not_there_is_unknown() -> None:
    desk = desk_of(judged(asking()))
    for deed in (desk.approve, desk.cancel):
        with pytest.raises(UnknownError, match="there is no retraining 'ret_x'"):
            deed("ret_x", by="ann", via=Via.CLI)


def test_a_change_that_another_was_quicker_than_is_made_of_what_there_is_then() -> None:
    class Raced(MemoryStore):
        losses = 1

        def save_retraining(self, *given: object, **named: object) -> bool:
            self.losses -= 1
            return self.losses < 0 and super().save_retraining(*given, **named)  # type: ignore[arg-type]

    world = judged(asking(), store=Raced())
    [asked] = world.store.retrainings()
    assert desk_of(world).report(asked.id, Report(state=RetrainingState.RUNNING), by="ci").state is RetrainingState.RUNNING
    world.store.losses = 99  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="changes all the time"):
        desk_of(world).cancel(asked.id, by="ann", via=Via.CLI)


def test_a_wish_of_the_same_moment_and_person_is_the_same_wish() -> None:
    class Blind(MemoryStore):
        def recent_retrainings(self, model: str, newest: int) -> list[Retraining]:
            return []

    world = judged(asking(when={}), store=Blind())
    wish = desk_of(world).request("m", by="ann", via=Via.CLI)
    with pytest.raises(UsageError, match=f"retraining {wish.id} is there already"):
        desk_of(world).request("m", by="ann", via=Via.CLI)


def test_a_request_that_would_go_to_nobody_is_not_approved() -> None:
    world = judged(asking(approval=ASK))
    [proposed] = world.store.retrainings()
    for models in ((), (replace(asking(approval=ASK), retraining=None),)):
        desk = Desk(store=world.store, models=models, telling=Telling({}), clock=world.clock)
        with pytest.raises(UsageError, match="model 'm' asks nobody to retrain it by this configuration"):
            desk.approval(proposed, by="ann", at=world.clock.now())
        with pytest.raises(UsageError, match="asks nobody"):
            desk.approve(proposed.id, by="ann", via=Via.CLI)
    assert [found.state for found in world.store.retrainings()] == [RetrainingState.PROPOSED]


@pytest.mark.fault(48)
def test_what_nobody_ends_is_given_up_in_event_time_and_told() -> None:
    world = judged(asking(cooldown=HOUR, timeout=4 * HOUR, when={"drift": 1}), story=(1, 1, 1.3))
    [first] = world.store.retrainings()
    desk_of(world).report(first.id, Report(state=RetrainingState.RUNNING), by="trainer")
    for hour in range(3, 12):
        put_hour(world, hour, 1.3)
    world.read_all()
    world.judge.finish()
    first, second, *_ = world.store.retrainings()
    assert second.requested_at - first.requested_at == 4 * HOUR
    assert (first.state, first.detail) == (RetrainingState.FAILED, "timed out: no end was reported within 4h")
    assert states(world, first.id) == [RetrainingState.REQUESTED, RetrainingState.RUNNING, RetrainingState.FAILED]
    assert any(message.body.get("sentence", "").startswith("m: retraining failed: timed out") for message in messages(world, "slack"))


def test_an_old_version_is_asked_for_by_its_age() -> None:
    world = judged(asking(when={}, max_age=3 * HOUR), story=(1,) * 8)
    first = world.store.retrainings()[0]
    assert (first.requested_at, first.reason, first.incident) == (START + 3 * HOUR, "version 1 has been in use for 0 days", None)


def test_the_budget_of_all_models_holds_over_them(any_store: Store) -> None:
    shared = Allowance(requests=1, per=timedelta(days=1))
    models = [replace(asking(service_budget=shared), name=name) for name in ("m", "n", "o")]
    world = judged(*models, store=any_store)
    assert len(world.store.retrainings()) == 1
    assert len(messages(world, "retrain")) == 1


def test_faulty_spans_are_left_out_of_what_is_suggested() -> None:
    story = (1, 1, 60, 60, 1, 1, 1, *[1.33] * 8)
    world = judged(asking(), story=story)
    [asked] = world.store.retrainings()
    faulty = [incident for incident in world.store.incidents() if Check.QUALITY in incident.checks]
    [sent] = messages(world, "retrain")
    spans = sent.body["data"]["training"]["leave_out"]  # type: ignore[index]
    assert [span["incident"] for span in spans] == [incident.id for incident in faulty]
    assert (spans[0]["start"], spans[0]["end"], spans[0]["why"]) == ("2013-03-01T02:00:00Z", "2013-03-01T06:00:00Z", "quality")
    assert asked.requested_at > START + 7 * HOUR
