"""``driftd silences``: what people want to hear nothing of for a while."""

from __future__ import annotations

import getpass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli import said
from monitor.cli.opened import opened
from monitor.cli.output import ListFormat, moment, write
from monitor.core.audit import AuditEntry, Via
from monitor.core.conditions import Condition
from monitor.core.results import Check
from monitor.core.silences import ANY_MODEL, Silence, new_silence, silence_audit
from monitor.errors import UsageError

if TYPE_CHECKING:
    from monitor.ports import Store

app = typer.Typer(no_args_is_help=True)
CHECKS = (*Check, *Condition)


def duration(text: str) -> timedelta:
    """A duration given on the command line."""
    from monitor.settings.durations import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


Config = Annotated[Path, typer.Argument(help="The configuration file.")]
By = Annotated[str | None, typer.Option(parser=said.name, metavar="NAME", help="Who does it; you, where left out.")]
For = Annotated[timedelta | None, typer.Option("--for", parser=duration, metavar="DURATION", help="For so long from now, e.g. 1h, 2d.")]
Until = Annotated[datetime | None, typer.Option("--until", parser=moment, metavar="TIME", help="Until then, e.g. 2026-12-24T06:00:00Z.")]
Reason = Annotated[str, typer.Option(parser=said.sentence, metavar="TEXT", help="Why, for others to read.")]


@app.command("list")
def list_command(
    config: Config,
    model: Annotated[str | None, typer.Option(help="Only those that concern this model.")] = None,
    past: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    form: Annotated[ListFormat, typer.Option("--format", help="How to write them.")] = ListFormat.TABLE,
) -> None:
    """List the silences in force, oldest first."""
    from monitor.clock import SystemClock
    from monitor.contract import silence_object

    with opened(config, model) as store:
        found = store.silences(at=None if past else SystemClock().now())
        write([silence_object(each) for each in found if model is None or each.model in (ANY_MODEL, model)], form,
              columns=["id", "model", "check", "column", "incident", "ends_at", "by", "reason"],
              empty="no silences" if past else "no silence is in force")


@app.command("add")
def add_command(
    config: Config,
    model: Annotated[str, typer.Argument(help='The model; "*" for all of them.')],
    check: Annotated[str | None, typer.Option(help="Only this check, e.g. drift.")] = None,
    column: Annotated[str | None, typer.Option(parser=said.sentence, metavar="NAME", help="Only this column.")] = None,
    lasts: For = None,
    until: Until = None,
    reason: Reason = "",
    by: By = None,
) -> None:
    """Tell nobody of what it matches, until it ends. Incidents open and resolve all the same; who was told of one is told of its end.

    A message is held back when everything that it tells of is matched by a silence. What still stands when none matches it any more
    is told then.
    """
    if check is not None and check not in CHECKS:
        raise UsageError(f"no check {check!r}; known are {', '.join(CHECKS)}")
    with opened(config, None if model == ANY_MODEL else model) as store:
        at, by = now(), by or getpass.getuser()
        add(store, new_silence(model=model, check=check, column=column, until=ends_at(at, lasts, until), by=by, at=at, reason=reason))


@app.command("end")
def end_command(config: Config, id: Annotated[str, typer.Argument(help="Its id, from `driftd silences list`.")], by: By = None) -> None:
    """End a silence now."""
    with opened(config) as store:
        found = next((silence for silence in store.silences() if silence.id == id), None)
        if found is None:
            raise UsageError(f"there is no silence {id!r}: `driftd silences list --all` shows what there is")
        at, by = now(), by or getpass.getuser()
        if not store.end_silence(id, by=by, at=at, audit=silence_audit(found, by=by, at=at, via=Via.CLI, action="end silence")):
            raise UsageError(f"silence {id} is over already")
    typer.echo(f"silence {id} is over")


def now() -> datetime:
    """The wall clock."""
    from monitor.clock import SystemClock

    return SystemClock().now()


def ends_at(at: datetime, lasts: timedelta | None, until: datetime | None) -> datetime:
    """When a silence ends that begins at ``at``. Raises UsageError unless it is told in exactly one way."""
    if (lasts is None) == (until is None):
        raise UsageError("expected exactly one of --for and --until, e.g. --for 1h")
    return at + lasts if lasts is not None else until  # type: ignore[return-value]


def add(store: Store, silence: Silence) -> None:
    """Write it, and say so."""
    entry: AuditEntry = silence_audit(silence, by=silence.by, at=silence.starts_at, via=Via.CLI, action="silence")
    if not store.add_silence(silence, entry):
        raise UsageError(f"silence {silence.id} is there already")
    from monitor.core.schema import rfc3339

    typer.echo(f"silence {silence.id} until {rfc3339(silence.ends_at)}")
