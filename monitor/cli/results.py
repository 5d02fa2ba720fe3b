"""``driftd results``: what the checks said."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.opened import opened
from monitor.cli.output import Format, moment, write
from monitor.core.results import Check


def command(
    config: Annotated[Path, typer.Argument(help="The configuration file.")],
    model: Annotated[str | None, typer.Option(help="Only this model.")] = None,
    check: Annotated[Check | None, typer.Option(help="Only this check.")] = None,
    segment: Annotated[str | None, typer.Option(help="Only this segment, e.g. origin=JFK; * for all rows.")] = None,
    since: Annotated[datetime | None, typer.Option(parser=moment, help="Only windows that start then or later, e.g. 2013-01-31.")] = None,
    form: Annotated[Format, typer.Option("--format", help="How to write them.")] = Format.TABLE,
) -> None:
    """List the results of judged windows: every revision, oldest first."""
    from monitor.contract import result_object

    with opened(config, model) as store:
        write(map(result_object, store.results(model=model, check=check, segment=segment, since=since)), form,
              columns=["window_start", "model", "version", "segment", "check", "column", "metric", "value", "threshold", "verdict",
                       "reason"],
              empty="no results match" if any((model, check, segment, since)) else
              "no results yet: a window is judged when event time has passed its end and the allowed lateness")
