"""``driftd quarantine``: messages that could not be read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.opened import opened
from monitor.cli.output import Format, printable, write
from monitor.errors import UsageError

app = typer.Typer(no_args_is_help=True)
Config = Annotated[Path, typer.Argument(help="The configuration file.")]


@app.command("list")
def list_command(
    config: Config,
    model: Annotated[str | None, typer.Option(help="Only this model.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, max=1_000_000, help="At most so many, the newest.")] = None,
    form: Annotated[Format, typer.Option("--format", help="How to write them.")] = Format.TABLE,
) -> None:
    """List quarantined messages with topic, partition, offset and reason, oldest first."""
    from monitor.contract import quarantine_object

    with opened(config, model) as store:
        write(map(quarantine_object, store.quarantine(model=model, limit=limit)), form,
              columns=["id", "model", "stream", "topic", "partition", "offset", "reason", "detail"],
              empty="nothing is in quarantine")


@app.command("show")
def show_command(config: Config, id: Annotated[int, typer.Argument(help="Its id, from `driftd quarantine list`.")]) -> None:
    """Show one quarantined message with the beginning of its bytes."""
    from monitor.contract import quarantine_object

    with opened(config) as store:
        found = [row for row in store.quarantine() if row.id == id]
    if not found:
        raise UsageError(f"there is no quarantined message {id}: `driftd quarantine list` shows what there is")
    for name, value in quarantine_object(found[0]).items():
        typer.echo(f"{name:10} {value!r}" if name == "sample" else f"{name:10} {printable(str(value))}")
