"""Pictures beside what people are told: taken when an incident fires, for the receivers that take them, and never in the way."""

from __future__ import annotations

import io

import numpy as np
import pytest

from monitor.core.messages import from_body
from monitor.core.picture import Picture
from monitor.doubles.store import MemoryStore
from monitor.errors import Retryable
from monitor.log import configure
from monitor.pipeline import Routes
from monitor.ports import PICTURE
from tests.core.judged import numeric, reference_of
from tests.pipeline.world import HOUR, P0, P1, P2, START, World, message

ROUTES = Routes(people=("slack", "hook"), pictures=frozenset({"slack"}))
REFERENCE = reference_of([{"delay": numeric(np.random.default_rng(n).normal(10, 3, 2880))} for n in range(12)])


def drifting(routes: Routes = ROUTES) -> World:
    """Three hours, the last two of which have moved."""
    world = World(routes=routes)
    rng = np.random.default_rng(5)
    world.store.add_reference(REFERENCE, activate=True, at=world.clock.now())
    for hour in range(4):
        for n in range(120):
            delay = float(rng.normal(10 if hour == 0 else 40, 3))
            world.put((P0, P1, P2)[n % 3], message(f"{hour}-{n}", hour * 60 + n / 2.1, delay))
    world.read_all()
    return world


def pictures(world: World) -> list[Picture]:
    assert isinstance(world.store, MemoryStore)
    return [from_body(entry.message.body, Picture) for entry in world.store._data.outbox.values() if entry.message.kind == PICTURE]


def kinds(world: World) -> list[tuple[str, str]]:
    return [(row.receiver, row.kind) for row in world.store.deliveries()]


def test_an_incident_that_fires_has_a_picture_after_its_message_and_only_where_one_is_taken() -> None:
    world = drifting()
    world.judge.finish()
    assert kinds(world)[:3] == [("slack", "firing"), ("hook", "firing"), ("slack", PICTURE)]
    [picture] = pictures(world)
    assert picture.columns[0].column == "delay"
    assert picture.course is not None
    assert picture.course.title.startswith("delay: ks, distance from the reference, last 2 hours")
    assert [point.bad for point in picture.course.points] == [False, True]
    assert picture.since == START + HOUR
    assert picture.title.startswith("m: drift")


def test_where_nobody_takes_pictures_none_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.pipeline.picturing.taken", lambda *_: pytest.fail("nobody wants it"))
    world = drifting(Routes(people=("hook",)))
    world.judge.finish()
    assert kinds(world) == [("hook", "firing")]


def test_a_picture_that_cannot_be_taken_holds_up_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    said = io.StringIO()
    configure(form="json", stream=said)

    def fails(*_: object) -> None:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr("monitor.pipeline.picturing.taken", fails)
    world = drifting()
    world.judge.finish()
    assert kinds(world) == [("slack", "firing"), ("hook", "firing")]
    assert "incident.picture" in said.getvalue()


def test_where_the_store_is_away_the_window_waits_with_its_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    world = drifting()
    asked = world.store.recent_results

    def away(*_: object) -> None:
        raise Retryable("the store is away")

    monkeypatch.setattr(world.store, "recent_results", away)
    with pytest.raises(Retryable):
        world.judge.finish()
    monkeypatch.setattr(world.store, "recent_results", asked)
    world.judge.finish()
    assert len(pictures(world)) == 1


def test_nothing_to_show_is_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.pipeline.picturing.taken", lambda *_: None)
    world = drifting()
    world.judge.finish()
    assert kinds(world) == [("slack", "firing"), ("hook", "firing")]
