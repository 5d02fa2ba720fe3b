"""A person calls what came with an incident the new usual: its windows become the reference, and it is over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from monitor.core.audit import AuditEntry
from monitor.core.incidents import OPEN, Incident, Step, expect
from monitor.core.performance.part import PerformancePart
from monitor.core.reference import ANY_VERSION, Reference, Source
from monitor.core.results import OTHER_VERSIONS, Verdict
from monitor.core.rules import Model
from monitor.errors import DecodeError, UsageError
from monitor.log import Action, logger
from monitor.pipeline.from_windows import references_from_windows
from monitor.ports import Message, Store

log = logger(__name__)

LEARNS = "references that are merged from windows learn it from now on"


def accept_shift(
    store: Store, model: Model, incident: Incident, *, by: str, at: datetime, audit: AuditEntry,
    tell: Callable[[Step], Sequence[Message]] = lambda _: (),
) -> str:  # fmt: skip
    """Accept it; one sentence of what was done. ``audit`` is written with the incident, its detail being that sentence.

    Of a model with stored references, every version that alerted gets one of its windows since the incident began. They come into force
    in the transaction that ends the incident: whoever is too late, or dies before, changes nothing. Raises UsageError where the incident
    is not the model's, is over, or has too few windows.
    """
    if incident.condition is not None:
        raise UsageError(f"incident {incident.id} is about driftd's own way: there is nothing to expect of windows")
    if incident.model != model.name:
        raise UsageError(f"incident {incident.id} is one of {incident.model!r}, not of {model.name!r}")
    step = expect(incident, by=by, at=at)
    made = [] if model.merges else [store.add_reference(one, activate=False, at=at) for one in _references(store, model, incident, by)]
    said = "; ".join(map(_told, made)) or LEARNS
    after, (event,) = step.incident, step.events
    line = replace(audit, detail=said)
    if after is None or not store.save_incident(after, event, tell(step), line, seen=incident, in_force=made):
        raise UsageError(f"incident {incident.id} has changed meanwhile: look at it again")
    for reference in made:
        log.warning("a person accepted a shift: a reference of its windows is in force", action=Action.REFERENCE_ADDED, model=model.name,
                    version=reference.version, reference=reference.number, incident=incident.id, by=by)
    return said


def shift_accepter(store: Store, models: Sequence[Model], tell: Callable[[Step], Sequence[Message]]) -> Callable[..., str]:
    """``accept_shift`` of whichever model an incident is one of: ``(incident, *, by, at, audit)``."""
    by_name = {model.name: model for model in models}

    def accept(incident: Incident, *, by: str, at: datetime, audit: AuditEntry) -> str:
        if incident.model not in by_name:
            raise UsageError(f"incident {incident.id} is of {incident.model!r}, which is not watched any more")
        return accept_shift(store, by_name[incident.model], incident, by=by, at=at, audit=audit, tell=tell)

    return accept


def _references(store: Store, model: Model, incident: Incident, by: str) -> list[Reference]:
    """One for each reference in force that a version which alerted is judged by."""
    if incident.state not in OPEN:
        return []
    until = store.progress(model.name).judged_until or incident.updated_at
    active = {stored.version for stored in store.references(model.name) if stored.active}
    alerting = store.results(model=model.name, since=incident.since, verdicts=[Verdict.ALERT])
    versions = {result.version for result in alerting} - {OTHER_VERSIONS}
    targets = sorted({version if version in active else ANY_VERSION for version in versions if version in active or ANY_VERSION in active})
    if not targets:
        raise UsageError(f"incident {incident.id}: no version that alerted has a reference; build one with `driftd reference build`")
    return [
        references_from_windows(
            store, model, target, incident.since, until, source=Source.ACCEPTED, notes={"incident": incident.id, "by": by},
            known=_known(store, model, target),
        )
        for target in targets
    ]  # fmt: skip


def _known(store: Store, model: Model, version: str) -> PerformancePart | None:
    """What the reference in force says of performance; None where it cannot be read."""
    try:
        reference = store.active_reference(model.name, version)
    except DecodeError:
        return None
    return None if reference is None else reference.performance


def _told(reference: Reference) -> str:
    of = "all versions" if reference.version == ANY_VERSION else f"version {reference.version}"
    begin, end = _span(reference)
    return f"reference {reference.number} of {of} is made of {reference.provenance['windows']} windows from {begin} to {end}"


def _span(reference: Reference) -> tuple[str, str]:
    found = reference.provenance["time_range"]
    first, last = found if isinstance(found, list) else ("", "")
    return str(first), str(last)
