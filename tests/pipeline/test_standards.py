"""What windows are compared with: merges of stored windows, and the stable version's window; told as stories."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from monitor.core.gaps import Gap, GapReason
from monitor.core.incidents import IncidentState, Step, expect, resolve
from monitor.core.reference import Reference, source_of
from monitor.core.results import Check, Result, Verdict
from monitor.core.rules import DriftRules, Model, Previous, Rolling, Seasonal
from monitor.doubles.log import MemoryLog
from monitor.pipeline import References, Standards
from monitor.pipeline.replay import rejudge
from monitor.pipeline.standards import Standard
from monitor.ports import Checkpoint, Store, StoredWindow
from monitor.storage import open_store
from tests.core.judged import Data, drawn, numeric, reference_of
from tests.pipeline.world import HOUR, MODEL, P0, STAMP, START, TOPIC, Unsteady, World

ROWS = 300
REACH = 14
ROLLING = replace(MODEL, recipe=Rolling(reach=REACH * HOUR), allowed_lateness=0 * HOUR, drift=DriftRules(multivariate=False))
FITTED_AT, FIRST_ON_GRID, FIRST_JUDGED = 6, 8, 15
"""Seven hours of 300 rows have the 2,000 that a grid takes; hour 7 is being read by then; seven windows are half of 14."""


def rows(hour: int, moved: float = 0.0, version: str = "1", n: int = ROWS) -> Data:
    rng = np.random.default_rng(1000 + hour + 7919 * len(version))
    return {"delay": numeric(rng.normal(10 + moved, 5, n)), "carrier": drawn(rng, "ABC", (0.5, 0.3, 0.2), n)}


def messages(hour: int, moved: float = 0.0, version: str = "1", n: int = ROWS) -> Iterator[bytes]:
    data = rows(hour, moved, version, n)
    for row, (delay, code) in enumerate(zip(data["delay"].values, data["carrier"].codes, strict=True)):  # type: ignore[union-attr]
        at = (START + hour * HOUR + row * HOUR / n).isoformat()
        yield json.dumps({"id": f"{version}-{hour}-{row}", "ts": at, "v": version, "delay": float(delay), "carrier": "ABC"[code]}).encode()


def world_of(model: Model = ROLLING, path: Path | None = None) -> World:
    store: Store = Unsteady() if path is None else open_store(f"sqlite:///{path}/driftd.db")
    return World(models=(model,), log=MemoryLog({TOPIC: 1}), store=store)


def live(world: World, hours: range, moved: float = 0.0, versions: tuple[str, ...] = ("1",), n: int = ROWS) -> None:
    """Hour by hour: its messages are read, and the windows before it judged."""
    for hour in hours:
        for version in versions:
            for value in messages(hour, moved, version, n):
                world.log.append(P0, value, timestamp=STAMP)
        world.read_all()
        world.judge.sweep()


def drift(world: World, hour: int, version: str = "1", column: str | None = "delay") -> Result:
    found = [r for r in world.store.results(check=Check.DRIFT) if r.window_start == START + hour * HOUR and r.version == version]
    (only,) = [r for r in found if r.column in (column, None)]
    return only


def standard(world: World, hour: int, version: str = "1") -> Standard:
    """Found anew, by a process that remembers nothing."""
    windows = world.store.windows("m", START + hour * HOUR)
    found = Standards(world.store, References(world.store, world.clock), world.clock).of(world.models[0], windows)
    return {key.version: each for key, each in found.items()}[version]


def file_reference(version: str = "*") -> Reference:
    built = reference_of([rows(-n) for n in range(1, 30)])
    return replace(built, version=version, window=HOUR, provenance={"file": "before.parquet"})


# --- the story -----------------------------------------------------------------------------------------------


def decide(world: World, how: Callable[..., Step]) -> None:
    """A person closes the one incident there is."""
    (incident,) = world.store.incidents(model="m")
    done = how(incident, by="eve", at=world.clock.now())
    assert done.incident is not None
    assert world.store.save_incident(done.incident, done.events[0])


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Fifty hours from nothing, on SQLite: drift from hour 20 on that lasts; at hour 40 a person calls it expected."""
    world = world_of(path=tmp_path_factory.mktemp("story"))
    live(world, range(20))
    live(world, range(20, 40), moved=4.0)
    decide(world, expect)
    live(world, range(40, 55), moved=4.0)
    return world


