"""A configuration to start from, written from a guess: every doubt as a comment beside the line."""

from __future__ import annotations

import re
from collections.abc import Iterator

from monitor.formats.guess import Guess
from monitor.settings.kafka import KafkaSettings

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
MISSING = "FILL_ME_IN"
"""Stands where nothing fits: a place that no message has, so that a forgotten one quarantines all and says so."""
SHOWN_LEFT_OUT = 20


def draft(name: str, kafka: KafkaSettings, topic: str, found: Guess, looked_at: str) -> str:
    """The text of a configuration for one model. ``looked_at``: on what the guess rests, in words."""
    return "\n".join(_lines(name, kafka, topic, found, looked_at)) + "\n"


def missing(found: Guess) -> tuple[str, ...]:
    """What a person has to fill in, and what works only with more."""
    return tuple(said for said, there in (
        (f"streams.predictions.time: no field looks like a time; fill in where it is (the file says {MISSING})", found.time),
        ("streams.predictions.id: no field looks like an id; without one doubles are counted, and labels cannot be joined", found.id),
        ("streams.predictions.prediction: no field is named like a prediction; without one its drift is not watched", found.prediction),
        ("columns: no field looks like a feature", found.columns),
    ) if not there)


def _lines(name: str, kafka: KafkaSettings, topic: str, found: Guess, looked_at: str) -> Iterator[str]:
    yield f"# Written by `driftd init`, from {looked_at}: a guess. Look at every line, then `driftd check`."
    yield "# Every key is explained in config/example.yaml; editors complete by `driftd schema`."
    yield "store: sqlite:///driftd.db                  # or postgresql+psycopg://user@host/database"
    yield f"kafka: {{bootstrap_servers: {quoted(','.join(kafka.bootstrap_servers))}{_kafka(kafka)}}}"
    yield '# slack: {token_file: slack.token, channel: "#ml-alerts"}'
    yield "models:"
    yield f"  {key(name)}:"
    yield f"    task: {found.task}                            # binary, multiclass or regression"
    yield "    window: 1d                              # what is judged at a time: enough rows for a verdict, soon enough to act"
    yield "    allowed_lateness: 1h"
    yield "    streams:"
    yield "      predictions:"
    yield f"        topic: {quoted(topic)}"
    for role in ("id", "time", "version", "prediction", "score", "features"):
        yield from _mapped(role, getattr(found, role))
    if found.label:
        yield f"      # The messages carry {found.label!r}: if it is what came true, send it again when it is known, to a topic of its own:"
        yield f"      # labels: {{topic: …, id: {quoted(found.id or MISSING)}, time: …, label: {quoted(found.label)}}}"
    yield "    columns:"
    for column, kind in found.columns.items():
        yield f"      {key(column)}: {kind}"
    for place, why in list(found.left_out.items())[:SHOWN_LEFT_OUT]:
        yield f"      # {quoted(place)}: left out, it {why}" if why.startswith("holds") else f"      # {quoted(place)}: left out: {why}"
    if not found.columns:
        yield f"      {MISSING}: numeric"
    yield "    drift: {false_alarms: 1 per 30d}"


def _mapped(role: str, place: str | None) -> Iterator[str]:
    if place is not None:
        yield f"        {role}: {quoted(place)}"
    elif role == "time":
        yield f"        {role}: {MISSING}"
    elif role in ("id", "version", "prediction"):
        yield f"        # {role}: no field looks like one"


def _kafka(kafka: KafkaSettings) -> str:
    """What was told on the command line besides, but for secrets: of those the file."""
    said = {
        "security_protocol": str(kafka.security_protocol) if "security_protocol" in kafka.model_fields_set else None,
        "sasl_mechanism": None if kafka.sasl_mechanism is None else str(kafka.sasl_mechanism),
        "sasl_plain_username": kafka.sasl_plain_username,
        "sasl_plain_password_file": None if kafka.sasl_plain_password_file is None else str(kafka.sasl_plain_password_file),
        "ssl_cafile": None if kafka.ssl_cafile is None else str(kafka.ssl_cafile),
        "api_version": None if kafka.api_version is None else ".".join(map(str, kafka.api_version)),
    }
    return "".join(f", {name}: {quoted(value)}" for name, value in said.items() if value is not None)


def quoted(text: str) -> str:
    """A value as YAML; what would be read as a variable is not."""
    return key(text.replace("${", "$${"))


def key(text: str) -> str:
    """A text as YAML: plain where that is safe, else in quotes. In keys there are no variables."""
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    return text if plain else '"' + "".join(map(_escaped, text)) + '"'


def _escaped(letter: str) -> str:
    if letter in '"\\':
        return "\\" + letter
    return letter if letter.isprintable() else f"\\U{ord(letter):08x}"
