"""The kinds of columns that nobody named, from csv, jsonl and parquet."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitor.core.schema import Kind
from monitor.errors import UsageError
from monitor.references import Inferred, infer, infer_kinds
from monitor.settings import load_settings

SIZE = 3000
KINDS = {
    "delay": Kind.NUMERIC, "hour": Kind.NUMERIC, "carrier": Kind.CATEGORICAL, "night": Kind.BOOLEAN, "flag": Kind.NUMERIC,
    "sparse": Kind.BOOLEAN,
}  # fmt: skip


def frame() -> pd.DataFrame:
    at = np.arange(SIZE)
    return pd.DataFrame(
        {
            "delay": np.where(at % 10 == 0, np.nan, at * 0.5),
            "hour": at % 24,
            "carrier": [("AA", "DL", None)[n % 3] for n in at],
            "night": at % 2 == 0,
            "flag": at % 2,
            "sparse": [(True, None, False)[n % 3] for n in at],
            "flight_id": [f"f{n}" for n in at],
            "landed": pd.Timestamp("2013-01-01", tz="UTC") + pd.to_timedelta(at, unit="min"),
            "nothing": [None] * SIZE,
        }
    )


def to_csv(rows: pd.DataFrame, folder: Path) -> Path:
    rows.to_csv(folder / "r.csv", index=False)
    return folder / "r.csv"


def to_parquet(rows: pd.DataFrame, folder: Path) -> Path:
    rows.to_parquet(folder / "r.parquet")
    return folder / "r.parquet"


def to_jsonl(rows: pd.DataFrame, folder: Path) -> Path:
    rows.to_json(folder / "r.jsonl", orient="records", lines=True, date_format="iso")
    return folder / "r.jsonl"


Writer = Callable[[pd.DataFrame, Path], Path]
WRITERS = [to_csv, to_jsonl, to_parquet]
every_format = pytest.mark.parametrize("write", WRITERS)


def of_csv(folder: Path, header: str, *cells: str) -> Inferred:
    path = folder / "r.csv"
    path.write_text("\n".join([header, *cells]) + "\n", encoding="utf-8")
    return infer_kinds(path, ())


def of_json(folder: Path, *values: object) -> Inferred:
    path = folder / "r.jsonl"
    path.write_text("".join(json.dumps({"x": value, "rest": 1}) + "\n" for value in values))
    return infer_kinds(path, {"rest"})


def of_arrow(folder: Path, columns: Mapping[str, pa.Array]) -> Inferred:
    pq.write_table(pa.table(dict(columns)), folder / "r.parquet")
    return infer_kinds(folder / "r.parquet", ())


def kind(inferred: Inferred) -> Kind | None:
    return inferred.kinds.get("x")


@every_format
def test_every_format_tells_the_same_kinds(write: Writer, tmp_path: Path) -> None:
    inferred = infer_kinds(write(frame(), tmp_path), ())
    assert dict(inferred.kinds) == KINDS
    assert list(inferred.kinds) == list(KINDS)  # in the order of the file


@every_format
def test_what_is_left_out_is_named_with_the_reason(write: Writer, tmp_path: Path) -> None:
    ids, times, nothing = infer_kinds(write(frame(), tmp_path), ()).notes
    assert ids == (
        "column 'flight_id' is left out: 3,000 of 3,000 sampled values are distinct, as those of ids are; "
        "list all columns in columns: to watch it"
    )
    assert times.startswith("column 'landed' is left out: it")
    assert "time" in times
    assert nothing == "column 'nothing' is left out: it holds no values; list all columns in columns: to watch it"


@every_format
def test_columns_with_a_part_of_their_own_are_left_out_in_silence(write: Writer, tmp_path: Path) -> None:
    inferred = infer_kinds(write(frame(), tmp_path), {"flight_id", "landed", "nothing", "hour", "not there"})
    assert set(inferred.kinds) == set(KINDS) - {"hour"}
    assert inferred.notes == ()


@every_format
def test_pieces_do_not_show(write: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(infer, "SAMPLE_ROWS", 1500)
    path = write(frame(), tmp_path)
    whole = infer_kinds(path, ())
    assert "1,500 of 1,500 sampled values" in whole.notes[0]
    monkeypatch.setattr("monitor.references.files.CHUNK_ROWS", 77)
    assert infer_kinds(path, ()) == whole


@every_format
def test_progress_goes_on_to_its_end(write: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.references.files.CHUNK_ROWS", 500)
    seen: list[tuple[int, int | None]] = []
    infer_kinds(write(frame(), tmp_path), (), progress=lambda done, total: seen.append((done, total)))
    assert len(seen) == 6
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["true", "False", " TRUE ", "", " "], Kind.BOOLEAN),
        (["1", "0", "1"], Kind.NUMERIC),
        (["1.5", "-2e3", "", "NaN", "inf"], Kind.NUMERIC),
        (["007", "12"], Kind.NUMERIC),
        (["a", "", "b"], Kind.CATEGORICAL),
        (["true", "false", "maybe"], Kind.CATEGORICAL),
        (["true", "1"], Kind.CATEGORICAL),
        (["2013-01-01", "soon"], Kind.CATEGORICAL),
        (["1234-567", "2013-99-99"], Kind.CATEGORICAL),
        (["2013-01-01T00:00:00Z", "", "2013-01-02 01:00:00+02:00", "2013-01-03"], None),
        (["", " ", ""], None),
    ],
)
def test_cells_of_a_csv_file(cells: list[str], expected: Kind | None, tmp_path: Path) -> None:
    assert kind(of_csv(tmp_path, "x,y", *(f'"{cell}",' for cell in cells))) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([True, False, None], Kind.BOOLEAN),
        ([1, 2.5, None, float("nan")], Kind.NUMERIC),
        (["1", "2"], Kind.CATEGORICAL),  # a text in a message is no number, whatever it spells
        (["20130101", "20130102"], Kind.CATEGORICAL),
        (["a", {"b": 1}], Kind.CATEGORICAL),
        ([True, 1], Kind.CATEGORICAL),
        (["true", "false", "perhaps"], Kind.CATEGORICAL),
        (["2013-01-01T00:00:00Z", None], None),
        ([{"a": 1}, None], None),
        ([[1], [2]], None),
        ([None], None),
    ],
)
def test_values_of_json_lines(values: list[object], expected: Kind | None, tmp_path: Path) -> None:
    assert kind(of_json(tmp_path, *values)) == expected


def test_texts_that_spell_booleans_are_left_out_as_their_reference_would_read_as_booleans(tmp_path: Path) -> None:
    inferred = of_json(tmp_path, "true", "false", True)
    assert inferred.kinds == {}
    (note,) = inferred.notes
    assert note == (
        'column \'x\' is left out: it holds the texts "true" and "false", which are no booleans; '
        "list all columns in columns:, this one as categorical"
    )


def test_types_of_a_parquet_file_are_believed(tmp_path: Path) -> None:
    day = datetime(2013, 1, 1, tzinfo=UTC)
    inferred = of_arrow(tmp_path, {
        "flags": pa.array([None, None], pa.bool_()), "whole": pa.array([1, None], pa.int8()), "float": pa.array([None, None], pa.float32()),
        "money": pa.array([Decimal("1.5"), None]), "codes": pa.array(["a", "a"]).dictionary_encode(),
        "large": pa.array(["a", None], pa.large_string()),
        "stamps": pa.array([day, None]), "days": pa.array([date(2013, 1, 1), None]), "clock": pa.array([time(1), None]),
        "took": pa.array([timedelta(1), None]), "lists": pa.array([[1], None]), "objects": pa.array([{"a": 1}, None]),
        "bytes": pa.array([b"a", None]),
        "texts of times": pa.array(["2013-01-01", None]), "empty": pa.nulls(2), "no texts": pa.array([None, None], pa.string()),
    })  # fmt: skip
    assert dict(inferred.kinds) == {
        "flags": Kind.BOOLEAN, "whole": Kind.NUMERIC, "float": Kind.NUMERIC, "money": Kind.NUMERIC, "codes": Kind.CATEGORICAL,
        "large": Kind.CATEGORICAL,
    }  # fmt: skip
    named = [note.split("'")[1] for note in inferred.notes]
    assert named == ["stamps", "days", "clock", "took", "lists", "objects", "bytes", "texts of times", "empty", "no texts"]
    assert "neither boolean, number nor text" in inferred.notes[0]


def test_a_parquet_file_of_typed_columns_alone_needs_no_reading(tmp_path: Path) -> None:
    seen: list[int] = []
    pq.write_table(pa.table({"x": [1.0]}), tmp_path / "r.parquet")
    inferred = infer_kinds(tmp_path / "r.parquet", (), progress=lambda done, _total: seen.append(done))
    assert (dict(inferred.kinds), seen) == ({"x": Kind.NUMERIC}, [])


@pytest.mark.parametrize(
    ("rows", "distinct", "expected"),
    [(1000, 1000, Kind.CATEGORICAL), (1001, 1001, None), (2000, 1000, Kind.CATEGORICAL), (2000, 1001, None)],
)
def test_texts_are_ids_where_most_of_enough_rows_are_distinct(rows: int, distinct: int, expected: Kind | None, tmp_path: Path) -> None:
    cells = (f"c{n % distinct},1" for n in range(rows))
    assert kind(of_csv(tmp_path, "x,y", *cells)) == expected


def test_the_sample_is_of_the_whole_file_and_not_of_its_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(infer, "SAMPLE_ROWS", 1200)
    cells = [f"{'same' if n < 1500 else f'c{n}'},1" for n in range(15_000)]
    (note,) = of_csv(tmp_path, "x,y", *cells).notes
    distinct = int(note.split(":")[1].split()[0].replace(",", ""))
    assert distinct == pytest.approx(1200 * 0.9 + 1, abs=50)  # nine tenths of the rows are ids: 5 standard deviations
    monkeypatch.setattr("monitor.references.files.CHUNK_ROWS", 700)
    assert of_csv(tmp_path, "x,y", *cells).notes == (note,)  # the very same rows


def test_numbers_with_a_few_texts_are_told(tmp_path: Path) -> None:
    inferred = of_csv(tmp_path, "x,y", *(f"{n % 7},1" for n in range(2000)), "n/a,1")
    assert kind(inferred) == Kind.CATEGORICAL
    assert inferred.notes == (
        "column 'x' is taken as categorical: 1 of 2,001 values are no numbers; list all columns in columns: to make it numeric",
    )
    many = of_csv(tmp_path, "x,y", *(f"{n}.5,1" for n in range(2000)), "n/a,1")
    assert kind(many) is None
    assert many.notes == (
        "column 'x' is left out: 1 of 2,001 values are no numbers, and 2,001 of 2,001 sampled values are distinct, as those of ids are; "
        "list all columns in columns: to watch it",
    )


def test_columns_that_no_message_can_name_are_left_out(tmp_path: Path) -> None:
    rows = pd.DataFrame({"x": [1, 2, 3, 4]})[lambda each: each.x != 3]
    rows.to_csv(tmp_path / "r.csv")
    written = infer_kinds(tmp_path / "r.csv", ())
    assert (dict(written.kinds), written.notes) == ({"x": Kind.NUMERIC}, ("column '' is left out: it has no name",))
    parquet = infer_kinds(to_parquet(rows, tmp_path), ())
    assert dict(parquet.kinds) == {"x": Kind.NUMERIC}
    (note,) = parquet.notes
    assert note.startswith("column '__index_level_0__' is left out: row numbers of a data frame; ")
    (note,) = of_csv(tmp_path, "n" * 201 + ",x", "1,1").notes
    assert note.endswith("its name is longer than 200 characters")


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        infer_kinds(tmp_path / "r.csv", ())
    with pytest.raises(UsageError, match=r"r.csv:3: expected 2 fields, found 1"):
        of_csv(tmp_path, "x,y", "1,2", "1")
    pq.write_table(pa.table([pa.array([1]), pa.array([2])], names=["x", "x"]), tmp_path / "r.parquet")
    with pytest.raises(UsageError, match=r"r.parquet: columns named twice: \['x'\]"):
        infer_kinds(tmp_path / "r.parquet", ())


MAPPED = """
store: sqlite:///driftd.db
kafka: {bootstrap_servers: "localhost:9092"}
models:
  flights:
    task: multiclass
    window: 1d
    streams:
      predictions: {topic: p, id: meta.pid, time: meta.ts, version: version, prediction: out.class, score: out.probabilities}
      features: {topic: f, id: fid, time: meta.seen, version: trained}
      labels: {topic: l, id: lid, time: known, label: truth.class_in_fact}
"""


def test_what_the_streams_map_is_no_feature(tmp_path: Path) -> None:
    (tmp_path / "driftd.yaml").write_text(MAPPED)
    assert load_settings(tmp_path / "driftd.yaml").mapped_names("flights") == {
        "meta.pid", "pid", "meta.ts", "ts", "version", "out.class", "class", "out.probabilities", "probabilities", "fid", "meta.seen",
        "seen", "trained", "lid", "known", "truth.class_in_fact", "class_in_fact",
    }  # fmt: skip