def test_before_there_is_a_grid_windows_are_skipped_with_the_reason(story: World) -> None:
    for hour in range(FITTED_AT):
        assert (drift(story, hour).verdict, drift(story, hour).reference) == (Verdict.SKIPPED, None)
        assert drift(story, hour).reason == "no grid yet: it is fitted once 2,000 rows were sampled from at most 200 windows"


def test_the_grid_is_kept_as_a_reference_that_judges_nothing(story: World) -> None:
    (line,) = story.store.references("m")
    assert (line.number, line.version, line.active, line.rows, source_of(line.provenance)) == (1, "*", True, 2100, "samples")
    assert line.provenance["window_range"] == ["2013-03-01T00:00:00Z", "2013-03-01T07:00:00Z"]
    assert line.hash not in {result.reference for result in story.store.results()}


def test_while_windows_are_too_few_they_are_counted_in_the_reason(story: World) -> None:
    assert drift(story, 10).reason == "warming up: 2 of 14 windows, 7 needed (8 on another grid, 4 without rows)"
    assert {drift(story, hour).verdict for hour in range(FIRST_JUDGED)} == {Verdict.SKIPPED}
    assert drift(story, FIRST_JUDGED).verdict is Verdict.OK


def test_drift_opens_an_incident_and_its_windows_are_not_learned(story: World) -> None:
    assert {drift(story, hour).verdict for hour in range(FIRST_JUDGED, 20)} == {Verdict.OK}
    assert {drift(story, hour).verdict for hour in range(20, 39)} == {Verdict.ALERT}, "for longer than the reference is long"
    first, *later = (drift(story, hour).reference for hour in range(20, 39))
    assert set(later) == {first}, "it stands still"
    (incident,) = story.store.incidents(model="m")
    assert (incident.since, incident.bad_windows) == (START + 20 * HOUR, 19)


def test_what_a_person_called_expected_is_the_new_usual(story: World) -> None:
    assert {drift(story, hour).verdict for hour in range(40, 54)} == {Verdict.OK}
    assert {i.state for i in story.store.incidents(model="m")} == {IncidentState.RESOLVED}
    reference = standard(story, 45).reference
    assert reference is not None
    assert reference.profile.columns["delay"].mean == pytest.approx(14, abs=0.3)  # type: ignore[union-attr]


def test_every_result_names_the_reference_and_it_can_be_made_again(story: World) -> None:
    for hour in range(FIRST_JUDGED, 54):
        made = standard(story, hour).reference
        assert made is not None
        assert made.hash == drift(story, hour).reference
        assert made.provenance["kind"] == "rolling"
        assert made.version == "1"


def test_judging_again_says_the_same_up_to_where_a_person_decided(story: World) -> None:
    """From where there is a grid on: of the windows before, the reason now tells how many are on another one."""
    first, last = START + FITTED_AT * HOUR, START + 39 * HOUR
    before = [r for r in story.store.results() if first <= r.window_start < last]
    again = [r for j in rejudge(story.store, ROLLING, story.clock) for r in j.results if first <= r.window_start < last]
    assert again == before
    assert len(story.store.references("m")) == 1


def test_judging_part_of_it_again_knows_the_incidents_before_that_part(story: World) -> None:
    since = START + 30 * HOUR
    again = [r for j in rejudge(story.store, ROLLING, story.clock, since=since) for r in j.results if r.window_start < START + 39 * HOUR]
    assert again == [r for r in story.store.results() if since <= r.window_start < START + 39 * HOUR]


def test_resolved_by_a_person_but_not_expected_it_opens_again() -> None:
    world = world_of()
    live(world, range(20))
    live(world, range(20, 25), moved=4.0)
    decide(world, resolve)
    live(world, range(25, 30), moved=4.0)
    assert [i.state for i in world.store.incidents(model="m")] == [IncidentState.RESOLVED, IncidentState.FIRING]


