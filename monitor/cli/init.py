"""``driftd init``: a configuration to start from."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.errors import UsageError

if TYPE_CHECKING:
    from monitor.settings import KafkaSettings

OPEN = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_STRANGE = re.compile(r"[^A-Za-z0-9_-]+")


def command(
    bootstrap_servers: Annotated[str, typer.Option(metavar="HOST:PORT,…", help="Kafka brokers.")],
    topic: Annotated[str, typer.Option(help="The topic of the predictions.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write it there instead of to stdout; a file that "
                                                "is there is left as it is.")] = None,
    model: Annotated[str | None, typer.Option(help="Name of the model; the topic's, where left out.")] = None,
    messages: Annotated[int, typer.Option(min=1, max=100_000, help="Look at about so many of the last messages.")] = 1000,
    security_protocol: Annotated[str | None, typer.Option(help="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.")] = None,
    sasl_mechanism: Annotated[str | None, typer.Option(help="PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or GSSAPI.")] = None,
    sasl_username: Annotated[str | None, typer.Option(help="User name for SASL.")] = None,
    sasl_password_file: Annotated[Path | None, typer.Option(help="File that holds the password for SASL.")] = None,
    ssl_cafile: Annotated[Path | None, typer.Option(help="Certificates to trust (PEM).")] = None,
    api_version: Annotated[str | None, typer.Option(help="Protocol version to assume, e.g. 2.3.")] = None,
) -> None:
    """Look at a topic and write a configuration to start from.

    Reads the last messages (JSON objects), commits nothing and joins no group. What it guesses is said beside each line.

    driftd init --bootstrap-servers localhost:9092 --topic flight.predictions -o driftd.yaml
    """
    from monitor.formats.fields import fields_of
    from monitor.formats.guess import guess
    from monitor.intake.look import look_at
    from monitor.settings.block import NAME
    from monitor.settings.draft import draft, missing

    _can_be_written(output)
    if model is not None and not NAME.fullmatch(model):
        raise UsageError(f"--model: {model!r} is not a name; expected letters, digits, . _ - (at most 100, the first a letter or digit)")
    kafka = _kafka(bootstrap_servers=bootstrap_servers, security_protocol=security_protocol, sasl_mechanism=sasl_mechanism,
                   sasl_plain_username=sasl_username, sasl_plain_password_file=sasl_password_file, ssl_cafile=ssl_cafile,
                   api_version=api_version)
    sample = look_at(kafka, topic, messages)
    fields = fields_of(sample.values)
    if not fields.leaves:
        raise UsageError(f"topic {topic!r} holds no JSON objects to look at: {len(sample.values)} messages read, {fields.unread} of "
                         "them no JSON object")
    found = guess(fields)
    seen = f"{fields.messages:,} of the {sample.held:,} messages of {topic}"
    _write(draft(model or _name(topic), kafka, topic, found, seen), output)
    say = [f"{fields.unread:,} of {fields.messages:,} messages are no JSON object and would go to quarantine"] if fields.unread else []
    for line in (*say, *missing(found)):
        typer.echo(f"note: {line}", err=True)
    if output is not None:
        typer.echo(f"{output}: {len(found.columns)} columns, {found.task}. Next: look at it, then driftd check {output}", err=True)


def _can_be_written(output: Path | None) -> None:
    """Before anything is read. Raises UsageError."""
    if output is not None and output.exists():
        raise UsageError(f"{output} is there already: remove it, or choose another -o")
    if output is not None and not output.parent.is_dir():
        raise UsageError(f"cannot write {output}: there is no folder {output.parent}")


def _kafka(**given: object) -> KafkaSettings:
    """Raises UsageError naming every option that is wrong."""
    from pydantic import ValidationError

    from monitor.settings import KafkaSettings
    from monitor.settings.block import Context

    try:
        return KafkaSettings.model_validate({key: str(value) for key, value in given.items() if value is not None},
                                            context=Context(Path.cwd()))
    except ValidationError as error:
        wrong = (f"--{str(each['loc'][0]).replace('_', '-')}: {each['msg'].removeprefix('Value error, ')}" for each in error.errors())
        raise UsageError("; ".join(wrong)) from None


def _name(topic: str) -> str:
    """A model's name from its topic's."""
    return _STRANGE.sub("-", re.sub(r"[._-]?predictions?$", "", topic)).strip("-") or "model"


def _write(text: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.write(text)
        return
    try:
        with os.fdopen(os.open(output, OPEN, 0o666), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror}") from None
