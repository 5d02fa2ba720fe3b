"""Bad messages through a real broker: the stream goes on, and every message is accounted for."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from confluent_kafka import Producer

from monitor.core.profile import NumericProfile
from monitor.core.results import Result
from monitor.ports import StoredWindow, StreamCount
from monitor.storage import open_store
from tests.daemon.running import MODEL, START, a_run, adds_up, daemon, encoded, new_topic, row
from tests.flights_run import Run, produce

pytestmark = pytest.mark.kafka
HOUR = 3600
GOOD = 400


def changed(number: int, **features: object) -> bytes:
    whole = row(number)
    return json.dumps({**whole, "features": {**whole["features"], **features}}).encode()


def without(number: int, *names: str) -> bytes:
    return json.dumps({name: value for name, value in row(number).items() if name not in names}).encode()


UNREADABLE: list[tuple[bytes | None, str]] = [
    (b'{"prediction_id": "x", "ts": ', "not_json"),
    (b"\xff\xfe\x00{}", "not_utf8"),
    (b'{"prediction_id": "\xc3\x28"}', "not_utf8"),
    (b"[1, 2, 3]", "not_an_object"),
    (b"null", "not_an_object"),
    (b"[" * 100_000, "not_json"),
    (b"", "empty"),
    (None, "empty"),
    (b'{"pad": "' + b"x" * 5_000_000 + b'"}', "too_large"),
    (without(1, "ts"), "missing_time"),
    (json.dumps(row(2, ts=None)).encode(), "missing_time"),
    (json.dumps(row(3, ts="yesterday")).encode(), "bad_time"),
    (json.dumps(row(4, ts=[2013])).encode(), "bad_time"),
    (json.dumps(row(5, ts="2999-01-01T00:00:00Z")).encode(), "future_time"),
    (json.dumps(row(6, ts=START.timestamp() * 1e10)).encode(), "future_time"),  # taken for nanoseconds: the year 2400
    (json.dumps(row(6, ts=START.timestamp() * 1e12)).encode(), "bad_time"),
    (json.dumps(row(7, ts=15_000)).encode(), "ancient_time"),  # days since 1970 are no unit of ours
]
NAMELESS: list[bytes] = [
    without(8, "prediction_id"),
    json.dumps(row(9, prediction_id="")).encode(),
    json.dumps(row(10, prediction_id=[1])).encode(),
]
ODD: list[tuple[bytes, str]] = [
    (changed(1000, dep_delay="late"), "wrong_type"),
    (changed(1001, dep_delay=[1]), "wrong_type"),
    (changed(1002, dep_delay=True), "wrong_type"),
    (changed(1003, dep_delay=float("nan")), "nan"),
    (changed(1004, dep_delay=float("inf")), "pos_inf"),
    (changed(1005, dep_delay=float("-inf")), "neg_inf"),
    (changed(1006, dep_delay=10**400), "pos_inf"),
    (changed(1007, dep_delay=None), "null"),
    (json.dumps(row(1008, features=None)).encode(), "null"),
    (json.dumps(row(1009, features="none")).encode(), "null"),
]


@pytest.mark.fault(19)
@pytest.mark.fault(19, 24, 30)
def test_bad_messages_are_counted_and_the_stream_goes_on(kafka, tmp_path):
    topic = new_topic(kafka, **({"max.message.bytes": "10000000"} if kafka.real else {}))
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "message.max.bytes": 10_000_000})
    bad = [value for value, _ in UNREADABLE] + NAMELESS + [value for value, _ in ODD]
    good = [value for _, value in encoded(row(n) for n in range(2000, 2000 + GOOD))]
    again = good[:7]
    newer = [value for _, value in encoded(row(HOUR + n) for n in range(20))]
    late = [value for _, value in encoded(row(3000 + n) for n in range(5))]
    for value in [*bad, *good, *again, *newer, *late]:
        producer.produce(topic, value, key="k", partition=0)
    assert producer.flush(60) == 0
    total = len(bad) + len(good) + len(again) + len(newer) + len(late)

    run = a_run(tmp_path, kafka.bootstrap, topic, api_version=kafka.api_version)
    run.driftd("run", str(run.config), "--until-idle")

    first, second = run.rows("windows", str(run.config))
    assert first == first | {"counted": len(ODD) + GOOD, "duplicate": 7, "late": 5, "quarantined": first["quarantined"], "sampled_out": 0}
    assert second == second | {"received": 20, "counted": 20}
    assert adds_up(first)
    store = open_store(run.store)
    try:
        [stream] = store.stream_counts()
        [window] = store.windows(MODEL, START)
        assert window.profile is not None
        delay = window.profile.columns["dep_delay"]
    finally:
        store.close()
    assert adds_up(stream)
    assert stream.received == total
    assert stream.quarantined == len(UNREADABLE) + len(NAMELESS)
    assert stream.untimed == len(UNREADABLE)
    assert first["received"] + second["received"] + stream.untimed == total
    assert isinstance(delay, NumericProfile)
    assert Counter(kind for _, kind in ODD) == {
        name: getattr(delay, name) for name in ("wrong_type", "nan", "pos_inf", "neg_inf", "null")
    }

    kept = run.rows("quarantine", "list", str(run.config))
    assert [(each["offset"], each["reason"]) for each in kept] == [
        *((at, reason) for at, (_, reason) in enumerate(UNREADABLE)),
        *((len(UNREADABLE) + at, "missing_id") for at in range(len(NAMELESS))),
    ]
    assert max(len(each["sample"]) for each in kept) <= 500


@pytest.mark.fault(21)
def test_messages_of_five_megabytes_are_read_where_they_are_allowed(kafka, tmp_path):
    topic = new_topic(kafka, **({"max.message.bytes": "10000000"} if kafka.real else {}))
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "message.max.bytes": 10_000_000})
    for number in range(6):
        producer.produce(topic, json.dumps(row(number, pad="x" * 5_000_000)).encode(), partition=0)
    assert producer.flush(60) == 0
    stream = {"topic": topic, "format": "json", "id": "prediction_id", "time": "ts", "features": "features", "max_bytes": 6_000_000}
    run = a_run(tmp_path, kafka.bootstrap, topic, api_version=kafka.api_version, model={"streams": {"predictions": stream}})
    run.driftd("run", str(run.config), "--until-idle")
    [window] = run.rows("windows", str(run.config))
    assert (window["counted"], window["quarantined"]) == (6, 0)


def test_a_second_run_reads_nothing_twice_and_goes_on_with_what_came_meanwhile(kafka, tmp_path):
    topic = new_topic(kafka)
    run = a_run(tmp_path, kafka.bootstrap, topic, api_version=kafka.api_version)
    produce(kafka.bootstrap, topic, encoded(row(n) for n in range(100)))
    run.driftd("run", str(run.config), "--until-idle")
    once = books(run)
    assert [window.account.counted for window in once.windows] == [100]
    assert once.results
    run.driftd("run", str(run.config), "--until-idle")
    assert books(run) == once
    produce(kafka.bootstrap, topic, encoded([row(n) for n in range(100, 130)] + [row(HOUR + n) for n in range(20)]))
    run.driftd("run", str(run.config), "--until-idle")
    after = books(run)
    first, second = (window.account for window in after.windows)
    assert (first.counted, first.late, second.counted) == (100, 30, 20)  # the first run had closed the first window
    assert all(map(adds_up, [first, second, *after.streams]))
    assert [stream.received for stream in after.streams] == [150]


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What a store holds after a run."""

    windows: Sequence[StoredWindow]
    results: Sequence[Result]
    streams: Sequence[StreamCount]