def test_a_replica_that_begins_in_the_middle_finds_the_same_grid_and_references() -> None:
    alone, shared = world_of(), world_of()
    live(alone, range(24))
    for first in range(0, 24, 3):
        live(shared, range(first, first + 3))
        shared.crash()
    assert [r.hash for r in shared.store.references("m")] == [r.hash for r in alone.store.references("m")]
    judged = [(r.window_start, r.column, r.verdict) for r in alone.store.results(check=Check.DRIFT)]
    assert [(r.window_start, r.column, r.verdict) for r in shared.store.results(check=Check.DRIFT)] == judged


# --- with a reference from a file ----------------------------------------------------------------------------


def with_file(model: Model = ROLLING) -> World:
    world = world_of(model)
    world.store.add_reference(file_reference(), activate=True, at=START)
    return world


def test_until_there_are_enough_windows_the_file_is_the_reference() -> None:
    world = with_file()
    live(world, range(10))
    (stored,) = world.store.references("m")
    assert {drift(world, hour).reference for hour in range(7)} == {stored.hash}
    assert {source_of(each.provenance) for hour in range(7, 9) if (each := standard(world, hour).reference)} == {"rolling"}
    assert len({drift(world, hour).reference for hour in range(7, 9)}) == 2


def test_after_what_a_person_expected_the_file_is_not_gone_back_to() -> None:
    world = with_file()
    live(world, range(4))
    live(world, range(4, 8), moved=4.0)
    decide(world, expect)
    live(world, range(8, 14), moved=4.0)
    assert drift(world, 8).verdict is Verdict.SKIPPED
    assert drift(world, 8).reason == (
        "warming up: 4 of 14 windows, 7 needed, since 2013-03-01T04:00:00Z, which a person called expected"
    )
    assert drift(world, 11).verdict is Verdict.OK
    assert len(world.store.incidents(model="m")) == 1


def test_windows_that_lost_messages_or_have_few_rows_are_not_learned() -> None:
    world = with_file(replace(ROLLING, min_rows=200))
    live(world, range(3))
    live(world, range(3, 4), n=180)
    live(world, range(4, 12))
    assert world.store.incidents(model="m") == []
    gap = Gap(model="m", topic=TOPIC, partition=0, reason=GapReason.RETENTION, first=1, beyond=9, since=START + 5 * HOUR,
              until=START + 5 * HOUR, at=START)  # fmt: skip
    world.store.checkpoint(Checkpoint(at=START, gaps=(gap,)))
    reference = standard(world, 10).reference
    assert reference is not None
    assert reference.provenance["windows"] == 8
    assert reference.provenance["left_out"] == {"incomplete": 1, "under min_rows": 1, "without rows": 4}


def test_a_new_version_is_compared_with_the_windows_of_all_until_it_has_its_own() -> None:
    world = with_file()
    live(world, range(10))
    live(world, range(10, 20), versions=("1", "22"))
    first, own = standard(world, 12, "22").reference, standard(world, 18, "22").reference
    assert first is not None
    assert own is not None
    assert (first.version, own.version) == ("*", "22")
    assert (first.profile.rows, own.profile.rows) == (ROWS * (12 + 2), ROWS * 8)
    assert {r.verdict for r in world.store.results(check=Check.DRIFT) if r.version == "22"} == {Verdict.OK}


def test_a_seasonal_reference_takes_the_rhythm_out() -> None:
    """Every fourth hour is another world: an alert against a mix of all, as usual against its own kind."""
    seasonal = with_file(replace(ROLLING, recipe=Seasonal(lag=4 * HOUR, count=3)))
    previous = with_file(replace(ROLLING, recipe=Previous(windows=1)))
    for world in (seasonal, previous):
        for hour in range(24):
            live(world, range(hour, hour + 1), moved=8.0 if hour % 4 == 0 else 0.0)
            for incident in world.store.incidents(model="m"):
                if incident.state is not IncidentState.RESOLVED:  # so that all is learned
                    done = expect(incident, by="eve", at=world.clock.now())
                    world.store.save_incident(done.incident, done.events[0])  # type: ignore[arg-type]
    assert {drift(previous, hour).verdict for hour in (16, 20)} == {Verdict.ALERT}
    reference = standard(seasonal, 22).reference
    assert reference is not None
    assert reference.provenance["kind"] == "seasonal"
    assert {drift(seasonal, hour).verdict for hour in range(19, 23)} == {Verdict.OK}


