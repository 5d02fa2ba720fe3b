"""`driftd init`: from a topic to a configuration."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

import pytest

from monitor.settings import load_settings
from tests.cli.driftd import Driftd
from tests.flights_run import produce
from tests.kafka_broker import Broker, free_port

pytestmark = pytest.mark.kafka


def filled(kafka: Broker, *messages: bytes, partitions: int = 3) -> str:
    topic = kafka.create_topic(f"flights-{uuid4().hex[:8]}.predictions", partitions)
    produce(kafka.bootstrap, topic, [(str(n), message) for n, message in enumerate(messages)])
    return topic


def flight(n: int) -> bytes:
    features = {"dep_delay": n - 3.5, "carrier": ("UA", "AA")[n % 2]}
    row = {"id": f"UA{n}", "ts": "2013-03-01T10:17:00Z", "v": "7", "prediction": n % 2, "p": 0.25, "features": features}
    return json.dumps(row).encode()


def options(kafka: Broker, topic: str) -> list[str]:
    version = [] if kafka.api_version is None else ["--api-version", str(kafka.api_version)]
    return ["--bootstrap-servers", kafka.bootstrap, "--topic", topic, *version]


def test_a_topic_becomes_a_configuration_that_reads_it(kafka: Broker, tmp_path: Path, driftd: Driftd) -> None:
    topic = filled(kafka, *map(flight, range(120)), b"{")
    path = tmp_path / "driftd.yaml"
    done = driftd("init", *options(kafka, topic), "-o", path)
    assert (done.code, done.out) == (0, ""), done.err
    assert done.err.splitlines()[-2:] == [  # the test's producer may say something of its own before
        "note: 1 of 121 messages are no JSON object and would go to quarantine",
        f"{path}: 2 columns, binary. Next: look at it, then driftd check {path}",
    ]
    [model] = load_settings(path).models()
    assert (model.name, model.streams[0].topic, model.streams[0].id) == (topic.partition(".")[0], topic, "id")
    assert driftd("check", path).code == 0
    again = driftd("init", *options(kafka, topic), "-o", path)
    assert (again.code, again.line) == (1, f"driftd: {path} is there already: remove it, or choose another -o")


def test_only_the_last_messages_are_looked_at_and_the_text_goes_to_stdout(kafka: Broker, driftd: Driftd) -> None:
    topic = filled(kafka, *map(flight, range(60)), partitions=1)
    done = driftd("init", *options(kafka, topic), "--messages", "10", "--model", "delays")
    assert done.code == 0
    assert f"from 10 of the 60 messages of {topic}: a guess" in done.out
    assert "  delays:\n" in done.out


def test_an_absent_topic_names_those_that_are_there(kafka: Broker, driftd: Driftd) -> None:
    topic = filled(kafka, flight(1))
    done = driftd("init", *options(kafka, "nowhere"))
    assert done.code == 1
    said = done.err.splitlines()[-1]  # the test's producer may say something of its own before
    assert said.startswith("driftd: there is no topic 'nowhere'; there are: ")
    assert topic in said


def test_a_topic_without_json_objects_is_no_topic_of_predictions(kafka: Broker, driftd: Driftd) -> None:
    empty, texts = filled(kafka), filled(kafka, b"hello", b"[1, 2]")
    assert "holds no JSON objects to look at: 0 messages read" in driftd("init", *options(kafka, empty)).err
    assert "holds no JSON objects to look at: 2 messages read, 2 of them no JSON object" in driftd("init", *options(kafka, texts)).err


def test_a_broker_that_is_away_and_options_that_are_wrong_are_said(tmp_path: Path, driftd: Driftd) -> None:
    away = driftd("init", "--bootstrap-servers", f"127.0.0.1:{free_port()}", "--topic", "t")
    assert (away.code, away.line[:34]) == (1, "driftd: no Kafka broker answers at")
    wrong = driftd("init", "--bootstrap-servers", "a b", "--topic", "t", "--security-protocol", "TLS")
    assert wrong.code == 1
    assert "--bootstrap-servers: 'a b' is not a server; expected host:port" in wrong.line.replace('"a b"', "'a b'")
    assert "--security-protocol: " in wrong.line
    named = driftd("init", "--bootstrap-servers", "b:1", "--topic", "t", "--model", "a b")
    assert (named.code, named.line.count("is not a name")) == (1, 1)
    unwritable = driftd("init", "--bootstrap-servers", "b:1", "--topic", "t", "-o", tmp_path / "no" / "where.yaml")
    assert (unwritable.code, "there is no folder" in unwritable.line) == (1, True)
