"""Who is told over the life of an incident, as the outbox remembers it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from monitor.core.cause import Cause
from monitor.core.conditions import EVERY_MODEL, Condition, Trouble, moves
from monitor.core.incidents import Incident, Judged, Step, resolve, step
from monitor.core.results import Check, Result, Verdict
from monitor.core.retraining import Retraining, RetrainingState
from monitor.core.retraining_messages import Case
from monitor.core.routing import Route
from monitor.core.rules import AlertRules
from monitor.doubles.store import MemoryStore
from monitor.pipeline import Routes, Telling
from monitor.ports import Judgement

START = datetime(2026, 5, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)
ALERTS = AlertRules(open_after=1, resolve_after=1, repeat_after=timedelta(days=1))
PEOPLE = ("slack", "pager", "mail")
BY_CHECK = (Route(checks=("performance",), receivers=("pager",)), Route(receivers=("slack",)))


def result(n: int, check: Check, verdict: Verdict) -> Result:
    return Result(
        model="m", version="1", segment="*", window_start=START + n * HOUR, window_end=START + (n + 1) * HOUR, check=check, column="x",
        metric="psi", value=3.0, threshold=0.2, p_value=None, verdict=verdict, reason="x moved", rows=1000,
    )  # fmt: skip


def told(store: MemoryStore, rules: tuple[Route, ...], *windows: dict[Check, Verdict]) -> list[tuple[str, str]]:
    """Who got what, window by window."""
    telling = Telling({"m": Routes(people=PEOPLE, rules=rules)}, told=store.told)
    for window in windows:
        done = store.progress("m").judged_until
        n = 0 if done is None else round((done - START) / HOUR)
        end = START + (n + 1) * HOUR
        results = tuple(result(n, check, verdict) for check, verdict in window.items())
        opened = store.open_incident("m")
        taken = step(opened, Judged(model="m", start=end - HOUR, end=end, results=results), ALERTS)
        assert store.record(Judgement(
            model="m", judged_until=end, previous=done, results=results, opened=opened, incident=taken.incident, events=taken.events,
            messages=telling.window(taken, Cause(headline=""), ()),
        ))  # fmt: skip
    return [(row.receiver, row.kind) for row in store.deliveries()]


DRIFT = {Check.DRIFT: Verdict.ALERT}
BOTH = {Check.DRIFT: Verdict.ALERT, Check.PERFORMANCE: Verdict.ALERT}
WELL = {Check.DRIFT: Verdict.OK, Check.PERFORMANCE: Verdict.OK}


def test_who_joins_later_hears_of_the_end_and_so_does_who_was_told_first() -> None:
    assert told(MemoryStore(), BY_CHECK, DRIFT, BOTH, WELL) == [
        ("slack", "firing"), ("slack", "repeat"), ("pager", "repeat"), ("slack", "resolved"), ("pager", "resolved"),
    ]  # fmt: skip


def test_routes_that_change_while_an_incident_is_open_leave_nobody_without_its_end() -> None:
    store = MemoryStore()
    told(store, BY_CHECK, DRIFT)
    assert told(store, (Route(receivers=("mail",)),), WELL) == [("slack", "firing"), ("slack", "resolved")]


def test_a_person_who_resolves_it_is_heard_by_those_who_were_told() -> None:
    store = MemoryStore()
    told(store, BY_CHECK, DRIFT)
    opened = store.open_incident("m")
    assert opened is not None
    telling = Telling({"m": Routes(people=PEOPLE, rules=(Route(receivers=("mail",)),))}, told=store.told)
    assert [message.receiver for message in telling.person(resolve(opened, by="eve", at=START))] == ["slack"]


def test_without_routes_everybody_is_told_of_everything() -> None:
    assert told(MemoryStore(), (), DRIFT, WELL) == [(name, kind) for kind in ("firing", "resolved") for name in PEOPLE]


def asked(incident: str | None = None) -> Retraining:
    return Retraining(id="ret_1", model="m", version="1", state=RetrainingState.PROPOSED, reason="drift", incident=incident, columns=(),
                      requested_at=START, updated_at=START)


def test_what_becomes_of_a_request_to_retrain_is_told_to_those_who_know_its_incident() -> None:
    store = MemoryStore()
    told(store, BY_CHECK, BOTH)
    incident = store.open_incident("m")
    assert incident is not None
    telling = Telling({"m": Routes(people=PEOPLE, rules=(Route(receivers=("mail",)),))}, told=store.told)
    assert [m.receiver for m in telling.retraining_status(asked(incident.id))] == ["slack", "pager"]
    assert [m.receiver for m in telling.retraining_status(asked())] == ["mail"]
    # an incident that begins with this very window: nobody was told of it so far
    fresh = Telling({"m": Routes(people=PEOPLE, rules=BY_CHECK)})
    assert [m.receiver for m in fresh.retraining(asked(incident.id), Case(incident=incident))] == ["slack", "pager"]


def test_a_question_to_people_goes_to_no_receiver_that_drops_it() -> None:
    """PagerDuty and Alertmanager take incidents alone: a proposal told to them alone would wait for ever."""
    store, alone = MemoryStore(), frozenset({"pager"})
    told(store, (Route(receivers=("pager",)),), DRIFT)
    incident = store.open_incident("m")
    assert incident is not None
    telling = Telling({"m": Routes(people=PEOPLE, rules=(Route(receivers=("pager",)),), incidents_alone=alone)}, told=store.told)
    assert [m.receiver for m in telling.retraining_status(asked(incident.id))] == ["slack", "mail"]
    assert [m.receiver for m in telling.retraining_status(asked())] == ["slack", "mail"]
    assert telling.retraining_status(replace(asked(), state=RetrainingState.RUNNING)) == (), "no question: the routes say who hears of it"
    nobody = Telling({"m": Routes(people=PEOPLE, rules=(Route(receivers=()),), incidents_alone=alone)}, told=store.told)
    assert nobody.retraining_status(asked()) == ()
    both = Telling({"m": Routes(people=PEOPLE, rules=(Route(receivers=("pager", "mail")),), incidents_alone=alone)}, told=store.told)
    assert [m.receiver for m in both.retraining_status(asked())] == ["mail"]


def failing(receiver: str) -> Step:
    trouble = Trouble(condition=Condition.RECEIVER_FAILING, subject=receiver, said="given up")
    return moves([], [trouble], START).opened[0]


def test_that_a_receiver_fails_is_told_where_the_routes_say_but_never_to_itself() -> None:
    rules = (Route(checks=("receiver_failing",), receivers=("pager",)), Route(receivers=("slack",)))
    telling = Telling({EVERY_MODEL: Routes(people=PEOPLE, rules=rules)})
    assert [message.receiver for message in telling.condition(failing("slack"))] == ["pager"]


def test_where_the_routes_name_the_failing_receiver_alone_all_others_are_told() -> None:
    rules = (Route(checks=("receiver_failing",), receivers=("pager",)), Route(receivers=("slack",)))
    telling = Telling({EVERY_MODEL: Routes(people=PEOPLE, rules=rules)})
    assert [message.receiver for message in telling.condition(failing("pager"))] == ["slack", "mail"]


def test_a_condition_that_nobody_is_to_hear_of_is_told_to_nobody() -> None:
    telling = Telling({EVERY_MODEL: Routes(people=PEOPLE, rules=(Route(receivers=()),))})
    assert telling.condition(failing("pager")) == ()


def test_nothing_is_told_where_nothing_happened() -> None:
    telling = Telling({"m": Routes(people=PEOPLE)})
    assert telling.person(Step(incident=None)) == ()
    quiet = Incident(id="i", model="m", state=failing("x").incident.state, severity=Verdict.ALERT, since=START, updated_at=START)  # type: ignore[union-attr]
    assert telling.person(Step(incident=quiet)) == ()
