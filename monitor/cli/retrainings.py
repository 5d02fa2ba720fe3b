"""``driftd retrainings``: requests to retrain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.incidents import field_line
from monitor.cli.opened import opened
from monitor.cli.output import ListFormat, write
from monitor.errors import UsageError

app = typer.Typer(no_args_is_help=True)
Config = Annotated[Path, typer.Argument(help="The configuration file.")]


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
              columns=["id", "model", "version", "state", "requested_at", "reason", "columns"],
              empty="no retraining was asked for so far")


@app.command("show")
def show_command(config: Config, id: Annotated[str, typer.Argument(help="Its id, from `driftd retrainings list`.")]) -> None:
    """Show one request to retrain."""
    from monitor.contract import retraining_object

    with opened(config) as store:
        found = next((retraining for retraining in store.retrainings() if retraining.id == id), None)
    if found is None:
        raise UsageError(f"there is no retraining {id!r}: `driftd retrainings list` shows what there is")
    for name, value in retraining_object(found).items():
        typer.echo(field_line(name, value))
