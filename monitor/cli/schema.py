"""``driftd schema``: the JSON schema of the configuration."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.output import json_text
from monitor.errors import UsageError


def command(
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write it there instead of to stdout.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="A table of every key instead of the JSON schema.")] = False,
) -> None:
    """Write the JSON schema of the configuration, which editors complete and check by."""
    from monitor.settings.schema import reference_text, schema_text

    text = reference_text() if markdown else schema_text()
    if output is None:
        sys.stdout.write(text if markdown else json_text(text))
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror}") from None
