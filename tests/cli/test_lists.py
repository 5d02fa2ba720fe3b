"""Lists of a store that holds something: tables for people, jsonl and csv for scripts, and the filters."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.core.results import Check, Verdict
from monitor.storage import open_store
from tests.cli.driftd import configuration
from tests.contracts.store_story import TP0, advance, checkpoint, delta, judgement, key, quarantined, result

EVIL = '=HYPERLINK("http://evil","ok")'
ESCAPE = "\x1b[2J\x1b]0;owned\x07"
ACCOUNT = ["received", "counted", "late", "duplicate", "quarantined", "sampled_out"]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Three hours of model m, one of model n; one column with an evil name, one that would clear the terminal."""
    store = open_store(f"sqlite:///{tmp_path}/driftd.db")
    other = key(0, model="n")
    store.checkpoint(checkpoint(
        delta(key(0), 1.0, 2.0, late=3), delta(key(1), 1.0, duplicate=2), delta(key(2), quarantined=4), delta(other, 5.0),
        advances=(advance(TP0, None, 20),),
        quarantined=(quarantined(0), quarantined(1, detail=EVIL), quarantined(2, detail=ESCAPE), quarantined(3, model="n")),
    ))
    for name in ("m", "n"):
        store.seal(name, key(2).end, None)
    store.record(judgement(0, results=(result(0, EVIL), result(0, ESCAPE, verdict=Verdict.OK), result(0, None, check=Check.VOLUME))))
    store.record(judgement(1, results=(result(1, value=None, p_value=0.5, reason="ten\nlines"),)))
    store.record(replace(judgement(0), model="n", results=(result(0, model="n"),)))
    store.close()
    return configuration(tmp_path, "m", "n")


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("command", [["results"], ["windows"], ["quarantine", "list"]])
def test_the_three_formats_hold_the_same_rows(command, driftd, config):
    table, jsonl, written = (driftd(*command, config, "--format", form) for form in ("table", "jsonl", "csv"))
    assert {done.code for done in (table, jsonl, written)} == {0}
    rows = lines(jsonl.out)
    cells = list(csv.DictReader(io.StringIO(written.out)))
    assert len(rows) == len(cells) == len(table.out.splitlines()) - 1 > 3
    assert list(rows[0]) == list(cells[0])
    for row, cell in zip(rows, cells, strict=True):
        assert {name: "" if value is None else str(value) for name, value in row.items()} == {
            name: text.removeprefix("'") for name, text in cell.items()
        }
    assert driftd(*command, config).out == table.out


def test_a_cell_that_a_spreadsheet_would_run_is_defused(driftd, config):
    written = driftd("results", config, "--format", "csv").out
    columns = [row["column"] for row in csv.DictReader(io.StringIO(written))]
    assert "'" + EVIL in columns
    assert not [c for c in columns if c.startswith("=")]
    assert "'" + EVIL in [row["detail"] for row in csv.DictReader(io.StringIO(driftd("quarantine", "list", config, "--format", "csv").out))]
    assert EVIL in [row["column"] for row in lines(driftd("results", config, "--format", "jsonl").out)]


def test_a_table_moves_no_cursor_and_keeps_a_line_a_row(driftd, config):
    for words in (["results"], ["quarantine", "list"], ["quarantine", "show", config, 3]):
        out = driftd(*words, *([] if config in words else [config])).out
        assert "\x1b" not in out
        assert "\x07" not in out
        assert "\N{REPLACEMENT CHARACTER}[2J" in out
    assert "ten\N{REPLACEMENT CHARACTER}lines" in driftd("results", config).out


def test_the_windows_account_for_their_rows(driftd, config):
    rows = lines(driftd("windows", config, "--model", "m", "--format", "jsonl").out)
    assert [[row[name] for name in ACCOUNT] for row in rows] == [[5, 2, 3, 0, 0, 0], [3, 1, 0, 2, 0, 0], [4, 0, 0, 0, 4, 0]]
    assert [(row["window_start"], row["window_end"]) for row in rows[:2]] == [
        ("2013-03-01T00:00:00Z", "2013-03-01T01:00:00Z"),
        ("2013-03-01T01:00:00Z", "2013-03-01T02:00:00Z"),
    ]


def test_filters_leave_out_what_was_not_asked_for(driftd, config):
    def models(*words: object) -> list[object]:
        return [row["model"] for row in lines(driftd(*words, "--format", "jsonl").out)]

    assert models("results", config) == ["m", "m", "m", "n", "m"]
    assert models("results", config, "--model", "n") == ["n"]
    assert models("results", config, "--check", "volume") == ["m"]
    assert models("results", config, "--check", "performance") == []
    assert models("results", config, "--since", "2013-03-01T01:00:00Z") == ["m"]
    assert models("results", config, "--since", "2013-03-01T02:00:00+01:00") == ["m"]
    assert models("results", config, "--since", "2013-03-02") == []
    assert models("windows", config, "--since", "2013-03-01T01:00:00Z") == ["m", "m"]
    assert models("quarantine", "list", config, "--model", "m") == ["m"] * 3
    assert models("quarantine", "list", config, "--limit", "1") == ["n"]


