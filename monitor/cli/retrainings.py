"""``driftd retrainings``: requests to retrain."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli import said
from monitor.cli.incidents import field_line
from monitor.cli.opened import opened
from monitor.cli.output import ListFormat, printable, write
from monitor.core.schema import rfc3339
from monitor.errors import UsageError

if TYPE_CHECKING:
    from monitor.core.retraining import Retraining
    from monitor.ports import RetrainingDesk

app = typer.Typer(no_args_is_help=True)
Config = Annotated[Path, typer.Argument(help="The configuration file.")]
Id = Annotated[str, typer.Argument(help="Its id, from `driftd retrainings list`.")]
By = Annotated[str | None, typer.Option(parser=said.name, metavar="NAME", help="Who does it; you, where left out.")]


class Told(StrEnum):
    """What a trainer can say."""

    ACCEPTED = "accepted"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@app.command("list")
def list_command(
    config: Config,
    model: Annotated[str | None, typer.Option(help="Only this model.")] = None,
    form: Annotated[ListFormat, typer.Option("--format", help="How to write them.")] = ListFormat.TABLE,
) -> None:
    """List requests to retrain, oldest first."""
    from monitor.contract import retraining_object

    with opened(config, model) as store:
        write(map(retraining_object, store.retrainings(model=model)), form,
              columns=["id", "model", "version", "state", "requested_at", "reason", "new_version", "helped"],
              empty="no retraining was asked for so far")


@app.command("show")
def show_command(config: Config, id: Id) -> None:
    """Show one request to retrain with its history."""
    from monitor.contract import retraining_object

    with opened(config) as store:
        found = store.retraining(id)
        events = store.retraining_events(id)
    if found is None:
        raise UsageError(f"there is no retraining {id!r}: `driftd retrainings list` shows what there is")
    for name, value in retraining_object(found).items():
        typer.echo(field_line(name, value))
    typer.echo("history")
    for event in events:
        typer.echo(f"  {rfc3339(event.at)}  {event.before or 'none'} → {event.after}" + (f" by {printable(event.by)}" if event.by else ""))
        if event.detail:
            typer.echo(f"    {printable(event.detail)}")


@app.command("approve")
def approve_command(config: Config, id: Id, by: By = None) -> None:
    """Let a proposed request go out. The daemon, if it runs, sends it."""
    from monitor.core.audit import Via

    _change(config, lambda desk: desk.approve(id, by=_who(by), via=Via.CLI))


@app.command("cancel")
def cancel_command(config: Config, id: Id, by: By = None) -> None:
    """Take a request back. A trainer that is at it is not told."""
    from monitor.core.audit import Via

    _change(config, lambda desk: desk.cancel(id, by=_who(by), via=Via.CLI))


@app.command("request")
def request_command(
    config: Config,
    model: Annotated[str, typer.Argument(help="The model to retrain.")],
    reason: Annotated[str, typer.Option(parser=said.sentence, metavar="TEXT", help="Why.")] = "",
    by: By = None,
) -> None:
    """Ask for retraining now, whatever the policy says; not while an earlier request has not ended."""
    from monitor.core.audit import Via

    _change(config, lambda desk: desk.request(model, by=_who(by), via=Via.CLI, reason=reason))


@app.command("status")
def status_command(
    config: Config,
    id: Id,
    state: Annotated[Told, typer.Argument(help="How it goes.")],
    version: Annotated[
        str | None, typer.Option(parser=said.version, metavar="NAME", help="The version that was trained; needed with succeeded.")
    ] = None,
    detail: Annotated[str, typer.Option(parser=said.sentence, metavar="TEXT", help="A sentence for people.")] = "",
    run_url: Annotated[str | None, typer.Option("--run-url", parser=said.address, metavar="URL", help="Where the run can be seen.")] = None,
    by: By = None,
) -> None:
    """Say how a retraining goes, in the place of a trainer that cannot."""
    from monitor.core.retraining import Report, RetrainingState

    report = Report(state=RetrainingState(state), version=version, detail=detail, run_url=run_url)
    _change(config, lambda desk: desk.report(id, report, by=_who(by)))


def _who(by: str | None) -> str:
    return by or getpass.getuser()


def _change(config: Path, wish: Callable[[RetrainingDesk], Retraining]) -> None:
    with _desk(config) as desk:
        after = wish(desk)
    typer.echo(f"retraining {after.id} is {after.state}")


@contextmanager
def _desk(config: Path) -> Iterator[RetrainingDesk]:
    from monitor.clock import SystemClock
    from monitor.pipeline.desk import Desk
    from monitor.pipeline.telling import Telling, routes_of
    from monitor.settings import load_settings

    settings = load_settings(config)
    with opened(config) as store:
        telling = Telling(routes_of(settings, settings.http.public_url), told=store.told, incident=store.incident)
        yield Desk(store=store, models=settings.models(), telling=telling, clock=SystemClock())
