"""Drift that is an alert only where it matters: held at a warning by an estimate, raised by labels that show a drop."""

from __future__ import annotations

import json
from dataclasses import replace

from monitor.core.incidents import IncidentState
from monitor.core.labels.chunks import by_id, joined_predicted
from monitor.core.performed import first_look
from monitor.core.results import Check, Result, Verdict
from monitor.core.rules import DriftRules, Severity
from monitor.core.schema import Column, Kind, Role
from monitor.pipeline import References
from monitor.ports import KeptKey
from tests.pipeline.test_labelling import FEATURE, MODEL, P0, PREDICTION, ROWS, STAMP, a_world, go, label, with_reference
from tests.pipeline.world import HOUR, SECOND, START, World

SCORE = Column(name="p_late", kind=Kind.NUMERIC, role=Role.SCORE, path="p_late")
COLUMNS = (FEATURE, PREDICTION, SCORE)
SCORED = replace(MODEL, columns=COLUMNS, streams=(replace(MODEL.streams[0], columns=COLUMNS), MODEL.streams[1]))
BY_EVIDENCE = replace(SCORED, drift=DriftRules(severity=Severity.EVIDENCE))


def predict(world: World, hour: int, *, moved: bool = False) -> None:
    """Rows of one hour. ``moved``: their delays crowd at the upper end of what the reference has; scores promise what they always do."""
    for n in range(ROWS):
        at = START + hour * HOUR + n * 40 * SECOND
        delay = 5.7 + n / 1000 if moved else 5 + n % 7 / 7
        body = {"id": f"{hour}-{n}", "ts": at.isoformat(), "v": "1", "delay": delay, "late": n % 2, "p_late": 0.9 if n % 2 else 0.1}
        world.log.append(P0, json.dumps(body).encode(), timestamp=STAMP)


def of_delay(world: World, hour: int = 0) -> list[Result]:
    """Every revision of the drift of one column."""
    found = world.store.results(model="m", check=Check.DRIFT)
    return [r for r in found if r.column == "delay" and r.window_start == START + hour * HOUR]


def drifting(model, folder) -> World:  # type: ignore[no-untyped-def]
    """Four hours, the second of which has moved."""
    world = with_reference(a_world(model), folder)
    for hour in range(4):
        predict(world, hour, moved=hour == 1)
    return world


def test_drift_alerts_by_itself_where_nothing_else_is_asked_for(tmp_path):
    world = drifting(SCORED, tmp_path)
    go(world)
    assert [r.verdict for r in of_delay(world, 1)] == [Verdict.ALERT]


def test_drift_that_an_estimate_sees_no_harm_in_is_a_warning_and_nobody_is_told(tmp_path):
    world = drifting(BY_EVIDENCE, tmp_path)
    world.read_all()
    world.judge.sweep()
    [held] = of_delay(world, 1)
    assert held.verdict is Verdict.WARN
    assert "; only a warning: accuracy 0.90 [" in held.reason
    assert held.reason.endswith("], estimated, no drop seen")
    assert [r.verdict for r in of_delay(world, 0)] == [Verdict.OK]
    assert world.store.open_incident("m") is None
    assert world.store.deliveries() == []


def test_labels_that_show_a_drop_make_an_alert_of_it_and_the_incident_names_the_column(tmp_path):
    world = drifting(BY_EVIDENCE, tmp_path)
    label(world, 1, wrong=24)
    go(world)
    held, alert = of_delay(world, 1)
    assert (held.revision, held.verdict, alert.revision, alert.verdict) == (0, Verdict.WARN, 1, Verdict.ALERT)
    assert alert.reason.startswith(held.reason.partition("; only a warning")[0])
    assert "; it matters: accuracy fell from 0.90 to 0.40 [" in alert.reason
    assert (alert.value, alert.threshold, alert.p_value) == (held.value, held.threshold, held.p_value)
    incident = world.store.open_incident("m")
    assert (incident.state, incident.since) == (IncidentState.FIRING, START + HOUR)
    assert "delay" in incident.columns
    assert incident.checks == ("drift", "performance")
    label(world, 1, wrong=0, after=2 * HOUR)
    go(world)
    assert [r.verdict for r in of_delay(world, 1)] == [Verdict.WARN, Verdict.ALERT], "nothing is taken back"


def test_labels_that_show_no_drop_leave_the_warning_alone(tmp_path):
    world = drifting(BY_EVIDENCE, tmp_path)
    label(world, 1, wrong=4)
    go(world)
    assert [r.verdict for r in of_delay(world, 1)] == [Verdict.WARN]
    assert world.store.deliveries() == []


def test_drift_of_which_nobody_knows_whether_it_harms_is_an_alert(tmp_path):
    unscored = replace(MODEL, drift=DriftRules(severity=Severity.EVIDENCE))
    world = drifting(unscored, tmp_path)
    go(world)
    assert [r.verdict for r in of_delay(world, 1)] == [Verdict.ALERT]
    label(world, 1, wrong=4)
    go(world)
    assert [r.verdict for r in of_delay(world, 1)] == [Verdict.ALERT]


def test_where_labels_will_come_an_estimate_leaves_them_half_of_the_share(tmp_path):
    world = drifting(SCORED, tmp_path)
    world.read_all()
    reference = References(world.store, world.clock).of("m", "1")
    predicted = by_id(joined_predicted(world.store.kept_chunks("m", KeptKey(start=START, end=START + HOUR, version="1"))))
    alone = replace(SCORED, streams=SCORED.streams[:1])
    [awaited], [half], [whole] = (
        first_look(predicted, None, reference, rules, alpha) for rules, alpha in ((SCORED, 0.01), (alone, 0.005), (alone, 0.01))
    )
    assert awaited.threshold == half.threshold < whole.threshold < awaited.reference_value
