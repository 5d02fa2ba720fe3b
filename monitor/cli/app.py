"""The command line: the table of commands, and what the exit codes mean."""

from __future__ import annotations

import sys
from typing import Annotated, NoReturn

import typer

from monitor import __version__
from monitor.cli import check, demo, healthcheck, incidents, quarantine, reference, results, retrainings, run, schema, windows
from monitor.errors import DriftdError, SettingsError

EXIT_FAILED, EXIT_USAGE = 1, 2

app = typer.Typer(
    name="driftd",
    help="Watches models in production: reads prediction logs from Kafka, judges every window against a reference, tells people "
    "in Slack and asks for retraining.\n\nStart with `driftd demo`, then `driftd check CONFIG` and `driftd run CONFIG`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.command("demo")(demo.command)
app.command("check")(check.command)
app.command("run")(run.command)
app.command("results")(results.command)
app.command("windows")(windows.command)
app.command("schema")(schema.command)
app.command("healthcheck")(healthcheck.command)
app.add_typer(reference.app, name="reference", help="Reference profiles: what windows are compared with.")
app.add_typer(incidents.app, name="incidents", help="Ongoing and past problems of models.")
app.add_typer(retrainings.app, name="retrainings", help="Requests to retrain.")
app.add_typer(quarantine.app, name="quarantine", help="Messages that could not be read.")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"driftd {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Options of every command."""


def main() -> NoReturn:
    """Run a command. Exit codes: 0 done, 1 failed, 2 usage or settings error; errors on stderr, one a line."""
    try:
        app()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(EXIT_USAGE)
    except DriftdError as error:
        sys.stderr.write(f"driftd: {error}\n")
        sys.exit(EXIT_FAILED)
    except BrokenPipeError:  # the reader of our output went away: `driftd results … | head`
        sys.stderr.close()
        sys.exit(EXIT_FAILED)
    sys.exit(0)
