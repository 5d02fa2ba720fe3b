"""Routes: which receivers hear of which incident, and who hears of its end."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.incidents import Incident, IncidentState, NotifyKind
from monitor.core.results import Verdict
from monitor.core.routing import Route, audience, routed, routed_of_model

AT = datetime(2026, 5, 4, tzinfo=UTC)
EVERYBODY = ("slack", "pager", "data", "mail", "log")
FRAUD = Incident(
    id="inc_1", model="fraud-eu", state=IncidentState.FIRING, severity=Verdict.ALERT, since=AT, updated_at=AT, checks=("drift",)
)
SELF = replace(FRAUD, model="*", checks=("kafka_unreachable",), condition="kafka_unreachable")

DATA = Route(checks=("quality", "volume"), receivers=("data",))
ALSO_LOG = Route(receivers=("log",), goes_on=True)
PAGE = Route(models=("fraud-*", "credit"), severity=Verdict.ALERT, receivers=("slack", "pager"))
OWN_WAY = Route(checks=("kafka_unreachable", "receiver_failing"), receivers=("pager",))
REST = Route(receivers=("slack",))
NOBODY = Route(models=("toy-*",), receivers=())


@pytest.mark.parametrize(
    ("incident", "routes", "expected"),
    [
        (FRAUD, (), EVERYBODY),
        (FRAUD, (REST,), ("slack",)),
        (FRAUD, (PAGE, REST), ("slack", "pager")),
        (FRAUD, (REST, PAGE), ("slack",)),
        (FRAUD, (ALSO_LOG, PAGE, REST), ("slack", "pager", "log")),
        (FRAUD, (ALSO_LOG,), ("log",)),
        (FRAUD, (DATA,), EVERYBODY),
        (FRAUD, (DATA, PAGE), ("slack", "pager")),
        (replace(FRAUD, model="churn"), (PAGE,), EVERYBODY),
        (replace(FRAUD, model="churn"), (PAGE, REST), ("slack",)),
        (replace(FRAUD, model="credit"), (PAGE, REST), ("slack", "pager")),
        (replace(FRAUD, model="credit-2"), (PAGE, REST), ("slack",)),
        (replace(FRAUD, model="FRAUD-EU"), (PAGE, REST), ("slack",)),
        (replace(FRAUD, severity=Verdict.WARN), (PAGE, REST), ("slack",)),
        (replace(FRAUD, model="toy-1"), (NOBODY, REST), ()),
        (replace(FRAUD, checks=("quality",)), (DATA, REST), ("data",)),
        (replace(FRAUD, checks=("drift", "quality")), (DATA, REST), ("slack", "data")),
        (replace(FRAUD, checks=("drift", "quality")), (replace(DATA, goes_on=True), PAGE), ("slack", "pager", "data")),
        (replace(FRAUD, checks=()), (DATA, REST), ("slack",)),
        (SELF, (PAGE, OWN_WAY, REST), ("pager",)),
        (SELF, (PAGE, REST), ("slack",)),
        (SELF, (Route(models=("*",), receivers=("mail",)),), ("mail",)),
        (SELF, (Route(models=("fraud-*",), receivers=("mail",)), REST), ("slack",)),
    ],
)  # fmt: skip
def test_a_route_is_found_by_model_severity_and_check(incident: Incident, routes: tuple[Route, ...], expected: tuple[str, ...]) -> None:
    assert routed(incident, routes, EVERYBODY) == expected


def test_a_name_that_is_no_receiver_any_more_is_told_nothing() -> None:
    assert routed(FRAUD, (Route(receivers=("gone", "slack")),), EVERYBODY) == ("slack",)
    assert audience(NotifyKind.RESOLVED, FRAUD, (), EVERYBODY, ("gone", "mail")) == ("mail",)


@pytest.mark.parametrize(
    ("model", "routes", "expected"),
    [
        ("fraud-eu", (), EVERYBODY),
        ("fraud-eu", (PAGE, REST), ("slack",)),
        ("fraud-eu", (DATA, PAGE), EVERYBODY),
        ("toy-1", (NOBODY, REST), ()),
        ("churn", (ALSO_LOG, Route(models=("ch*",), receivers=("mail",))), ("mail", "log")),
    ],
)  # fmt: skip
def test_what_is_about_no_check_goes_by_routes_that_ask_for_none(model: str, routes: tuple[Route, ...], expected: tuple[str, ...]) -> None:
    assert routed_of_model(model, routes, EVERYBODY) == expected


WIDER = replace(FRAUD, checks=("drift", "performance"))
BY_CHECK = (Route(checks=("drift",), receivers=("slack",)), Route(checks=("performance",), receivers=("pager",)), Route(receivers=("log",)))


@pytest.mark.parametrize(
    ("kind", "incident", "routes", "told", "expected"),
    [
        (NotifyKind.FIRING, FRAUD, BY_CHECK, (), ("slack",)),
        (NotifyKind.REPEAT, FRAUD, BY_CHECK, ("slack",), ("slack",)),
        # performance joined: whoever is to hear of it does, beside those who know the incident
        (NotifyKind.REPEAT, WIDER, BY_CHECK, ("slack",), ("slack", "pager")),
        # its end is told to those who were told, though the routes or its checks say others by now
        (NotifyKind.RESOLVED, WIDER, BY_CHECK, ("slack",), ("slack",)),
        (NotifyKind.RESOLVED, WIDER, BY_CHECK, ("slack", "pager"), ("slack", "pager")),
        (NotifyKind.RESOLVED, FRAUD, (Route(receivers=("mail",)),), ("slack", "pager"), ("slack", "pager")),
        (NotifyKind.REPEAT, FRAUD, (Route(receivers=("mail",)),), ("slack", "pager"), ("slack", "pager", "mail")),
        (NotifyKind.RESOLVED, FRAUD, (Route(receivers=()),), ("slack",), ("slack",)),
        # who was told hears that somebody is on it, and nobody else
        (NotifyKind.UPDATE, WIDER, BY_CHECK, ("slack",), ("slack",)),
        # the first message goes by the routes alone
        (NotifyKind.FIRING, FRAUD, BY_CHECK, ("mail",), ("slack",)),
        # nobody knows who was told, or all who were are no receivers any more
        (NotifyKind.RESOLVED, FRAUD, BY_CHECK, (), ("slack",)),
        (NotifyKind.RESOLVED, FRAUD, BY_CHECK, ("gone",), ("slack",)),
    ],
)  # fmt: skip
def test_reminders_and_the_end_reach_everyone_who_was_told(
    kind: NotifyKind, incident: Incident, routes: tuple[Route, ...], told: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert audience(kind, incident, routes, EVERYBODY, told) == expected


CHECKS = ("drift", "quality", "performance", "volume")
ROUTES = st.lists(
    st.builds(
        Route, receivers=st.lists(st.sampled_from(EVERYBODY), max_size=3).map(tuple), goes_on=st.booleans(),
        models=st.sampled_from([(), ("fraud-*",), ("churn",)]), checks=st.lists(st.sampled_from(CHECKS), max_size=2).map(tuple),
    ),
    max_size=5,
).map(tuple)  # fmt: skip


@given(ROUTES, st.lists(st.sampled_from(CHECKS), min_size=1, max_size=4, unique=True))
def test_a_check_that_joins_takes_no_receiver_away(routes: tuple[Route, ...], checks: list[str]) -> None:
    before: set[str] = set()
    for count in range(1, len(checks) + 1):
        now = set(routed(replace(FRAUD, checks=tuple(checks[:count])), routes, EVERYBODY))
        assert now >= before
        before = now


@given(ROUTES, st.lists(st.sampled_from(EVERYBODY), min_size=1, unique=True))
def test_the_end_is_told_to_exactly_those_who_were_told(routes: tuple[Route, ...], told: list[str]) -> None:
    assert set(audience(NotifyKind.RESOLVED, FRAUD, routes, EVERYBODY, told)) == set(told)