def books(run: Run) -> Books:
    store = open_store(run.store)
    try:
        return Books(windows=store.window_accounts(), results=store.results(), streams=store.stream_counts())
    finally:
        store.close()


def test_a_version_without_reference_is_skipped_and_says_which_versions_have_one(kafka, tmp_path):
    topic = new_topic(kafka)
    produce(kafka.bootstrap, topic, encoded(row(n, model_version="7") for n in range(100)))
    reference = tmp_path / "reference.jsonl"
    reference.write_text("".join(json.dumps({**row(n), **row(n)["features"]}) + "\n" for n in range(-HOUR, 0)))
    run = a_run(tmp_path, kafka.bootstrap, topic, api_version=kafka.api_version,
                model={"reference": {"data": "reference.jsonl", "version": "1"}})
    run.driftd("run", str(run.config), "--until-idle")
    results = run.rows("results", str(run.config), "--check", "drift")
    assert [(r["version"], r["verdict"]) for r in results] == [("7", "skipped")]
    assert results[0]["reason"] == "no reference for version '7' of flight-delay; versions with one: 1"


def test_what_is_configured_but_not_read_is_noted_in_the_log(kafka, tmp_path):
    run = a_run(tmp_path, kafka.bootstrap, new_topic(kafka), api_version=kafka.api_version)
    labels = {"topic": "labels", "format": "json", "id": "prediction_id", "time": "ts", "label": "arrived_late"}
    model = json.loads(run.config.read_text())["models"][MODEL]
    run = a_run(tmp_path, kafka.bootstrap, run.topic, api_version=kafka.api_version,
                model={"streams": {**model["streams"], "labels": labels}})
    with daemon(run) as d:
        said = [line["event"] for line in d.log("daemon.started")]
        assert f"models.{MODEL}.streams.labels: not read without performance, which says what is made of them" in said
