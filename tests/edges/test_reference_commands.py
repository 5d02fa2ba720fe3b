"""``driftd reference``: the commands on a real SQLite store."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from monitor.cli.reference import app
from monitor.core.reference import Reference
from monitor.core.results import Account, WindowKey
from monitor.errors import UsageError
from monitor.ports import Checkpoint, WindowDelta
from monitor.storage import open_store

CONFIG = """
store: sqlite:///{folder}/driftd.db
kafka: {{bootstrap_servers: "localhost:9092"}}
models:
  flights:
    task: binary
    window: 1d
    streams:
      predictions: {{topic: p, format: json, time: ts, prediction: late}}
    columns:
      delay: numeric
      carrier: categorical
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "driftd.yaml"
    path.write_text(CONFIG.format(folder=tmp_path))
    return path


def rows(folder: Path, name: str, days: int = 3, add: float = 0.0) -> Path:
    path = folder / name
    times = [(day, hour) for day in range(1, days + 1) for hour in range(24)]
    lines = [f"2013-01-{day:02}T{hour:02}:00:00Z,{hour + add},{'AA' if hour % 2 else 'UA'},true" for day, hour in times]
    path.write_text("ts,delay,carrier,late\n" + "\n".join(lines) + "\n")
    return path


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def listed(config: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in run("list", config, "--format", "jsonl").stdout.splitlines()]


def test_a_built_reference_is_listed_and_active(config: Path, tmp_path: Path) -> None:
    told = run("build", config, "flights", "--data", rows(tmp_path, "a.csv"))
    assert told.stdout.startswith("built: flights version * reference 1, 72 rows, 3 columns, hash ")
    (line,) = listed(config)
    assert (line["model"], line["version"], line["number"], line["active"], line["rows"]) == ("flights", "*", 1, True, 72)
    table = run("list", config, "--model", "flights").stdout
    assert "active" in table
    assert str(line["hash"])[:12] in table
    assert str(line["hash"]) not in table


def test_the_same_file_again_is_the_same_reference(config: Path, tmp_path: Path) -> None:
    data = rows(tmp_path, "a.csv")
    for _ in range(2):
        run("build", config, "flights", "--data", data)
    assert [line["number"] for line in listed(config)] == [1]


def test_a_later_reference_keeps_the_grid_and_does_not_have_to_be_active(config: Path, tmp_path: Path) -> None:
    run("build", config, "flights", "--data", rows(tmp_path, "a.csv"))
    run("build", config, "flights", "--data", rows(tmp_path, "b.csv", add=0.5), "--no-activate")
    assert [line["active"] for line in listed(config)] == [True, False]
    one, two = (Reference.from_json(run("export", config, "flights", number).stdout) for number in (1, 2))
    assert one.grid == two.grid
    assert run("activate", config, "flights", 2).stdout.startswith("active: flights version * reference 2")
    assert [line["active"] for line in listed(config)] == [False, True]


def test_an_exported_reference_can_be_imported_elsewhere(config: Path, tmp_path: Path) -> None:
    run("build", config, "flights", "--data", rows(tmp_path, "a.csv"), "--version", "v1", "--time-column", "ts")
    run("export", config, "flights", 1, "-o", tmp_path / "r.json")
    elsewhere = tmp_path / "else"
    elsewhere.mkdir()
    other = elsewhere / "driftd.yaml"
    other.write_text(CONFIG.format(folder=elsewhere))
    told = run("import", other, tmp_path / "r.json", "--activate")
    assert told.stdout.startswith("imported: flights version v1 reference 1, 72 rows")
    assert listed(other)[0]["hash"] == listed(config)[0]["hash"]
    assert run("export", other, "flights", 1).stdout == (tmp_path / "r.json").read_text()


def test_show_tells_of_the_origin_and_of_every_column(config: Path, tmp_path: Path) -> None:
    run("build", config, "flights", "--data", rows(tmp_path, "a.csv"))
    shown = run("show", config, "flights", 1).stdout
    assert "baseline: 3 windows of 1d\n" in shown
    assert "file: a.csv" in shown
    assert "time_range: ['2013-01-01T00:00:00Z', '2013-01-03T23:00:00Z']" in shown
    delay = next(line.split() for line in shown.splitlines() if line.startswith("delay"))
    assert delay == ["delay", "72", "0", "0", "11.5", "6.971", "0", "23", "–", "–"]


