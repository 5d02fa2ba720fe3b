"""``driftd incidents silence`` and ``driftd silences``: made, listed, ended, refused; and what the audit says."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitor.core.incidents import IncidentState
from monitor.storage import open_store
from tests.cli.driftd import configuration
from tests.contracts.store_story import event, incident, judgement

HOUR = timedelta(hours=1)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """One firing incident of model m, and a resolved one of n."""
    firing, resolved = IncidentState.FIRING, IncidentState.RESOLVED
    with closing(open_store(f"sqlite:///{tmp_path}/driftd.db")) as store:
        store.record(judgement(incident=incident(), events=(event(None, firing),)))
        over = incident(resolved, id="inc_2", model="n")
        store.record(replace(judgement(incident=over, events=(event(None, resolved, id="inc_2"),)), model="n"))
    return configuration(tmp_path, "m", "n")


def rows(driftd, config, *words):
    done = driftd("silences", "list", config, *words, "--format", "jsonl")
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


def audit(config: Path) -> list[tuple[str, str, str, str]]:
    with closing(open_store(f"sqlite:///{config.parent}/driftd.db")) as store:
        return [(str(entry.via), entry.by, entry.action, entry.subject) for entry in store.audit()]


def test_an_incident_is_silenced_for_a_while(driftd, config):
    done = driftd("incidents", "silence", config, "inc_1", "--for", "1h30m", "--reason", "we know", "--by", "eve")
    assert done.code == 0, done.err
    [row] = rows(driftd, config)
    assert done.out == f"silence {row['id']} until {row['ends_at']}\n"
    assert (row["model"], row["incident"], row["check"], row["by"], row["reason"]) == ("m", "inc_1", None, "eve", "we know")
    starts, ends = (datetime.fromisoformat(row[key]) for key in ("starts_at", "ends_at"))
    assert ends - starts == 1.5 * HOUR
    assert abs(starts - datetime.now(UTC)) < HOUR / 60
    assert audit(config) == [("cli", "eve", "silence", "inc_1")]


def test_a_column_of_a_model_is_silenced_until_a_time_and_the_silence_ended(driftd, config):
    until = (datetime.now(UTC) + HOUR).replace(microsecond=0)
    done = driftd("silences", "add", config, "m", "--check", "drift", "--column", "delay", "--until", until.isoformat(), "--by", "eve")
    assert done.code == 0, done.err
    [row] = rows(driftd, config, "--model", "m")
    assert (row["check"], row["column"], datetime.fromisoformat(row["ends_at"])) == ("drift", "delay", until)
    assert rows(driftd, config, "--model", "n") == []
    assert row["id"] in driftd("silences", "list", config).out
    assert driftd("silences", "end", config, row["id"], "--by", "bob").out == f"silence {row['id']} is over\n"
    assert rows(driftd, config) == []
    assert driftd("silences", "list", config).err == "no silence is in force\n"
    assert [each["ended_by"] for each in rows(driftd, config, "--all")] == ["bob"]
    again = driftd("silences", "end", config, row["id"])
    assert (again.code, again.err) == (1, f"driftd: silence {row['id']} is over already\n")
    assert audit(config) == [("cli", "eve", "silence", row["id"]), ("cli", "bob", "end silence", row["id"])]


def test_all_models_are_silenced_by_a_star(driftd, config):
    assert driftd("silences", "add", config, "*", "--for", "1h").code == 0
    assert [row["model"] for row in rows(driftd, config, "--model", "n")] == ["*"]


@pytest.mark.parametrize(("words", "message"), [
    (["silences", "add", "m"], "expected exactly one of --for and --until, e.g. --for 1h"),
    (["silences", "add", "m", "--for", "1h", "--until", "2999-01-01"], "expected exactly one of --for and --until, e.g. --for 1h"),
    (["silences", "add", "m", "--until", "2013-01-01"], "a silence until 2013-01-01T00:00:00Z is over already"),
    (["silences", "add", "m", "--until", "2999-01-01"], "is too long; expected at most 366 days"),
    (["silences", "add", "o", "--for", "1h"], "no model 'o' in"),
    (["silences", "add", "m", "--for", "1h", "--check", "drfit"], "no check 'drfit'; known are drift, quality, performance, volume"),
    (["silences", "end", "sil_9"], "there is no silence 'sil_9': `driftd silences list --all` shows what there is"),
    (["incidents", "silence", "inc_9", "--for", "1h"], "there is no incident 'inc_9'"),
    (["incidents", "silence", "inc_2", "--for", "1h"], "incident inc_2 is resolved: there is nothing to silence"),
    (["incidents", "silence", "inc_1"], "expected exactly one of --for and --until"),
])  # fmt: skip
def test_what_cannot_be_silenced_is_refused_with_the_reason(driftd, config, words, message):
    done = driftd(*words[:2], config, *words[2:])
    assert done.code == 1
    assert message in done.err
    assert (rows(driftd, config, "--all"), audit(config)) == ([], [])


def test_a_duration_that_is_none_is_a_usage_error(driftd, config):
    done = driftd("silences", "add", config, "m", "--for", "soon")
    assert done.code == 2
    assert "soon" in done.err
    assert "e.g. 30s" in done.err


def test_who_acknowledged_and_who_resolved_stands_in_the_audit(driftd, config):
    assert driftd("incidents", "ack", config, "inc_1", "--by", "eve").code == 0
    assert driftd("incidents", "ack", config, "inc_1", "--by", "bob").code == 1
    assert driftd("incidents", "resolve", config, "inc_1", "--by", "eve").code == 0
    assert audit(config) == [("cli", "eve", "acknowledge", "inc_1"), ("cli", "eve", "resolve", "inc_1")]
