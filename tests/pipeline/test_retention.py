"""Old history goes, and nothing that is still needed."""

from datetime import timedelta

from monitor.pipeline import Retention, Routes
from tests.pipeline.world import HOUR, P0, P1, P2, World, message

DAY = timedelta(days=1)


def lived(days: int) -> World:
    """A window an hour for some days, all judged."""
    world = World(routes=Routes(people=("slack",)))
    for hour in range(24 * days):
        world.put((P0, P1, P2)[hour % 3], *(message(f"{hour}-{n}", 60 * hour + n) for n in range(12)))
    world.read_all()
    world.judge.finish()
    return world


def test_windows_and_results_are_kept_for_so_long_in_the_models_own_time() -> None:
    world = lived(3)
    before = world.store.results()
    retention = Retention(store=world.store, models=world.models, keep=DAY, clock=world.clock)
    assert retention.sweep() == 48
    starts = [window.key.start for window in world.store.window_accounts()]
    assert (len(starts), starts[-1] - starts[0]) == (24, 23 * HOUR)
    assert list(world.store.results()) == [result for result in before if result.window_start >= starts[0]]
    assert retention.sweep() == 0


def test_judging_goes_on_as_if_nothing_had_gone() -> None:
    world, other = lived(2), lived(2)
    Retention(store=world.store, models=world.models, keep=DAY, clock=world.clock).sweep()
    for each in (world, other):
        each.put(P0, *(message(f"new-{n}", 60 * 48 + n) for n in range(12)))
        each.read_all()
        assert each.judge.finish() == 1
    assert world.store.results()[-1] == other.store.results()[-1]
    assert world.store.progress("m") == other.store.progress("m")


def test_a_model_that_has_judged_nothing_loses_nothing() -> None:
    world = World()
    world.put(P0, message("a", 1))
    world.read_all()
    assert Retention(store=world.store, models=world.models, keep=DAY, clock=world.clock).sweep() == 0
    assert len(world.store.window_accounts()) == 1


def test_a_large_backlog_goes_in_several_sweeps(monkeypatch) -> None:
    monkeypatch.setattr("monitor.pipeline.retention.AT_ONCE", 5)
    monkeypatch.setattr("monitor.pipeline.retention.ROUNDS", 2)
    world = lived(2)
    retention = Retention(store=world.store, models=world.models, keep=DAY, clock=world.clock)
    assert [retention.sweep() for _ in range(4)] == [10, 10, 4, 0]