def test_diff_names_what_changed(config: Path, tmp_path: Path) -> None:
    run("build", config, "flights", "--data", rows(tmp_path, "a.csv"))
    run("build", config, "flights", "--data", rows(tmp_path, "b.csv", add=1.0))
    assert "delay: mean 11.5 → 12.5, min 0 → 1, max 23 → 24\n" in run("diff", config, "flights", 1, 2).stdout
    assert run("diff", config, "flights", 1, 1).stdout == "no difference\n"


def test_what_is_not_there_is_named(config: Path, tmp_path: Path) -> None:
    data = rows(tmp_path, "a.csv")
    with pytest.raises(UsageError, match=r"no model 'fligths' in .*driftd.yaml; known are \['flights'\]"):
        run("build", config, "fligths", "--data", data)
    run("build", config, "flights", "--data", data)
    with pytest.raises(UsageError, match=r"no reference 7 of model 'flights'; known are \[1\]"):
        run("show", config, "flights", 7)
    with pytest.raises(UsageError, match="known are"):
        run("activate", config, "flights", 7)
    with pytest.raises(UsageError, match=r"none.json: cannot be read"):
        run("import", config, tmp_path / "none.json")
    (tmp_path / "broken.json").write_text("{}")
    with pytest.raises(UsageError, match=r"broken.json: cannot be read: reference.format: expected a whole number"):
        run("import", config, tmp_path / "broken.json")
    with pytest.raises(UsageError, match="cannot be written: No such file"):
        run("export", config, "flights", 1, "-o", tmp_path / "no" / "r.json")


WITHOUT_COLUMNS = CONFIG[: CONFIG.index("    columns:")]


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    path = tmp_path / "bare.yaml"
    path.write_text(WITHOUT_COLUMNS.format(folder=tmp_path))
    return path


def test_columns_that_are_left_out_are_read_from_the_file(bare: Path, config: Path, tmp_path: Path) -> None:
    data = rows(tmp_path, "a.csv")
    told = run("build", bare, "flights", "--data", data)
    assert told.stdout.startswith("built: flights version * reference 1, 72 rows, 3 columns, hash ")
    assert told.stderr == "note: it covers 2d23h: two weeks teach what hours and weekdays do\n"
    named = run("build", config, "flights", "--data", data)
    assert named.stdout == told.stdout  # the same reference as with the columns named, so no second one


def test_a_column_that_is_left_out_is_named_on_standard_error(bare: Path, tmp_path: Path) -> None:
    data = rows(tmp_path, "a.csv")
    lines = data.read_text().splitlines()
    ends = ["landed,day,taxi", *(f"2013-01-01T{at % 24:02}:30:00Z,{1357000000 + at}," for at in range(len(lines) - 1))]
    data.write_text("".join(f"{line},{end}\n" for line, end in zip(lines, ends, strict=True)))
    told = run("build", bare, "flights", "--data", data, "--time-column", "day")
    assert told.stdout.startswith("built: flights version * reference 1, 72 rows, 3 columns, hash ")  # day is the time
    assert told.stderr.splitlines() == [
        "note: column 'landed' is left out: it holds times; list all columns in columns: to watch it",
        "note: column 'taxi' is left out: it holds no values; list all columns in columns: to watch it",
        "note: 0 whole windows of 1d in it: limits are learned from 3 on, until then chance alone is the limit",
    ]


def test_a_reference_that_teaches_little_says_so(config: Path, tmp_path: Path) -> None:
    data = rows(tmp_path, "a.csv")
    header, *lines = data.read_text().splitlines()
    bare = tmp_path / "b.csv"
    at = header.split(",").index("ts")
    bare.write_text("\n".join(",".join(cell for n, cell in enumerate(line.split(",")) if n != at) for line in (header, *lines)))
    told = run("build", config, "flights", "--data", bare)
    assert told.stderr.startswith("note: no event time in it, so it teaches neither limits nor how many rows are usual; --time-column")
    assert run("build", config, "flights", "--data", rows(tmp_path, "b.csv", days=1)).stderr == (
        "note: 0 whole windows of 1d in it: limits are learned from 3 on, until then chance alone is the limit\n"
    )
    assert run("build", config, "flights", "--data", rows(tmp_path, "c.csv", days=14)).stderr == ""


