"""What the log lost: noted with the offset beyond it, and told of the windows that miss it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.core.gaps import Gap, GapReason, OnLoss, hole_of, lost, told
from monitor.core.incidents import IncidentState
from monitor.core.results import Account, Verdict
from monitor.errors import Retryable, UsageError
from monitor.pipeline import Routes
from monitor.ports import OutOfRange, Polled
from tests.pipeline.world import HOUR, MINUTE, MODEL, P0, P1, SECOND, START, TOPIC, Unsteady, World, message

PLAIN = replace(MODEL, dedupe=False, min_rows=1)


@pytest.fixture
def world() -> World:
    """One message at the start of P0, read and written."""
    made = World(models=(PLAIN,))
    made.put(P0, message(1, 0))
    made.read_all()
    return made


def gaps(world: World) -> list[Gap]:
    return list(world.store.gaps("m", START, START + 10 * HOUR))


def lose_two(world: World, minutes: float = 90) -> None:
    """Messages 2 and 3 go before they are read; message 4 comes so many minutes after the start."""
    world.put(P0, message(2, 5), message(3, 65), message(4, minutes))
    world.log.trim(P0, 3)
    world.read_all()


def test_what_retention_took_is_noted_with_the_times_between_which_it_lies(world: World) -> None:
    lose_two(world)
    [gap] = gaps(world)
    assert (gap.topic, gap.partition, gap.reason) == (TOPIC, 0, GapReason.RETENTION)
    assert (gap.first, gap.beyond, gap.messages) == (1, 3, 2)
    assert (gap.since, gap.until) == (START, START + 90 * MINUTE)


def test_the_windows_between_are_incomplete_and_no_others(world: World) -> None:
    lose_two(world)
    world.put(P0, message(5, 150))
    world.read_all()
    assert [window.incomplete for window in world.store.window_accounts(model="m")] == [True, True, False]


def test_a_gap_stays_open_until_a_row_comes_and_the_next_process_closes_it(world: World) -> None:
    world.put(P0, message(2, 5))
    world.log.trim(P0, 2)
    world.read_all()
    assert [gap.until for gap in gaps(world)] == [None]
    world.crash()
    world.put(P0, message(3, 30))
    world.read_all()
    assert [gap.until for gap in gaps(world)] == [START + 30 * MINUTE]


def test_a_message_that_cannot_be_read_closes_no_gap(world: World) -> None:
    world.put(P0, message(2, 5), b"no json")
    world.log.trim(P0, 2)
    world.read_all()
    assert [gap.until for gap in gaps(world)] == [None]


def test_an_incomplete_window_alerts_once_and_says_what_is_missing() -> None:
    world = World(models=(PLAIN,), routes=Routes(people=("slack",)))
    world.put(P0, message(1, 0))
    world.read_all()
    lose_two(world)
    world.judge.finish()
    found = [r for r in world.store.results(model="m") if r.metric == "lost_messages"]
    assert [(r.verdict, r.value) for r in found] == [(Verdict.ALERT, 2.0)] * 2
    assert found[0].reason == "incomplete: at most 2 messages of flights/0 (retention) were lost before they could be read"
    [incident] = world.store.incidents(model="m")
    assert (incident.state, incident.checks) == (IncidentState.FIRING, ("volume",))
    assert [d.kind for d in world.store.deliveries()] == ["firing"]


def test_where_nobody_knows_how_much_was_lost_it_is_a_warning() -> None:
    world = World(models=(PLAIN,))
    world.put(P0, message(1, 0))
    world.read_all()
    world.log.recreate(TOPIC)
    world.put(P0, message(2, 10))
    world.read_all()
    world.judge.finish()
    [result] = [r for r in world.store.results(model="m") if r.metric == "lost_messages"]
    assert (result.verdict, result.value) == (Verdict.WARN, None)
    assert "an unknown number of messages of flights/0 (recreated)" in result.reason
    assert world.store.incidents(model="m") == []


def test_a_first_row_that_is_older_than_the_last_one_leaves_the_windows_of_both_incomplete(world: World) -> None:
    world.put(P0, message(2, 65))
    world.read_all()
    world.put(P0, message(3, 66), message(4, 67), message(5, 58))
    world.log.trim(P0, 4)
    world.put(P0, message(6, 150))
    world.read_all()
    assert [window.incomplete for window in world.store.window_accounts(model="m")] == [True, True, False]


def test_while_no_row_comes_nothing_later_than_its_discovery_is_incomplete(world: World) -> None:
    world.clock.wall = START + 10 * MINUTE
    world.put(P0, message(2, 5))
    world.log.trim(P0, 2)
    world.put(P1, message(3, 20), message(4, 90), message(5, 125))
    world.read_all()
    assert [window.incomplete for window in world.store.window_accounts(model="m")] == [True, False, False]
    assert [[gap.first for gap in world.store.gaps("m", START + h * HOUR, START + (h + 1) * HOUR)] for h in range(3)] == [[1], [], []]


def cut_back(world: World) -> Unsteady:
    """Two messages are read, then the log is cut back to what is stored: no offset moves. The store that is about to be written to."""
    assert isinstance(world.store, Unsteady)
    world.put(P0, message(2, 5), message(3, 6))
    world.reader.step()
    world.log.cut(P0, 1, told=True)
    world.reader.step()
    world.clock.advance(SECOND)
    return world.store


def test_a_log_cut_back_to_the_stored_offset_is_told_though_the_store_was_away_just_then(world: World) -> None:
    store = cut_back(world)
    store.away = True
    with pytest.raises(Retryable, match="away"):
        world.reader.checkpoint()
    store.away = False
    world.read_all()
    assert [(gap.reason, gap.first) for gap in gaps(world)] == [(GapReason.TRUNCATED, 3)]
    assert world.account() == Account(counted=3)


def test_a_cut_log_that_was_written_though_the_answer_was_lost_is_written_once(world: World) -> None:
    cut_back(world).forgets_to_answer = True
    with pytest.raises(Retryable, match="broke during commit"):
        world.reader.checkpoint()
    world.read_all()
    assert len(gaps(world)) == 1
    assert world.account() == Account(counted=3)


def test_offsets_that_are_there_when_looked_for_again_are_no_gap(world: World) -> None:
    world.put(P0, message(2, 5), message(3, 6))
    poll, raised = world.log.poll, []

    def not_yet(timeout: float) -> Polled:
        if not raised:
            raised.append(True)
            raise OutOfRange({P0: 1})
        return poll(timeout)

    world.log.poll = not_yet  # type: ignore[method-assign]  # a broker whose new leader has not caught up
    world.read_all()
    assert (gaps(world), world.account()) == ([], Account(counted=3))


# --- a damaged batch -----------------------------------------------------------------------------------------


def test_a_damaged_batch_is_passed_over_and_everything_else_is_counted(world: World) -> None:
    world.put(P0, message(2, 1), message(3, 2), message(4, 3))
    world.put(P1, message(5, 1))
    world.log.damage(P0, 2, 3)
    world.read_all()
    [gap] = gaps(world)
    assert (gap.reason, gap.first, gap.beyond, gap.until) == (GapReason.DAMAGED, 2, 3, START + 3 * MINUTE)
    assert world.account() == Account(counted=4)
    assert world.offsets() == {0: 4, 1: 1, 2: 0}


def test_what_was_read_before_the_damage_is_kept_when_the_store_is_away_in_between(world: World) -> None:
    assert isinstance(world.store, Unsteady)
    world.put(P0, message(2, 1), message(3, 2), message(4, 3))
    world.log.damage(P0, 2, 3)
    world.store.forgets_to_answer = True
    for _ in range(6):
        try:
            world.reader.step()
        except Exception as error:
            assert "broke during commit" in str(error)  # noqa: PT017  the one failure that was asked for
    world.read_all()
    assert [g.first for g in gaps(world)] == [2]
    assert world.account() == Account(counted=3)


# --- the policy ----------------------------------------------------------------------------------------------


def test_latest_goes_on_at_the_end_and_counts_all_before_it_as_lost() -> None:
    world = World(models=(PLAIN,), out_of_range=OnLoss.LATEST)
    world.put(P0, message(1, 0))
    world.read_all()
    lose_two(world)
    [gap] = gaps(world)
    assert (gap.first, gap.beyond) == (1, 4)
    assert world.account() == Account(counted=1)


def test_fail_stops_and_says_what_to_set() -> None:
    world = World(models=(PLAIN,), out_of_range=OnLoss.FAIL)
    world.put(P0, message(1, 0))
    world.read_all()
    world.put(P0, message(2, 5), message(3, 6))
    world.log.trim(P0, 2)
    said = r"flights/0: the log holds offsets 2 to 3, 1 was to be read next \(retention\).*earliest or latest"
    with pytest.raises(UsageError, match=said):
        world.steps()
    assert world.offsets()[0] == 1


@pytest.mark.parametrize(
    ("wanted", "divergent", "policy", "expected"),
    [
        (5, None, OnLoss.EARLIEST, (GapReason.RETENTION, 10, 10)),
        (5, None, OnLoss.LATEST, (GapReason.RETENTION, 20, 20)),
        (5, None, OnLoss.FAIL, (GapReason.RETENTION, None, None)),
        (25, None, OnLoss.EARLIEST, (GapReason.TRUNCATED, None, 20)),
        (25, None, OnLoss.FAIL, (GapReason.TRUNCATED, None, None)),
        (18, 15, OnLoss.EARLIEST, (GapReason.TRUNCATED, None, 15)),
        (18, 15, OnLoss.LATEST, (GapReason.TRUNCATED, None, 20)),
    ],
)
def test_where_to_go_on_in_a_log_of_offsets_10_to_19(wanted: int, divergent: int | None, policy: OnLoss, expected: object) -> None:
    hole = hole_of(wanted, 10, 20, policy, divergent)
    assert (hole.reason, hole.beyond, hole.on) == expected


def test_new_messages_after_a_cut_whose_place_is_known_are_read_from_there() -> None:
    world = World(models=(PLAIN,))
    world.put(P0, message(1, 0), message(2, 1), message(3, 2))
    world.read_all()
    world.log.cut(P0, 1, told=True)
    world.put(P0, message(4, 3), message(5, 4), message(6, 5))
    world.read_all()
    assert world.account() == Account(counted=6)
    assert [g.reason for g in gaps(world)] == [GapReason.TRUNCATED]


# --- words ---------------------------------------------------------------------------------------------------


def test_gaps_of_unknown_size_add_nothing_to_what_is_known_to_be_lost() -> None:
    known = Gap(model="m", topic="t", partition=1, reason=GapReason.RETENTION, first=0, beyond=1204, since=None, at=START)
    unknown = replace(known, reason=GapReason.RECREATED, beyond=None)
    assert lost([known, unknown]) == 1204
    assert lost([unknown]) is None
    assert told([known, unknown]) == "at most 1,204 messages of t/1 (retention); an unknown number of messages of t/1 (recreated)"
