"""``driftd check`` and ``driftd check --connect``."""

from __future__ import annotations

import socket
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from monitor.cli.check import command
from monitor.errors import SettingsError
from monitor.storage import open_store
from monitor.storage.migrate import VERSION_TABLE

app = typer.Typer()
app.command()(command)


def asking(folder: Path, drift: str, more: str = "") -> Path:
    path = written(folder, more)
    path.write_text(path.read_text().replace("{false_alarms: 1 per 30d, tests: {method: ks}}", drift))
    return path


def test_what_evidently_lacks_is_told_with_what_it_has(tmp_path: Path) -> None:
    drift = "{tests: [{method: 'evidently:ks'}, {method: 'evidently:gibtsnicht'}]}"
    result = CliRunner().invoke(app, [str(asking(tmp_path, drift))])
    assert result.exit_code == 1
    assert "evidently 0.7." in result.stdout
    assert "evidently:anderson" in result.stdout
    assert result.stderr == "models.m.drift.tests: evidently has no test 'evidently:gibtsnicht'\n"


def test_without_evidently_and_scikit_learn_it_is_said_what_brings_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("evidently", "sklearn"):
        monkeypatch.setitem(sys.modules, package, None)  # as Python itself marks what cannot be imported
    result = CliRunner().invoke(app, [str(asking(tmp_path, "{domain_classifier: true, tests: {method: 'evidently:ks'}}"))])
    assert result.exit_code == 0
    notes = [line.replace("; pip install 'driftd[reports]' brings it", "") for line in result.stdout.splitlines() if "[reports]" in line]
    assert notes == [
        "note: models.m.drift.tests: evidently is not installed; until then its tests are skipped",
        "note: models.m.drift.domain_classifier: sklearn is not installed; until then it is skipped",
    ]
    assert "reference.sample_rows: 0, so a reference built now keeps no rows" in result.stdout


def test_a_worker_that_cannot_tell_is_noted_and_is_no_fault_of_the_file(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [str(asking(tmp_path, "{tests: {method: 'evidently:ks'}}", "reports: {deadline: 1s}\n"))])
    assert result.exit_code == 0
    assert "note: Evidently cannot be asked: no answer within 1 s: the worker was ended; while that is so" in result.stdout


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def written(folder: Path, more: str = "", port: int = 9) -> Path:
    path = folder / "driftd.yaml"
    path.write_text(
        f"store: sqlite:///{folder}/driftd.db\n"
        f"kafka: {{bootstrap_servers: '127.0.0.1:{port}', api_version: '2.3'}}\n"
        "slack: {webhook_url_file: hook.txt}\n"
        "models:\n"
        "  m:\n"
        "    task: binary\n"
        "    window: 1h\n"
        "    drift: {false_alarms: 1 per 30d, tests: {method: ks}}\n"
        "    streams: {predictions: {topic: p, id: i, time: t, prediction: y}}\n"
        "    columns: {x: numeric}\n" + more
    )
    return path


def test_a_good_configuration_is_summed_up_in_a_line_for_each_model_and_its_notes(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [str(written(tmp_path))])
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "m: binary, windows of 1h, 2 columns, topics p",
        "m: at most 1 false alarm per 30d expected (720 windows, all checks, columns and versions together; "
        "explicit drift tests come on top)",
        "note: models.m.drift.false_alarms: not used, as explicit tests replace it",
    ]


def test_retraining_and_columns_of_the_reference_show_in_the_summary(tmp_path: Path) -> None:
    path = written(tmp_path, "    retraining: {webhook: {url: https://c/x, secret: s}, when: {drift: 1}, cooldown: 36h}\n")
    path.write_text(path.read_text().replace("    columns: {x: numeric}\n", ""))
    result = CliRunner().invoke(app, [str(path)])
    assert result.stdout.splitlines()[0] == (
        "m: binary, windows of 1h, columns from the reference, topics p, retraining at most every 1d12h"
    )


@pytest.mark.parametrize(
    ("reference", "compared"),
    [("{rolling: 14d, data: a.csv}", "the windows of the last 14 days"), ("{previous: 1 window, data: a.csv}", "the previous window"),
     ("{seasonal: {lag: 7d}, data: a.csv}", "the windows 7 days before, 4 times back"),
     ("{data: a.csv, canary: {stable: '1.4'}}", "other versions with the same window of 1.4"),
     ("{rolling: 14d, data: a.csv, canary: {stable: '1.4'}}",
      "the windows of the last 14 days and other versions with the same window of 1.4")],
)  # fmt: skip
def test_what_windows_are_compared_with_shows_in_the_summary(tmp_path: Path, reference: str, compared: str) -> None:
    path = written(tmp_path, f"    reference: {reference}\n")
    path.write_text(path.read_text().replace("    segments: [x]\n", "").replace("time: t", "time: t, version: v"))
    result = CliRunner().invoke(app, [str(path)])
    assert result.stdout.splitlines()[0] == f"m: binary, windows of 1h, 2 columns, topics p, compared with {compared}"
    assert ".reference." not in result.stdout


