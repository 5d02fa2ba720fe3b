"""``driftd windows``: the account of each window's rows."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.opened import opened
from monitor.cli.output import Format, moment, write


def command(
    config: Annotated[Path, typer.Argument(help="The configuration file.")],
    model: Annotated[str | None, typer.Option(help="Only this model.")] = None,
    segment: Annotated[str | None, typer.Option(help="Only this segment, e.g. origin=JFK; * for all rows.")] = None,
    since: Annotated[datetime | None, typer.Option(parser=moment, help="Only windows that start then or later, e.g. 2013-01-31.")] = None,
    form: Annotated[Format, typer.Option("--format", help="How to write them.")] = Format.TABLE,
) -> None:
    """List windows with where their rows went: received = counted + late + duplicate + quarantined + sampled_out."""
    from monitor.contract import window_object

    with opened(config, model) as store:
        write(
            map(window_object, store.window_accounts(model=model, segment=segment, since=since)),
            form,
            columns=[
                "window_start",
                "model",
                "version",
                "segment",
                "received",
                "counted",
                "late",
                "duplicate",
                "quarantined",
                "sampled_out",
            ],
            empty="no windows match" if any((model, segment, since)) else "no windows yet",
        )