def test_a_list_without_rows_says_why_on_stderr_alone(driftd, tmp_path):
    config = configuration(tmp_path)
    for words, why in (
        (["results"], "no results yet: a window is judged when event time has passed its end and the allowed lateness"),
        (["windows"], "no windows yet"),
        (["quarantine", "list"], "nothing is in quarantine"),
    ):
        done = driftd(*words, config)
        assert (done.code, done.out, done.line) == (0, "", why)
        for form in ("jsonl", "csv"):
            done = driftd(*words, config, "--format", form)
            assert (done.code, done.out, done.err) == (0, "", "")


def test_one_quarantined_message_is_shown_whole(driftd, config):
    done = driftd("quarantine", "show", config, 1)
    shown = dict(line.split(maxsplit=1) for line in done.out.splitlines())
    assert shown["topic"] == "flights"
    assert (shown["reason"], shown["detail"]) == ("not_json", "no JSON")
    assert shown["sample"] == repr("\x00{")
    missing = driftd("quarantine", "show", config, 99)
    assert (missing.code, missing.line) == (
        1, "driftd: there is no quarantined message 99: `driftd quarantine list` shows what there is",
    )  # fmt: skip


@pytest.mark.parametrize("command", ["results", "windows"])
def test_a_segment_is_chosen_by_its_name(command, driftd, tmp_path):
    store = open_store(f"sqlite:///{tmp_path}/driftd.db")
    places = ("*", "origin=JFK", "origin=LGA")
    store.checkpoint(checkpoint(*(delta(key(0, segment=segment), 1.0) for segment in places)))
    store.record(judgement(0, results=tuple(result(segment=segment) for segment in places)))
    store.close()
    config = configuration(tmp_path, "m")
    assert [row["segment"] for row in lines(driftd(command, config, "--format", "jsonl").out)] == list(places)
    for segment in places:
        assert [row["segment"] for row in lines(driftd(command, config, "--segment", segment, "--format", "jsonl").out)] == [segment]
    assert "origin=JFK" in driftd(command, config).out


@pytest.fixture
def performing(tmp_path: Path) -> Path:
    """A model with an estimate that labels have proved wrong, and a column that drifts."""
    store = open_store(f"sqlite:///{tmp_path}/driftd.db")
    store.checkpoint(checkpoint(delta(key(0), 1.0)))
    store.seal("m", key(0).end, None)
    guess = result(0, None, check=Check.PERFORMANCE, metric="accuracy", value=0.802, threshold=0.81, ci_low=0.785, ci_high=0.819,
                   labelled=0, estimated=True, rows=2000)  # fmt: skip
    known = replace(guess, value=0.84, ci_low=0.82, ci_high=0.86, labelled=1260, estimated=False, revision=1, verdict=Verdict.OK)
    silent = replace(guess, metric="f1", value=None, verdict=Verdict.INSUFFICIENT, reason="no labels yet", estimated=None)
    store.record(judgement(0, results=(result(0, "delay"), result(0, "late", verdict=Verdict.WARN), guess, known, silent)))
    store.close()
    return configuration(tmp_path, "m")


def test_the_table_shows_the_interval_of_performance_and_what_it_rests_on(driftd, performing):
    table = driftd("results", performing).out
    assert "0.80 [0.79, 0.82], estimated" in table
    assert "0.84 [0.82, 0.86], 63 % labelled" in table
    assert "revision" in table.splitlines()[0]
    assert "revision" not in driftd("results", performing, "--check", "drift").out.splitlines()[0]
    row = lines(driftd("results", performing, "--check", "performance", "--format", "jsonl").out)[1]
    assert (row["value"], row["ci_low"], row["labelled"], row["estimated"], row["revision"]) == (0.84, 0.82, 1260, False, 1)


def test_results_are_chosen_by_verdict_and_column_and_by_their_last_revision(driftd, performing):
    def found(*words: object) -> list[tuple[object, object]]:
        out = driftd("results", performing, *words, "--format", "jsonl").out
        return [(row["column"] or row["metric"], row["revision"]) for row in lines(out)]

    assert found() == [("delay", 0), ("late", 0), ("accuracy", 0), ("accuracy", 1), ("f1", 0)]
    assert found("--verdict", "alert") == [("delay", 0), ("accuracy", 0)]
    assert found("--verdict", "alert", "--latest") == [("delay", 0)], "the estimate's alert was taken back"
    assert found("--verdict", "warn", "--verdict", "insufficient") == [("late", 0), ("f1", 0)]
    assert found("--latest") == [("delay", 0), ("late", 0), ("accuracy", 1), ("f1", 0)]
    assert found("--column", "late") == [("late", 0)]
    assert found("--column", "nothing") == []
    assert driftd("results", performing, "--column", "nothing").line == "no results match"
    assert driftd("results", performing, "--verdict", "good").code == 2


def test_the_help_of_results_teaches_revisions(driftd):
    said = " ".join(driftd("results", "--help").out.replace("│", " ").split())
    for words in ("first estimated (revision 0), then realised as labels come", "driftd results CONFIG --latest --verdict alert"):
        assert words in said
