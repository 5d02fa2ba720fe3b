"""Lists on a standard output whose encoding lacks characters of what is listed."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from monitor.cli.app import main
from monitor.storage import open_store
from tests.cli.driftd import configuration
from tests.contracts.store_story import TP0, advance, checkpoint, delta, judgement, key, quarantined, result

ODD = "Zürich→☃"
LISTS = (["results"], ["windows"], ["quarantine", "list"], ["incidents", "list"], ["retrainings", "list"])
Call = Callable[..., str]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    store = open_store(f"sqlite:///{tmp_path}/driftd.db")
    store.checkpoint(checkpoint(delta(key(version=ODD), 1.0), advances=(advance(TP0, None, 1),), quarantined=(quarantined(0, detail=ODD),)))
    store.record(judgement(results=(result(column=ODD, p_value=None),)))
    store.close()
    return configuration(tmp_path, "m")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Call:
    """Runs a command to its good end; what it wrote, in that encoding."""

    def call(encoding: str, *words: object) -> str:
        raw = io.BytesIO()
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
            patched.setattr(sys, "argv", ["driftd", *map(str, words)])
            with pytest.raises(SystemExit) as ended:
                main()
            sys.stdout.flush()
            assert ended.value.code == 0
            return raw.getvalue().decode(encoding)

    return call


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1251"])
def test_a_table_has_a_question_mark_where_a_character_is_missing(encoding, told, config):
    shown = ODD.encode(encoding, "replace").decode(encoding)
    for words in (["results"], ["windows"], ["quarantine", "list"]):
        assert shown in told(encoding, *words, config)
    if encoding != "ascii":  # which typer.echo takes for a mistake, and writes UTF-8
        assert shown in told(encoding, "quarantine", "show", config, 1)
    for words in LISTS:
        assert told(encoding, *words, config) or words[0] in ("incidents", "retrainings")


@pytest.mark.parametrize("words", LISTS)
def test_jsonl_says_the_same_in_every_encoding(words, told, config):
    whole = [json.loads(line) for line in told("utf-8", *words, config, "--format", "jsonl").splitlines()]
    for encoding in ("ascii", "latin-1"):
        assert [json.loads(line) for line in told(encoding, *words, config, "--format", "jsonl").splitlines()] == whole


def test_csv_keeps_two_missing_characters_apart(told, config):
    assert next(csv.DictReader(io.StringIO(told("utf-8", "results", config, "--format", "csv"))))["column"] == ODD
    assert next(csv.DictReader(io.StringIO(told("ascii", "results", config, "--format", "csv"))))["column"] == r"Z\xfcrich\u2192\u2603"


def test_documents_are_the_same_in_every_encoding(told):
    assert json.loads(told("ascii", "schema")) == json.loads(told("utf-8", "schema"))


def test_another_handler_of_what_is_missing_stays_in_force(config):
    env = {**os.environ, "PYTHONIOENCODING": "ascii:xmlcharrefreplace"}
    command = [sys.executable, "-m", "monitor", "results", str(config)]
    assert b"Z&#252;rich" in subprocess.run(command, env=env, capture_output=True, check=True).stdout
