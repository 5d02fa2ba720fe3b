"""A person calls a shift expected: the incident's windows become the reference, with its line of audit, on every make of the store."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.core.audit import AuditEntry, Via
from monitor.core.incidents import Incident, IncidentState
from monitor.core.reference import source_of
from monitor.core.results import Check, Verdict
from monitor.core.rules import Rolling, Switch
from monitor.errors import UsageError
from monitor.pipeline.shift import LEARNS, accept_shift, shift_accepter
from monitor.ports import Message, Store
from tests.pipeline.test_bootstrap import PLAIN, announce, live, put_incident, world_of
from tests.pipeline.world import HOUR, START, World

MODEL = replace(PLAIN, bootstrap=Switch.OFF)


def shifted(store: Store, hours: int = 9, version: str = "1") -> tuple[World, Incident]:
    """Two hours as usual, then drift that lasts."""
    world = world_of(MODEL, store=store, version=version)
    live(world, range(2), {"1": 0.0})
    live(world, range(2, hours), {"1": 25.0})
    incident = store.open_incident("m")
    assert incident is not None
    assert incident.since == START + 2 * HOUR
    return world, incident


def entry(incident: Incident, by: str = "ann") -> AuditEntry:
    return AuditEntry(at=START, by=by, via=Via.SLACK, action="expect", model="m", subject=incident.id)


def accept(world: World, incident: Incident, model=MODEL, **more: object) -> str:  # type: ignore[no-untyped-def]
    return accept_shift(world.store, model, incident, by="ann", at=world.clock.now(), audit=entry(incident), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("version", ["1", "*"])
def test_the_windows_of_the_incident_become_the_reference_and_it_is_over(store: Store, version: str) -> None:
    world, incident = shifted(store, version=version)
    said = accept(world, incident)
    of = "version 1" if version == "1" else "all versions"
    assert said == f"reference 2 of {of} is made of 6 windows from 2013-03-01T02:00:00Z to 2013-03-01T08:00:00Z"
    active = store.active_reference("m", version)
    assert active is not None
    assert (active.number, source_of(active.provenance), active.provenance["incident"]) == (2, "accepted", incident.id)
    assert active.provenance["by"] == "ann"
    closed = store.incident(incident.id)
    assert closed is not None
    assert closed.state is IncidentState.RESOLVED
    assert store.incident_events(incident.id)[-1].reason == "resolved by a person as expected"
    assert store.audit(subject=incident.id) == [replace(entry(incident), detail=said)]
    world.clock.advance(60 * HOUR)
    live(world, range(9, 13), {"1": 25.0})
    found = [r for r in store.results(check=Check.DRIFT, since=START + 9 * HOUR) if r.column == "delay"]
    assert {r.verdict for r in found} == {Verdict.OK}
    assert store.open_incident("m") is None


def test_whoever_is_too_late_changes_nothing(store: Store) -> None:
    world, incident = shifted(store)
    accept(world, incident)
    with pytest.raises(UsageError, match="resolved already"):
        accept(world, store.incident(incident.id) or incident)
    with pytest.raises(UsageError, match="has changed meanwhile"):
        accept(world, incident)
    assert len(store.audit()) == 1
    active = [r.number for r in store.references("m") if r.active]
    assert active == [2], "what the second one made is in force nowhere"


def test_too_few_windows_are_no_reference(store: Store) -> None:
    world, incident = shifted(store, hours=4)
    with pytest.raises(UsageError, match=r"1 windows of version 1 between .* can be learned from; 3 are needed to learn limits from"):
        accept(world, incident)
    open_ = store.open_incident("m")
    assert open_ is not None
    assert (open_.id, len(store.references("m"))) == (incident.id, 1)


def test_people_are_told_with_it(store: Store) -> None:
    world, incident = shifted(store)
    note = Message(receiver="slack", kind="resolved", dedupe="it is over", incident=incident.id, body={})
    accept(world, incident, tell=lambda step: [note] if step.notify else [])
    assert [row.id for row in store.deliveries()] == [note.id]


def test_references_that_are_merged_learn_it_by_themselves(store: Store) -> None:
    world, incident = shifted(store)
    assert accept(world, incident, replace(MODEL, recipe=Rolling(reach=14 * HOUR))) == LEARNS
    assert len(store.references("m")) == 1
    assert [d.expected for d in store.disturbances("m", START + 9 * HOUR)] == [True]


def test_what_no_reference_can_come_of_is_refused(store: Store) -> None:
    world = world_of(MODEL, store=store)
    live(world, range(6), {"2": 0.0})
    put_incident(store, 1, None)
    announce(store)
    incident = store.open_incident("m")
    assert incident is not None
    with pytest.raises(UsageError, match="no version that alerted has a reference"):
        accept(world, incident)
    with pytest.raises(UsageError, match="is about driftd's own way"):
        accept(world, replace(incident, condition="kafka"))
    with pytest.raises(UsageError, match="is one of 'm', not of 'other'"):
        accept(world, incident, replace(MODEL, name="other"))


def test_the_button_finds_the_model_of_the_incident(store: Store) -> None:
    world, incident = shifted(store)
    press = shift_accepter(store, [MODEL], lambda _: ())
    with pytest.raises(UsageError, match="'gone', which is not watched any more"):
        press(replace(incident, model="gone"), by="ann", at=world.clock.now(), audit=entry(incident))
    assert press(incident, by="ann", at=world.clock.now(), audit=entry(incident)).startswith("reference 2 of version 1")
