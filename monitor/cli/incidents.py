"""``driftd incidents``: ongoing and past problems of models."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli import said as texts
from monitor.cli.opened import opened
from monitor.cli.output import ListFormat, printable, write
from monitor.cli.silences import For, Reason, Until, add, ends_at, now
from monitor.core.audit import AuditEntry, Via
from monitor.core.incidents import Incident, Step, acknowledge, resolve
from monitor.core.schema import rfc3339
from monitor.core.silences import silence_for
from monitor.errors import UsageError

if TYPE_CHECKING:
    from monitor.core.rules import Model
    from monitor.ports import Message, Store
    from monitor.settings import Settings

app = typer.Typer(no_args_is_help=True)
Config = Annotated[Path, typer.Argument(help="The configuration file.")]
Id = Annotated[str, typer.Argument(help="Its id, from `driftd incidents list`.")]
By = Annotated[str | None, typer.Option(parser=texts.name, metavar="NAME", help="Who does it; you, where left out.")]


@app.command("list")
def list_command(
    config: Config,
    model: Annotated[str | None, typer.Option(help="Only this model.")] = None,
    form: Annotated[ListFormat, typer.Option("--format", help="How to write them.")] = ListFormat.TABLE,
) -> None:
    """List incidents, oldest first."""
    from monitor.contract import incident_object

    with opened(config, model) as store:
        write(map(incident_object, store.incidents(model=model)), form,
              columns=["id", "model", "state", "since", "updated_at", "bad_windows", "cause"],
              empty="no incidents: no window was bad so far")


@app.command("show")
def show_command(config: Config, id: Id) -> None:
    """Show one incident with its history."""
    from monitor.contract import incident_object

    with opened(config) as store:
        incident = _found(store, id)
        events = store.incident_events(id)
    for name, value in incident_object(incident).items():
        typer.echo(field_line(name, value))
    typer.echo("history")
    for event in events:
        typer.echo(f"  {rfc3339(event.at)}  {event.before or 'none'} → {event.after}: {event.reason}")
        if event.detail:
            typer.echo(f"    {printable(event.detail)}")


def field_line(name: str, value: object) -> str:
    """One field of an object, as people read it."""
    said = ", ".join(map(str, value)) if isinstance(value, list) else value
    return f"{name:16} {'–' if said in (None, '') else printable(str(said))}"


@app.command("ack")
def ack_command(config: Config, id: Id, by: By = None) -> None:
    """Acknowledge a firing incident: no reminders until it resolves."""
    _change(config, id, by, acknowledge, "acknowledge")


@app.command("silence")
def silence_command(config: Config, id: Id, lasts: For = None, until: Until = None, reason: Reason = "", by: By = None) -> None:
    """Hear no more of an incident for a while, but for its end. If it still stands then, it is told again."""
    at = now()
    ends = ends_at(at, lasts, until)
    with opened(config) as store:
        add(store, silence_for(_found(store, id), until=ends, by=by or getpass.getuser(), at=at, reason=reason))


@app.command("resolve")
def resolve_command(
    config: Config,
    id: Id,
    by: By = None,
    expected: Annotated[bool, typer.Option("--expected", help="It is the new usual: learn it, forget what was before.")] = False,
) -> None:
    """Close an incident; those who were told of it are told. The next bad window opens a new one.

    --expected: a reference that is merged from windows learns it by itself; for others the incident's windows become the reference.
    """
    if expected:
        _accept(config, id, by)
    else:
        _change(config, id, by, resolve, "resolve")


def _accept(config: Path, id: str, by: str | None) -> None:
    """What came with the incident is the new usual: learned by itself where references are merged, else made the reference."""
    from monitor.pipeline.shift import accept_shift
    from monitor.settings import load_settings

    settings = load_settings(config)
    with opened(config) as store:
        incident = _found(store, id)
        if incident.model not in settings.model_names():
            raise UsageError(f"model {incident.model!r} is not in {config}: resolve without --expected")
        who, at = by or getpass.getuser(), now()
        audit = AuditEntry(at=at, by=who, via=Via.CLI, action="expect", model=incident.model, subject=incident.id)
        model = _complete(settings, store, incident.model)
        said = accept_shift(store, model, incident, by=who, at=at, audit=audit, tell=lambda step: _messages(config, store, step))
    typer.echo(f"incident {id} is resolved as expected: {said}")


def _complete(settings: Settings, store: Store, name: str) -> Model:
    """The model with the columns of its newest active reference, where the file leaves them out."""
    from monitor.prepare import kinds_of

    model = settings.model(name)
    active = [stored.number for stored in store.references(name) if stored.active]
    newest = store.reference(name, max(active)) if active and not model.columns else None
    return model if newest is None else settings.model(name, kinds_of(newest.grid))


def _change(config: Path, id: str, by: str | None, change: Callable[..., Step], action: str) -> None:
    """Apply a person's decision. The daemon, if it runs, sends what goes out about it."""
    at, by = now(), by or getpass.getuser()
    with opened(config) as store:
        before = _found(store, id)
        step = change(before, by=by, at=at)
        entry = AuditEntry(at=at, by=by, via=Via.CLI, action=action, model=before.model, subject=id)
        after, (event,) = step.incident, step.events
        if after is None or not store.save_incident(after, event, _messages(config, store, step), entry, seen=before):
            raise UsageError(f"incident {id} has changed meanwhile: look at it again with `driftd incidents show`")
    typer.echo(f"incident {after.id} is {after.state}")


def _messages(config: Path, store: Store, step: Step) -> tuple[Message, ...]:
    """What the daemon would say, to whom it would say it."""
    from monitor.core.routing import audience
    from monitor.notify.outgoing import incident_messages
    from monitor.settings import load_settings

    if step.incident is None or step.notify is None:
        return ()
    settings = load_settings(config)
    told = store.told(step.incident.id)
    people = audience(step.notify.kind, step.incident, settings.routes(), settings.people_receivers(), told)
    return incident_messages(step, None, (), people, page_url=settings.http.public_url)


def _found(store: Store, id: str) -> Incident:
    incident = store.incident(id)
    if incident is None:
        raise UsageError(f"there is no incident {id!r}: `driftd incidents list` shows what there is")
    return incident
