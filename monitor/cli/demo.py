"""``driftd demo``: everything embedded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port of the page on this machine.")] = 8765,
    until_done: Annotated[bool, typer.Option("--until-done", help="Exit by itself, with a summary, when the story is told.")] = False,
    folder: Annotated[Path | None, typer.Option("--dir", help="Where the files go; left out: a temporary folder.")] = None,
    rate: Annotated[float, typer.Option(min=0, help="Days of the flights' time per second; 0 is as fast as it goes.")] = 1.0,
    only_produce: Annotated[bool, typer.Option("--produce-only", help="Only send the flights, to --bootstrap-servers.")] = False,
    bootstrap_servers: Annotated[str | None, typer.Option(help="A Kafka of your own, for --produce-only.")] = None,
) -> None:
    """Real flights through an embedded broker to a page, a Slack message and a retraining webhook. Needs no account and no Docker."""
    from monitor.demo.producer import Pace
    from monitor.demo.run import Options, produce_only, run_demo

    pace = Pace(days_per_second=rate or None)
    if only_produce:
        if bootstrap_servers is None:
            raise typer.BadParameter("--produce-only sends to a Kafka of your own: name it with --bootstrap-servers host:port")
        raise typer.Exit(produce_only(bootstrap_servers, folder, pace))
    if bootstrap_servers is not None:
        raise typer.BadParameter("--bootstrap-servers goes with --produce-only; without it the demo brings its own broker")
    raise typer.Exit(run_demo(Options(port=port, until_done=until_done, folder=folder, pace=pace)))