def test_stored_windows_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    import sqlite3

    world = world_of(path=tmp_path)
    world.store.add_reference(file_reference(), activate=True, at=START)
    live(world, range(12))
    with sqlite3.connect(tmp_path / "driftd.db") as database:
        database.execute("UPDATE windows SET profile = x'00' WHERE start IN (SELECT start FROM windows ORDER BY start LIMIT 2)")
    made = standard(world, 10).reference
    assert made is not None
    assert (made.provenance["windows"], made.provenance["left_out"]) == (8, {"damaged": 2, "without rows": 4})
    with sqlite3.connect(tmp_path / "driftd.db") as database:
        database.execute("UPDATE windows SET profile = x'00' WHERE start IN (SELECT start FROM windows ORDER BY start LIMIT 4)")
    fallen_back = standard(world, 10).reference
    assert fallen_back is not None
    assert fallen_back.hash == file_reference().hash


# --- canary --------------------------------------------------------------------------------------------------

CANARY = replace(ROLLING, recipe=None, stable="1")


def test_a_canary_is_compared_with_the_stable_version_of_the_same_window() -> None:
    """All drifts together at hour 3, which is no fault of the canary; at hour 6 the canary alone does."""
    world = with_file(CANARY)
    live(world, range(3), versions=("1", "22"))
    live(world, range(3, 6), moved=4.0, versions=("1", "22"))
    for version, moved in (("1", 4.0), ("22", 8.0)):
        for value in messages(6, moved, version):
            world.log.append(P0, value, timestamp=STAMP)
    live(world, range(7, 8), versions=("1", "22"))
    assert {drift(world, hour, "22").verdict for hour in range(6)} == {Verdict.OK}
    assert {drift(world, hour, "1").verdict for hour in range(3, 6)} == {Verdict.ALERT}, "against the file"
    assert drift(world, 6, "22").verdict is Verdict.ALERT
    made = standard(world, 6, "22").reference
    assert made is not None
    assert made.hash == drift(world, 6, "22").reference
    assert made.provenance == {"kind": "canary", "stable": "1", "window_start": "2013-03-01T06:00:00Z"}


def test_without_the_stable_version_in_the_window_a_canary_is_skipped() -> None:
    world = with_file(CANARY)
    live(world, range(2), versions=("22",))
    assert drift(world, 0, "22").verdict is Verdict.SKIPPED
    assert drift(world, 0, "22").reason == "the stable version '1' has 0 rows in this window, fewer than min_rows 10"


def test_a_canary_may_have_more_rows_or_fewer_than_the_stable_version() -> None:
    world = with_file(CANARY)
    for hour in range(3):
        for version, n in (("1", 30), ("22", 3000)):
            for value in messages(hour, 0.0, version, n):
                world.log.append(P0, value, timestamp=STAMP)
        world.read_all()
        world.judge.sweep()
    volume = [r for r in world.store.results(check=Check.VOLUME) if r.version == "22" and r.metric == "rows"]
    assert {(r.verdict, r.reason) for r in volume} == {(Verdict.SKIPPED, "no reference tells how many rows are usual")}


def test_a_canary_waits_for_a_grid_too() -> None:
    world = world_of(CANARY)
    live(world, range(12), versions=("1", "22"))
    assert drift(world, 0, "22").reason.startswith("no grid yet")
    assert drift(world, 8, "22").verdict is Verdict.OK
    assert drift(world, 8, "1").reason == "reference 1 gives the grid only: it was fitted to 2,400 sampled rows"


def test_a_stable_window_that_cannot_be_read_is_an_error_of_the_canary(tmp_path: Path) -> None:
    import sqlite3

    world = world_of(CANARY, tmp_path)
    world.store.add_reference(file_reference(), activate=True, at=START)
    live(world, range(3), versions=("1", "22"))
    with sqlite3.connect(tmp_path / "driftd.db") as database:
        database.execute("UPDATE windows SET profile = x'00' WHERE version = '1'")
    assert "the window of the stable version '1': its stored profile cannot be read" in standard(world, 1, "22").damage


