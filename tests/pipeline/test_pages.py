"""A page about each incident that fired: beside judging, a few times, and never in its way."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.core.incidents import Incident
from monitor.core.profile import Profile
from monitor.core.reference import Reference
from monitor.core.results import WindowKey
from monitor.core.rules import AlertRules, Model
from monitor.errors import Permanent, Retryable, UsageError
from monitor.log import configure
from monitor.metrics import PageOutcome
from monitor.pipeline import IncidentPages
from monitor.pipeline.pages import AGAIN_AFTER, MOST_ATTEMPTS
from monitor.reports import Shelf
from tests.pipeline.test_judge import RULES, STORY, put_hour, the_reference
from tests.pipeline.world import HOUR, P0, START, Unsteady, World, message

QUIET = replace(RULES, retraining=None)


class Maker:
    """Says what it was asked; ``fails`` is raised instead of a page."""

    def __init__(self) -> None:
        self.asked: list[tuple[WindowKey, str]] = []
        self.fails: Exception | None = None

    def page(self, key: WindowKey, profile: Profile, reference: Reference, rules: Model) -> str:
        assert profile.sample.rows
        assert rules.name == key.model
        self.asked.append((key, reference.hash))
        if self.fails is not None:
            raise self.fails
        return f"a page of {key.start}"


@pytest.fixture
def maker() -> Maker:
    return Maker()


def a_world(rules: Model = QUIET, *, hours: tuple[float, ...] = STORY, told: bool = True) -> World:
    """Hours of which three are sixty times too large."""
    world = World(store=Unsteady(), models=(rules,))
    if told:
        world.store.add_reference(the_reference(), activate=True, at=world.clock.now())
        world.crash()
    for hour, times in enumerate(hours):
        put_hour(world, hour, times)
    world.read_all()
    world.judge.finish()
    return world


def pages_of(world: World, maker: Maker, folder: Path, keep: int = 5) -> IncidentPages:
    return IncidentPages(store=world.store, models=world.models, clock=world.clock, maker=maker, shelf=Shelf(folder, keep),
                         metrics=world.metrics)


def counted(world: World) -> dict[str, float]:
    found = {str(each): world.metrics.registry.get_sample_value("driftd_incident_pages_total", {"outcome": str(each)}) or 0.0
             for each in PageOutcome}
    return {name: count for name, count in found.items() if count}


def test_an_incident_has_one_page_of_the_window_in_which_it_fired(tmp_path: Path, maker: Maker) -> None:
    world = a_world()
    pages, [incident] = pages_of(world, maker, tmp_path), world.store.incidents()
    assert [pages.sweep(), pages.sweep()] == [True, False]
    [(key, reference)] = maker.asked
    assert (key.start, key.version, reference) == (START + 2 * HOUR, "1", the_reference().hash)
    assert Shelf(tmp_path, 1).get(incident.id) == f"a page of {key.start}".encode()
    assert counted(world) == {"written": 1}
    assert not pages_of(world, maker, tmp_path).sweep(), "the next process finds it there"


def test_an_incident_that_fires_late_is_shown_by_the_window_that_made_it_fire(tmp_path: Path, maker: Maker) -> None:
    world = a_world(replace(QUIET, alerts=AlertRules(open_after=2, resolve_after=2, repeat_after=timedelta(hours=24))))
    assert pages_of(world, maker, tmp_path).sweep()
    assert [key.start for key, _ in maker.asked] == [START + 3 * HOUR]


def test_a_pending_incident_has_none(tmp_path: Path, maker: Maker) -> None:
    world = a_world(replace(QUIET, alerts=AlertRules(open_after=9, resolve_after=2, repeat_after=timedelta(hours=24))))
    assert world.store.incidents()
    assert not pages_of(world, maker, tmp_path).sweep()


def test_what_fails_is_tried_again_a_few_times_and_told(tmp_path: Path, maker: Maker) -> None:
    world = a_world()
    pages = pages_of(world, maker, tmp_path)
    maker.fails = Permanent("no answer within 60 s: the worker was ended")
    assert [pages.sweep(), pages.sweep()] == [True, False], "not at once"
    for _ in range(5):
        world.clock.advance(AGAIN_AFTER)
        pages.sweep()
    assert len(maker.asked) == MOST_ATTEMPTS
    assert counted(world) == {"failed": MOST_ATTEMPTS}
    maker.fails = None
    assert pages_of(world, maker, tmp_path).sweep(), "by the next process"
    assert counted(world) == {"failed": MOST_ATTEMPTS, "written": 1}


@pytest.mark.parametrize("error", [OSError("no space left"), RuntimeError("a fault of ours"), MemoryError()])
def test_no_error_gets_out(tmp_path: Path, maker: Maker, error: Exception) -> None:
    world = a_world()
    maker.fails = error
    assert pages_of(world, maker, tmp_path).sweep()
    assert counted(world) == {"failed": 1}


def test_a_store_that_cannot_be_read_is_told_once_and_ends_nothing(tmp_path: Path, maker: Maker) -> None:
    class Damaged(Unsteady):
        def incidents(self, **_: object) -> Sequence[Incident]:
            raise UsageError("the database is damaged")

    said = io.StringIO()
    configure(form="json", stream=said)
    pages = pages_of(World(store=Damaged(), models=(QUIET,)), maker, tmp_path)
    assert [pages.sweep(), pages.sweep()] == [False, False]
    assert said.getvalue().count("pages of incidents cannot be looked after") == 1


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, maker: Maker) -> None:
    world = a_world()
    (tmp_path / "file").write_text("")
    pages_of(world, maker, tmp_path / "file").sweep()
    assert counted(world) == {"failed": 1}


def test_a_stop_is_no_failure_and_the_next_start_writes_it(tmp_path: Path, maker: Maker) -> None:
    world = a_world()
    maker.fails = Retryable("the worker is being stopped")
    with pytest.raises(Retryable):
        pages_of(world, maker, tmp_path).sweep()
    pages_of(world, maker, tmp_path).finish(60.0)
    assert counted(world) == {}
    maker.fails = None
    pages_of(world, maker, tmp_path).finish(60.0)
    assert counted(world) == {"written": 1}


@pytest.mark.parametrize(("rules", "told"), [(replace(QUIET, sample_rows=0), True), (QUIET, False)])
def test_a_window_with_nothing_to_show_is_left_for_good(tmp_path: Path, maker: Maker, rules: Model, told: bool) -> None:
    """No rows sampled; or no reference, where silence alone raises an incident."""
    world = a_world(rules, told=told, hours=STORY if told else (1.0,))
    if not told:
        world.store.add_reference(the_reference(), activate=True, at=world.clock.now())
        [start] = {window.key.start for window in world.store.window_accounts()}
        fired = replace(a_world().store.incidents()[0], fired_at=start + HOUR)
        world.store.incidents = lambda **_: [fired]  # type: ignore[method-assign]
    pages = pages_of(world, maker, tmp_path)
    assert pages.sweep()
    world.clock.advance(AGAIN_AFTER)
    assert not pages.sweep()
    assert (maker.asked, counted(world)) == ([], {"empty": 1})


def test_only_the_newest_have_pages_the_oldest_of_them_first(tmp_path: Path, maker: Maker) -> None:
    world = a_world(hours=tuple(60.0 if hour % 4 == 0 else 1.0 for hour in range(16)))
    assert len(world.store.incidents()) == 4
    pages_of(world, maker, tmp_path, keep=2).finish(60.0)
    assert [key.start for key, _ in maker.asked] == [START + 8 * HOUR, START + 12 * HOUR]


def test_the_version_that_alerts_is_shown_before_one_with_more_rows(tmp_path: Path, maker: Maker) -> None:
    world = World(store=Unsteady(), models=(QUIET,))
    for version in ("1", "2"):
        world.store.add_reference(replace(the_reference(), version=version), activate=True, at=world.clock.now())
    world.crash()
    put_hour(world, 0)
    put_canary(world)
    world.read_all()
    world.judge.finish()
    [incident] = world.store.incidents()
    assert incident.fired_at == START + HOUR
    assert pages_of(world, maker, tmp_path).sweep()
    assert [key.version for key, _ in maker.asked] == ["2"]


def put_canary(world: World) -> None:
    """Thirty rows of another version, all of them far too large."""
    for number in range(30):
        world.put(P0, message(f"canary-{number}", number, 5_000.0, "ABC"[number % 3]).replace(b'"v": "1"', b'"v": "2"'))
