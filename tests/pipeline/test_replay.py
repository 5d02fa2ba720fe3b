"""Judging stored windows again: the same rules say the same, other rules say what differs, and nothing is written."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from monitor.core.incidents import IncidentState
from monitor.core.replay import Change, Side, changes, incidents, latest, sides
from monitor.core.results import Check, Result, Verdict
from monitor.core.rules import AlertRules, DriftRules, DriftTest, QualityRules, RetrainingRules, Switch
from monitor.errors import UsageError
from monitor.pipeline.replay import Rehearsal, rejudge
from monitor.storage import open_store
from tests.cli.driftd import driftd
from tests.core.judged import Data, drawn, numeric, reference_of
from tests.pipeline.world import HOUR, MODEL, P0, START, World, message

__all__ = ["driftd"]

RULES = replace(MODEL, dedupe=False, allowed_lateness=timedelta(0))
DRIFTED = range(2, 5)
HOURS = 10


def hour(n: int, rng: np.random.Generator) -> list[bytes]:
    delays = rng.normal(30 if n in DRIFTED else 5, 1, 90)
    return [message(f"{n}-{i}", 60 * n + i / 2, float(delay), "ABC"[i % 3]) for i, delay in enumerate(delays)]


def reference(rng: np.random.Generator) -> object:
    days: list[Data] = [{"delay": numeric(rng.normal(5, 1, 90)), "carrier": drawn(rng, "ABC", [1 / 3] * 3, 90)} for _ in range(20)]
    return replace(reference_of(days), model="m", version="*", window=HOUR)


def judged_world(place: Path | str | None = None) -> World:
    """Ten hours, three of them drifted, one of them silent; always the same ones. ``place``: a folder for SQLite, or the URL of a store."""
    rng = np.random.default_rng(4)
    url = f"sqlite:///{place}/driftd.db" if isinstance(place, Path) else place
    world = World(models=(RULES,)) if url is None else World(models=(RULES,), store=open_store(url))
    world.store.add_reference(reference(rng), activate=True, at=START)  # type: ignore[arg-type]
    for n in range(HOURS):
        if n != 8:
            world.put(P0, *hour(n, rng))
    world.read_all()
    world.judge.finish()
    return world


@pytest.fixture(scope="module")
def world() -> World:
    return judged_world()


def test_the_same_rules_say_the_same_of_every_window_and_write_nothing(world: World) -> None:
    before = (list(world.store.results()), list(world.store.incidents()), list(world.store.deliveries()), world.store.progress("m"))
    judged = rejudge(world.store, RULES, world.clock)
    assert [r for j in judged for r in j.results] == list(world.store.results())
    assert changes(world.store.results(), [r for j in judged for r in j.results]) == []
    assert len({r.window_start for r in before[0]}) == HOURS
    assert (list(world.store.results()), list(world.store.incidents()), list(world.store.deliveries()), world.store.progress("m")) == before


def test_the_incidents_of_stored_results_are_those_that_were_opened(world: World) -> None:
    found, stored = ([(i.id, i.since, i.bad_windows, i.state) for i in side]
                     for side in (incidents(world.store.results(), RULES.alerts), world.store.incidents()))
    assert found == stored
    assert [(since - START) // HOUR for _, since, _, _ in found] == [2, 8], "three drifted hours, and a silent one"
    assert found[0][3] is IncidentState.RESOLVED


def test_other_rules_differ_where_they_should_and_only_there(world: World) -> None:
    quiet = QualityRules(max_out_of_range_share=Switch.OFF)
    blind = replace(RULES, drift=DriftRules(tests=(DriftTest(method="psi", threshold=1e9),)), quality=quiet)
    results = [r for j in rejudge(world.store, blind, world.clock) for r in j.results]
    found = changes(world.store.results(), results)
    gone = [c for c in found if c.after is None and c.before is not None and c.before.verdict is Verdict.ALERT]
    assert {(c.result.column, (c.result.window_start - START) // HOUR) for c in gone} == {("delay", n) for n in DRIFTED}
    assert {c.result.metric for c in found if c.before is None} == {"psi"}
    before, after = incidents(world.store.results(), RULES.alerts), incidents(results, blind.alerts)
    assert [side for side, _ in sides(before, after)] == [Side.BEFORE, Side.BOTH]


def test_since_leaves_earlier_windows_out(world: World) -> None:
    judged = rejudge(world.store, RULES, world.clock, since=START + 5.5 * HOUR)
    assert {r.window_start for j in judged for r in j.results} == {START + n * HOUR for n in range(5, HOURS)}


def test_retraining_is_asked_for_as_the_new_rules_say(world: World) -> None:
    eager = replace(RULES, retraining=RetrainingRules(when={"drift": 2}, veto=False))
    asked = [j.retraining for j in rejudge(world.store, eager, world.clock) if j.retraining is not None]
    assert [(one.model, one.requested_at) for one in asked] == [("m", START + 4 * HOUR)]


def test_windows_of_another_length_cannot_be_judged_again(world: World) -> None:
    with pytest.raises(UsageError, match="stored windows are 1h long, this says 2h; windows of another length cannot be judged again"):
        rejudge(world.store, replace(RULES, window=2 * HOUR), world.clock)


def test_rules_that_cannot_judge_are_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(world.store, "windows", broken)
    with pytest.raises(UsageError, match="m cannot be judged by these rules: RuntimeError: boom"):
        rejudge(world.store, RULES, world.clock)


def test_time_stands_still_in_a_rehearsal(world: World) -> None:
    rehearsal = Rehearsal(world.store, RULES, None, lambda _: None)
    assert rehearsal.marks("m") == ()
    assert (last := rehearsal.latest_window("m")) is not None
    assert last.end == START + HOURS * HOUR
    with pytest.raises(NotImplementedError, match="seals nothing"):
        rehearsal.seal("m", START, None)


# --- what differs --------------------------------------------------------------------------------------------


def result(verdict: Verdict, *, revision: int = 0, at: int = 0, metric: str = "ks") -> Result:
    start = START + at * HOUR
    return Result(model="m", version="1", segment="*", window_start=start, window_end=start + HOUR, check=Check.DRIFT, column="delay",
                  metric=metric, value=1.0, threshold=0.5, p_value=None, verdict=verdict, reason="", rows=9, revision=revision)


def test_the_last_revision_counts() -> None:
    first, second = result(Verdict.ALERT), result(Verdict.OK, revision=1)
    assert list(latest([second, first]).values()) == [second]
    assert changes([first, second], [result(Verdict.OK)]) == []


def test_a_result_of_one_side_alone_is_a_change() -> None:
    [gone, come] = changes([result(Verdict.OK)], [result(Verdict.OK, metric="psi")])
    assert (gone.verdicts, come.verdicts) == ((Verdict.OK, None), (None, Verdict.OK))
    with pytest.raises(ValueError, match="one side"):
        _ = Change(before=None, after=None).result


def test_an_incident_that_never_fired_is_none() -> None:
    results = [result(Verdict.ALERT), result(Verdict.OK, at=1), result(Verdict.ALERT, at=2), result(Verdict.ALERT, at=3)]
    assert [i.since for i in incidents(results, AlertRules(open_after=2))] == [START + 2 * HOUR]
    assert len(incidents(results, AlertRules(resolve_after=1))) == 2


# --- the command ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A configuration whose store holds ten hours, and one with other rules."""
    folder = tmp_path_factory.mktemp("replay")
    judged_world(folder).store.close()
    streams = {"predictions": {"topic": "flights", "time": "ts", "id": "id", "version": "v"}}
    model = {"task": "binary", "window": "1h", "min_rows": 10, "dedupe": False, "streams": streams,
             "columns": {"delay": "numeric", "carrier": "categorical"}}
    written = []
    blind = {"drift": {"tests": {"method": "psi", "threshold": 1000, "columns": ["delay"]}}, "quality": {"max_out_of_range_share": "off"}}
    for name, rules in (("old", {}), ("new", blind)):
        document = {"store": f"sqlite:///{folder}/driftd.db", "kafka": {"bootstrap_servers": "127.0.0.1:1"}, "models": {"m": model | rules}}
        (folder / f"{name}.yaml").write_text(json.dumps(document))
        written.append(folder / f"{name}.yaml")
    return written[0], written[1]