def test_a_grid_that_is_still_to_be_fitted_is_no_missing_reference(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [str(written(tmp_path, "    reference: {rolling: 14d}\n")), "--connect"])
    assert "ok      reference: m: none yet; a grid is fitted to row samples of the first windows" in result.stdout
    assert "note: models.m.reference.rolling: no data gives a grid to count rows on" in result.stdout


def test_problems_reach_the_caller_who_exits_with_2(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [str(written(tmp_path, "    zzz: 1\n"))])
    assert isinstance(result.exception, SettingsError)
    assert result.stdout == ""


def lines(result_text: str) -> dict[str, str]:
    """By what was tried: ok or failed, and what was found."""
    tried = [line.split(maxsplit=2) for line in result_text.splitlines() if line.startswith(("ok ", "failed "))]
    return {what: f"{outcome} {found}" for outcome, what, found in tried}


def test_connect_tries_everything_even_after_a_failure(tmp_path: Path, closed_port: int) -> None:
    result = CliRunner().invoke(app, [str(written(tmp_path, port=closed_port)), "--connect"])
    assert result.exit_code == 1
    found = lines(result.stdout)
    assert list(found) == ["secrets:", "kafka:", "store:", "slack:", "reference:", "windows:"]
    assert found["secrets:"].endswith("hook.txt: No such file or directory")
    assert found["kafka:"].startswith("failed ")
    assert found["store:"].startswith("ok ")
    assert found["slack:"].startswith("ok an incoming webhook cannot be asked")
    assert found["reference:"].startswith("failed m: none is active")


def test_connect_finds_the_secret_and_the_reference_file(tmp_path: Path, closed_port: int) -> None:
    (tmp_path / "hook.txt").write_text("https://hooks.example/x")
    path = written(tmp_path, "    reference: {data: r.csv}\n", closed_port)
    found = lines(CliRunner().invoke(app, [str(path), "--connect"]).stdout)
    assert found["reference:"].startswith(f"failed m: {tmp_path}/r.csv is not there")
    (tmp_path / "r.csv").write_text("x,y\n1,1\n")
    found = lines(CliRunner().invoke(app, [str(path), "--connect"]).stdout)
    assert found["secrets:"] == "ok slack.webhook_url can be read"
    assert found["reference:"] == "ok m: built at the start from r.csv"


def test_connect_tells_slack_apart_from_what_answers_nothing(tmp_path: Path, closed_port: int) -> None:
    path = written(tmp_path, port=closed_port)
    token = f"slack: {{token: xoxb-1, channel: c, api_url: 'http://127.0.0.1:{closed_port}/api/', timeout: 1s}}\n"
    path.write_text(path.read_text().replace("slack: {webhook_url_file: hook.txt}\n", token))
    found = lines(CliRunner().invoke(app, [str(path), "--connect"]).stdout)
    assert found["secrets:"] == "ok slack.token can be read"
    assert found["slack:"].startswith("failed ")
    assert "xoxb" not in str(found)


def test_a_check_makes_no_file_and_says_that_the_start_will(tmp_path: Path, closed_port: int) -> None:
    path = written(tmp_path, port=closed_port)
    before = sorted(tmp_path.iterdir())
    assert CliRunner().invoke(app, [str(path)]).exit_code == 0
    assert sorted(tmp_path.iterdir()) == before
    found = lines(CliRunner().invoke(app, [str(path), "--connect"]).stdout)
    assert found["store:"] == "ok can be used, and is empty: the start makes its tables"
    assert sorted(tmp_path.iterdir()) == before


def test_connect_really_opens_the_store(tmp_path: Path, closed_port: int) -> None:
    path, database = written(tmp_path, port=closed_port), tmp_path / "driftd.db"

    def said() -> str:
        return lines(CliRunner().invoke(app, [str(path), "--connect"]).stdout)["store:"]

    open_store(f"sqlite:///{database}").close()
    assert said() == "ok open, and its tables are those of this version"
    for revision, expected in (("0001", "ok open, with the tables of an older version"), ("9999", "failed ")):
        with closing(sqlite3.connect(database)) as raw, raw:
            raw.execute(f"UPDATE {VERSION_TABLE} SET version_num = '{revision}'")
        assert said().startswith(expected)
    database.write_bytes(b"no database" * 1000)
    assert "damaged or is no SQLite database" in said()


def test_connect_says_that_a_server_is_away_without_its_password(tmp_path: Path, closed_port: int) -> None:
    path = written(tmp_path, port=closed_port)
    text = path.read_text().replace(f"sqlite:///{tmp_path}/driftd.db", f"postgresql+psycopg://ann:hush@127.0.0.1:{closed_port}/driftd")
    path.write_text(text)
    found = lines(CliRunner().invoke(app, [str(path), "--connect"]).stdout)
    assert found["store:"].startswith(f"failed postgresql+psycopg://127.0.0.1:{closed_port}/driftd: ")
    assert "hush" not in str(found)
