"""The command line: the table of commands, and what the exit codes mean."""

from __future__ import annotations

import os
import sys
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from monitor import __version__
from monitor.cli import (
    check,
    demo,
    drill,
    healthcheck,
    incidents,
    init,
    quarantine,
    reference,
    replay,
    report,
    results,
    retrainings,
    run,
    schema,
    silences,
    streams,
    windows,
)
from monitor.errors import DriftdError, SettingsError

EXIT_FAILED, EXIT_USAGE = 1, 2

app = typer.Typer(
    name="driftd",
    help="Watches models in production: reads prediction logs from Kafka, judges every window against a reference, tells people "
    "in Slack and asks for retraining.\n\nStart with `driftd demo`, then `driftd init`, `driftd check CONFIG` and `driftd run CONFIG`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.command("demo")(demo.command)
app.command("init")(init.command)
app.command("check")(check.command)
app.command("run")(run.command)
app.command("results")(results.command)
app.command("windows")(windows.command)
app.command("replay")(replay.command)
app.command("drill")(drill.command)
app.command("report")(report.command)
app.command("schema")(schema.command)
app.command("healthcheck")(healthcheck.command)
app.add_typer(reference.app, name="reference", help="Reference profiles: what windows are compared with.")
app.add_typer(incidents.app, name="incidents", help="Ongoing and past problems of models.")
app.add_typer(silences.app, name="silences", help="What people want to hear nothing of for a while.")
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
    streams.settle()
    try:
        code = app(prog_name="driftd", standalone_mode=False)
        sys.stdout.flush()
    except SettingsError as error:
        _fail(str(error), EXIT_USAGE)
    except DriftdError as error:
        _fail(f"driftd: {' '.join(str(error).split())}", EXIT_FAILED)
    except TyperException as error:
        _fail(_usage(error), EXIT_USAGE)
    except typer.Abort:
        _fail("driftd: aborted", EXIT_FAILED)
    except BrokenPipeError:  # the reader of our output went away: `driftd results … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes at its end
        sys.exit(EXIT_FAILED)
    except OSError as error:  # a full disk under the output
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _fail(f"driftd: {error.strerror or error}", EXIT_FAILED)
    sys.exit(code or 0)


def _fail(text: str, code: int) -> NoReturn:
    sys.stderr.write(f"{text}\n" if text else "")
    sys.exit(code)


def _usage(error: TyperException) -> str:
    """What was wrong with the command line, in one line; nothing where the help page has already been shown."""
    message, context = error.format_message(), getattr(error, "ctx", None)
    command = "driftd" if context is None else context.command_path
    return f"{command}: {message} (try `{command} --help`)" if message else ""
