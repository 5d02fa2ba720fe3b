"""``driftd run``: the daemon."""

from __future__ import annotations

import os
import signal
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
    _listen_early(1 if until_idle else 0)
    from monitor.daemon import run
    from monitor.settings import load_settings

    raise typer.Exit(run(load_settings(config), config, until_idle=until_idle, patience=timedelta(seconds=patience)))


def _listen_early(code: int) -> None:
    """A signal while libraries load ends it at once with this code: there is nothing to close yet. The daemon listens itself, later.

    SIGHUP asks for the configuration to be read, which is about to be.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(code))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