def test_the_command_says_what_differs(driftd, files):
    old, new = files
    done = driftd("replay", old, "--rules", new)
    assert (done.code, done.err) == (0, "")
    assert "m: 10 windows judged again" in done.out
    assert "incidents: 2 before, 1 after" in done.out
    assert "only before  2013-03-01T02:00:00Z to 2013-03-01T07:00:00Z" in done.out
    assert "alert → no result" in done.out


def test_every_difference_is_a_line_of_json(driftd, files):
    old, new = files
    done = driftd("replay", old, "--rules", new, "--model", "m", "--format", "jsonl", "--since", "2013-03-01T03:00:00Z")
    rows = [json.loads(line) for line in io.StringIO(done.out)]
    assert {row["kind"] for row in rows} == {"verdict", "incident"}
    assert min(row["window_start"] for row in rows if row["kind"] == "verdict") == "2013-03-01T03:00:00Z"
    assert [row["under"] for row in rows if row["kind"] == "incident"] == ["before", "both"]


def test_with_the_rules_in_force_nothing_differs(driftd, files):
    done = driftd("replay", files[0], "--rules", files[0])
    assert "verdicts that differ: 0\n" in done.out
    assert "incidents: 2 before, 2 after" in done.out


def test_rules_without_the_model_are_told(driftd, files, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text(files[0].read_text().replace('"m":', '"n":'))
    done = driftd("replay", files[0], "--rules", other)
    assert (done.code, done.line) == (1, f"driftd: {other} does not have any model of {files[0]}; it has ['n']")
