"""``driftd run``: the daemon."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer


def command(
    config: Annotated[Path, typer.Argument(help="The configuration file.")],
    until_idle: Annotated[bool, typer.Option("--until-idle", help="Read all that is in the topics, take their end as the end of time "
                                             "(every window closes), evaluate, deliver, and exit.")] = False,
    patience: Annotated[float, typer.Option(min=0, help="With --until-idle: give up when the broker, a topic or the store has been away "
                                            "for so many seconds.")] = 60.0,
) -> None:
    """Run the daemon: read, judge, tell, until SIGTERM. A second signal leaves at once."""
    from monitor.daemon import run
    from monitor.settings import load_settings

    raise typer.Exit(run(load_settings(config), config, until_idle=until_idle, patience=timedelta(seconds=patience)))