def test_without_samples_no_grid_is_fitted() -> None:
    world = world_of(replace(ROLLING, sample_rows=0))
    live(world, range(10))
    assert world.store.references("m") == []
    assert drift(world, 8).reason == "no grid yet: sample_rows is 0, so none can be fitted; build a reference from a file"


def test_models_that_do_not_merge_keep_no_more_rows_than_they_say() -> None:
    kept = []
    for model in (replace(MODEL, sample_rows=50), replace(ROLLING, sample_rows=50), replace(ROLLING, sample_rows=0)):
        world = world_of(model)
        live(world, range(1))
        (window,) = world.store.windows("m", START)
        assert window.profile is not None
        kept.append(len(window.profile.sample.rows))
    assert kept == [50, ROWS, 0]


class Overflowing(Unsteady):
    """Its windows of version 1 cannot be merged; one at a time they can be read."""

    def windows_at(self, model: str, starts: Sequence[datetime], *, segment: str, version: str | None) -> Sequence[StoredWindow]:
        if version == "1" and 1 < len(starts) <= REACH:
            raise OverflowError("moments beyond 2^200")
        return super().windows_at(model, starts, segment=segment, version=version)


def test_a_reference_that_cannot_be_merged_is_an_error_of_its_version_alone() -> None:
    world = World(models=(ROLLING,), log=MemoryLog({TOPIC: 1}), store=Overflowing())
    world.store.add_reference(file_reference(), activate=True, at=START)
    live(world, range(10), versions=("1", "22"))
    assert (drift(world, 8).verdict, drift(world, 8, "22").verdict) == (Verdict.ERROR, Verdict.OK)
    assert drift(world, 8).reason.endswith("its reference cannot be merged: moments beyond 2^200")


# --- segments ------------------------------------------------------------------------------------------------


def segment_verdicts(world: World, hour: int, version: str = "1") -> dict[str, Verdict]:
    """Of the delay's drift, by segment."""
    found = [r for r in world.store.results(check=Check.DRIFT) if r.window_start == START + hour * HOUR and r.version == version]
    return {r.segment: r.verdict for r in found if r.column in ("delay", None)}


def test_segments_are_compared_with_their_own_windows_as_parts_of_one_reference() -> None:
    world = with_file(replace(ROLLING, segments=("carrier",)))
    live(world, range(10))
    reference = standard(world, 8).reference
    assert reference is not None
    whole, parts = reference.profile, reference.segments["carrier"]
    assert set(parts) == {"A", "B", "C"}
    assert sum(part.profile.rows for part in parts.values()) == whole.rows == 8 * ROWS
    assert all(part.baseline is not None and len(part.baseline.window_rows) == 8 for part in parts.values())
    assert {r.reference for r in world.store.results() if r.window_start == START + 8 * HOUR} == {reference.hash}
    assert segment_verdicts(world, 8) == {"*": Verdict.OK, "carrier=A": Verdict.OK, "carrier=B": Verdict.OK, "carrier=C": Verdict.OK}


def test_a_segment_with_too_few_windows_is_no_part_of_it() -> None:
    """C has 60 of 300 rows in an hour, min_rows is 75."""
    world = with_file(replace(ROLLING, segments=("carrier",), min_rows=75))
    live(world, range(10))
    assert segment_verdicts(world, 8)["carrier=A"] is Verdict.OK
    assert segment_verdicts(world, 8)["carrier=C"] is Verdict.SKIPPED


def test_a_canarys_segments_are_compared_with_the_stable_versions() -> None:
    world = with_file(replace(CANARY, segments=("carrier",)))
    live(world, range(3), moved=9.0, versions=("1", "22"))
    assert segment_verdicts(world, 1, "22") == {
        "*": Verdict.OK, "carrier=A": Verdict.OK, "carrier=B": Verdict.OK, "carrier=C": Verdict.OK,
    }  # fmt: skip
    assert segment_verdicts(world, 1)["*"] is Verdict.ALERT
