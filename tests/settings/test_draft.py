"""A configuration written from a guess can be read."""

import json
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.core.rules import Task
from monitor.core.schema import Kind
from monitor.formats.fields import fields_of
from monitor.formats.guess import Guess, guess
from monitor.settings import KafkaSettings, load_settings
from monitor.settings.block import Context
from monitor.settings.draft import MISSING, draft, key, missing, quoted

KAFKA = KafkaSettings.model_validate({"bootstrap_servers": "b1:9092,b2:9093", "api_version": "2.3", "sasl_plain_username": "ann",
                                      "security_protocol": "SASL_SSL", "sasl_mechanism": "PLAIN",
                                      "sasl_plain_password_file": "kafka.password"}, context=Context(Path("/etc/driftd")))
FOUND = Guess(task=Task.REGRESSION, id="event.id", time="ts", prediction="on", features="features",
              columns={"dep delay": Kind.NUMERIC, "off": Kind.CATEGORICAL, "${x}": Kind.BOOLEAN}, left_out={"features.tail": "holds times"})


def test_what_was_guessed_is_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "driftd.yaml"
    path.write_text(draft("flight-delay", KAFKA, "flight.predictions", FOUND, "100 of the 5,000 messages"))
    read = load_settings(path)
    model = read.model("flight-delay")
    [stream] = model.streams
    assert (stream.topic, stream.id, stream.time) == ("flight.predictions", "event.id", "ts")
    assert {column.name: column.kind for column in model.columns} == {
        "dep delay": Kind.NUMERIC, "off": Kind.CATEGORICAL, "${x}": Kind.BOOLEAN, "on": Kind.NUMERIC,
    }
    assert read.kafka.bootstrap_servers == ("b1:9092", "b2:9093")
    assert (read.kafka.api_version, read.kafka.sasl_plain_username, str(read.kafka.sasl_mechanism)) == ((2, 3), "ann", "PLAIN")
    assert "left out, it holds times" in path.read_text()
    assert missing(FOUND) == ()


def test_what_nothing_fits_is_said(tmp_path: Path) -> None:
    nothing = Guess(task=Task.BINARY, label="truth")
    path = tmp_path / "driftd.yaml"
    path.write_text(draft("m", KAFKA, "t", nothing, "1 message"))
    assert load_settings(path).model("m").streams[0].time == MISSING
    assert [line.partition(":")[0] for line in missing(nothing)] == [
        "streams.predictions.time", "streams.predictions.id", "streams.predictions.prediction", "columns",
    ]
    assert "labels: {topic" in path.read_text()


def test_texts_that_yaml_would_read_otherwise_are_quoted() -> None:
    assert [quoted(text) for text in ("flight.predictions", "no", "7", "a: b", "${HOME}", "# x", "é")] == [
        "flight.predictions", '"no"', '"7"', '"a: b"', '"$${HOME}"', '"# x"', '"é"',
    ]
    assert [key(text) for text in ("${HOME}", 'a"b\\c', "a\nb\x7f")] == ['"${HOME}"', r'"a\"b\\c"', r'"a\U0000000ab\U0000007f"']


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="."), min_size=1, max_size=12)
VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(st.dictionaries(NAMES, VALUES | st.dictionaries(NAMES, VALUES, max_size=3), min_size=1, max_size=6),
       st.from_regex(r"[A-Za-z0-9._-]{1,9}", fullmatch=True))
def test_whatever_the_messages_are_called_the_file_can_be_read(tmp_path: Path, row: dict[str, object], topic: str) -> None:
    found = guess(fields_of([json.dumps(row).encode()] * 3))
    path = tmp_path / "driftd.yaml"
    path.write_text(draft("m", KAFKA, topic, found, "3 messages"), encoding="utf-8")
    model = load_settings(path).model("m")
    assert {column.name for column in model.columns} >= set(found.columns)