def test_a_file_without_anything_to_watch_is_refused(tmp_path: Path) -> None:
    bare = tmp_path / "bare.yaml"
    bare.write_text(WITHOUT_COLUMNS.format(folder=tmp_path).replace(", prediction: late", ""))
    data = tmp_path / "a.csv"
    data.write_text("ts\n2013-01-01\n")
    with pytest.raises(UsageError, match=r"a.csv: model 'flights' has no column to watch in it: name them in columns:; it has \['ts'\]"):
        run("build", bare, "flights", "--data", data)


def test_the_commands_are_a_typer_app() -> None:
    names = {command.name for command in app.registered_commands}
    assert isinstance(app, typer.Typer)
    assert names == {"build", "list", "show", "activate", "export", "import", "diff"}


# --- merged from windows -------------------------------------------------------------------------------------


def test_the_list_says_what_each_reference_is_made_of(config: Path, tmp_path: Path) -> None:
    run("build", config, "flights", "--data", rows(tmp_path, "a.csv"))
    assert [line["kind"] for line in listed(config)] == ["file"]
    assert " file " in run("list", config).stdout


def test_what_a_window_is_judged_by_is_merged_again_and_shown(config: Path, tmp_path: Path) -> None:
    config.write_text(config.read_text().replace("    columns:", "    min_rows: 1\n    reference: {rolling: 4d}\n    columns:"))
    run("build", config, "flights", "--data", rows(tmp_path, "a.csv"))
    with closing(open_store(f"sqlite:///{tmp_path}/driftd.db")) as store:
        reference = store.active_reference("flights", "*")
        assert reference is not None
        for day in range(1, 6):
            start = datetime(2013, 2, day, tzinfo=UTC)
            for version, profile in (("1", reference.profile), ("2", None)):
                key = WindowKey(model="flights", version=version, start=start, end=start + timedelta(days=1))
                account = Account(counted=profile.rows) if profile else Account(late=1)
                store.checkpoint(Checkpoint(at=start, windows=(WindowDelta(key=key, account=account, profile=profile),)))
    told = run("show", config, "flights", "--window", "2013-02-05T17:00:00Z").stdout
    assert told.startswith("flights version 1 rolling reference: 288 rows, hash ")
    assert "baseline: 4 windows of 1d\n" in told
    assert "time_range: ['2013-02-01T00:00:00Z', '2013-02-05T00:00:00Z']" in told
    assert run("show", config, "flights", "--window", "2013-02-05", "--version", "2").stdout.startswith("flights version * rolling")
    assert run("show", config, "flights", "--window", "2013-02-03").stdout.startswith("flights version * file reference: 72 rows")


def test_show_wants_a_number_or_a_window_that_is_judged_by_something(config: Path, tmp_path: Path) -> None:
    for arguments in ((), (1, "--window", "2013-02-05")):
        with pytest.raises(UsageError, match="expected the number of a reference, or --window TIME"):
            run("show", config, "flights", *arguments)
    with pytest.raises(UsageError, match=r"no window of 'flights' starts at 2013-02-05T00:00:00Z with version '9'"):
        run("show", config, "flights", "--window", "2013-02-05", "--version", "9")
    with closing(open_store(f"sqlite:///{tmp_path}/driftd.db")) as store:
        start = datetime(2013, 2, 5, tzinfo=UTC)
        store.add_empty_window(WindowKey(model="flights", version="1", start=start, end=start + timedelta(days=1)))
    with pytest.raises(UsageError, match="is judged by nothing: there is no reference for its version"):
        run("show", config, "flights", "--window", "2013-02-05")
    config.write_text(config.read_text().replace("    columns:", "    reference: {rolling: 4d}\n    columns:"))
    with pytest.raises(UsageError, match="is judged by nothing: no grid yet"):
        run("show", config, "flights", "--window", "2013-02-05")
