"""``driftd reference``: build, list, show, activate, export, import and compare references."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.opened import opened
from monitor.cli.output import ListFormat, json_text, moment, write
from monitor.cli.progress import bar
from monitor.core.reference import source_of
from monitor.core.schema import rfc3339
from monitor.errors import DecodeError, UsageError

if TYPE_CHECKING:
    from monitor.core.profile import Grid, Profile
    from monitor.core.reference import Reference
    from monitor.core.rules import Model
    from monitor.ports import ReferenceStore, Store

app = typer.Typer(no_args_is_help=True)

LONG_ENOUGH = timedelta(days=14)
"""Of a reference that knows weekdays."""

Config = Annotated[Path, typer.Argument(help="The configuration file.")]
ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="A model of the configuration.")]
Number = Annotated[int, typer.Argument(help="The number of a reference, see `driftd reference list`.")]
Activate = Annotated[bool, typer.Option("--activate/--no-activate", help="Compare with it from now on.")]

LIST_COLUMNS = ["model", "version", "number", "kind", "active", "rows", "columns", "hash", "created_at"]
COLUMN_FACTS = ["column", "rows", "null", "wrong_type", "mean", "std", "min", "max", "categories", "unseen"]


@app.command("build")
def build(
    config: Config,
    model: ModelName,
    data: Annotated[Path, typer.Option(help="The rows: a csv, parquet or jsonl file with the columns' names.")],
    version: Annotated[str, typer.Option(help="The model version it is for; * is every version without one of its own.")] = "*",
    time_column: Annotated[str | None, typer.Option(help="The column of the event time; default: the one that the stream maps.")] = None,
    activate: Activate = True,
) -> None:
    """Build a reference from a file, keep it and make it the active one.

    Where the configuration names no columns, they and their kinds are those of the file.
    """
    from monitor.clock import SystemClock
    from monitor.references import build_reference

    rules = _complete(config, model, data, time_column)
    with opened(config) as store, _bar(data.name) as progress:
        grid = _first_grid(store, model, version)
        built = build_reference(data, rules, version=version, time_column=time_column, grid=grid, progress=progress)
        kept = store.add_reference(built, activate=activate, at=SystemClock().now())
    _told(kept, "built")
    note = _poor(kept)
    if note:
        typer.echo(f"note: {note}", err=True)


@app.command("list")
def list_references(
    config: Config,
    model: Annotated[str | None, typer.Option(help="Only this model.")] = None,
    form: Annotated[ListFormat, typer.Option("--format", help="How to write them.")] = ListFormat.TABLE,
) -> None:
    """List references, oldest first."""
    from monitor.contract import reference_object

    with opened(config, model) as store:
        rows = [reference_object(reference) for reference in store.references(model)]
    if form is ListFormat.TABLE:
        rows = [{**row, "hash": str(row["hash"])[:12], "active": "active" if row["active"] else ""} for row in rows]
    write(rows, form, columns=LIST_COLUMNS, empty="no references yet: driftd reference build CONFIG MODEL --data FILE")


@app.command("show")
def show(
    config: Config,
    model: ModelName,
    number: Annotated[int | None, typer.Argument(help="The number of a reference, see `driftd reference list`.")] = None,
    window: Annotated[datetime | None, typer.Option(parser=moment, help="Instead: what the window of this time is judged by.")] = None,
    version: Annotated[str | None, typer.Option(help="With --window: of which version; default: the one with most rows.")] = None,
) -> None:
    """Show where a reference comes from and what its columns look like.

    References that are merged from windows have no number: they are merged again for the window that is asked for.
    """
    from monitor.settings.durations import duration_text

    if (number is None) == (window is None):
        raise UsageError("expected the number of a reference, or --window TIME")
    with opened(config, model) as store:
        reference = _judging(store, _model(config, model), window, version) if window else _reference(store, model, number or 0)
    called = f"reference {number}" if number is not None else f"{source_of(reference.provenance)} reference"
    sys.stdout.write(f"{model} version {reference.version} {called}: {reference.profile.rows} rows, hash {reference.hash}\n")
    windows = 0 if reference.baseline is None else len(reference.baseline.window_rows)
    sys.stdout.write(f"baseline: {windows} windows of {duration_text(reference.window)}\n")
    if reference.sample is not None:
        sys.stdout.write(f"rows kept as they are: {len(reference.sample.rows)}\n")
    for key, value in sorted(reference.provenance.items()):
        if key != "columns":
            sys.stdout.write(f"{key}: {value}\n")
    write(_column_rows(reference.profile), ListFormat.TABLE, columns=COLUMN_FACTS, empty="no columns")


@app.command("activate")
def activate_reference(config: Config, model: ModelName, number: Number) -> None:
    """Compare windows of its version with this reference from now on."""
    from monitor.clock import SystemClock

    with opened(config) as store:
        store.activate(model, number, SystemClock().now())
        reference = _reference(store, model, number)
    _told(reference, "active")


@app.command("export")
def export(
    config: Config,
    model: ModelName,
    number: Number,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file to write; default: standard output.")] = None,
) -> None:
    """Write a reference as readable JSON; it holds no raw rows but those that it was built to keep (reference.sample_rows)."""
    with opened(config) as store:
        text = _reference(store, model, number).to_json()
    if output is None:
        sys.stdout.write(json_text(text))
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{output}: cannot be written: {error.strerror}") from error


@app.command("import")
def import_reference(
    config: Config,
    file: Annotated[Path, typer.Argument(help="A file that `driftd reference export` wrote.")],
    activate: Activate = False,
) -> None:
    """Keep a reference that was exported elsewhere; its hash is verified."""
    from monitor.clock import SystemClock
    from monitor.core.reference import Reference

    try:
        reference = Reference.from_json(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, DecodeError) as error:
        raise UsageError(f"{file}: cannot be read: {error}") from error
    _model(config, reference.model)
    with opened(config) as store:
        kept = store.add_reference(reference, activate=activate, at=SystemClock().now())
    _told(kept, "imported")


@app.command("diff")
def diff(config: Config, model: ModelName, old: Number, new: Number) -> None:
    """Say what is different between two references of a model."""
    from monitor.core.reference import difference

    with opened(config) as store:
        before, after = _reference(store, model, old), _reference(store, model, new)
    for line in difference(before, after) or ["no difference"]:
        sys.stdout.write(line + "\n")


def _model(config: Path, name: str) -> Model:
    from monitor.settings import load_settings

    models = {model.name: model for model in load_settings(config).models()}
    if name not in models:
        raise UsageError(f"no model {name!r} in {config}; known are {sorted(models)}")
    return models[name]


def _complete(config: Path, name: str, data: Path, time_column: str | None) -> Model:
    """The model with its columns, read from the data where the configuration leaves them out; notes on that go to standard error."""
    from monitor.references import infer_kinds
    from monitor.settings import load_settings

    model = _model(config, name)
    if model.columns:
        return model
    settings = load_settings(config)
    leave_out = settings.mapped_names(name) | ({time_column} if time_column else set())
    with _bar(data.name) as progress:
        inferred = infer_kinds(data, leave_out, progress=progress)
    for note in inferred.notes:
        typer.echo(f"note: {note}", err=True)
    return settings.model(name, inferred.kinds)


def _reference(store: ReferenceStore, model: str, number: int) -> Reference:
    found = store.reference(model, number)
    if found is None:
        known = sorted(reference.number for reference in store.references(model))
        raise UsageError(f"no reference {number} of model {model!r}; known are {known}")
    return found


def _judging(store: Store, model: Model, moment: datetime, version: str | None) -> Reference:
    """What the window that holds a moment is judged by, from what the store holds now. Raises UsageError where it is nothing."""
    from monitor.clock import SystemClock
    from monitor.core.results import ALL_ROWS
    from monitor.core.windows import window_of
    from monitor.pipeline import References, Standards

    start, _ = window_of(moment, model.window)
    windows = store.windows(model.name, start)
    asked = [w for w in windows if w.key.segment == ALL_ROWS and version in (None, w.key.version)]
    if not asked:
        raise UsageError(f"no window of {model.name!r} starts at {rfc3339(start)}{f' with version {version!r}' if version else ''}")
    busiest = max(asked, key=lambda w: (w.account.counted, w.key.version))
    clock = SystemClock()
    found = Standards(store, References(store, clock), clock).of(model, windows)[busiest.key]
    if found.reference is None:
        why = found.damage or found.unready or "there is no reference for its version"
        raise UsageError(f"the window of version {busiest.key.version!r} at {rfc3339(start)} is judged by nothing: {why}")
    return found.reference


def _first_grid(store: ReferenceStore, model: str, version: str) -> Grid | None:
    """The grid of the version's first reference: it stays, so that windows counted on it can still be compared."""
    numbers = [reference.number for reference in store.references(model) if reference.version == version]
    first = store.reference(model, min(numbers)) if numbers else None
    return None if first is None else first.grid


def _told(reference: Reference, what: str) -> None:
    sys.stdout.write(
        f"{what}: {reference.model} version {reference.version} reference {reference.number}, "
        f"{reference.profile.rows} rows, {len(reference.grid.columns)} columns, hash {reference.hash[:12]}\n"
    )


def _poor(reference: Reference) -> str:
    """What the reference cannot teach; empty where it covers two weeks in enough windows."""
    from monitor.core.drift.calibration import MIN_WINDOWS
    from monitor.core.volume import time_range
    from monitor.settings.durations import duration_text

    covered = time_range(reference.provenance)
    windows = 0 if reference.baseline is None else len(reference.baseline.window_rows)
    if covered is None:
        return "no event time in it, so it teaches neither limits nor how many rows are usual; --time-column names the column of the time"
    if windows < MIN_WINDOWS:
        have = f"{windows} whole window{'' if windows == 1 else 's'} of {duration_text(reference.window)}"
        return f"{have} in it: limits are learned from {MIN_WINDOWS} on, until then chance alone is the limit"
    if covered < LONG_ENOUGH - reference.window:
        return f"it covers {duration_text(timedelta(hours=covered // timedelta(hours=1)))}: two weeks teach what hours and weekdays do"
    return ""


def _column_rows(profile: Profile) -> Iterator[dict[str, object]]:
    from monitor.core.profile import NumericProfile

    for name, column in profile.columns.items():
        row: dict[str, object] = {"column": name, "rows": column.total, "null": column.null, "wrong_type": column.wrong_type}
        if isinstance(column, NumericProfile):
            yield row | {"mean": column.mean, "std": column.std, "min": column.min, "max": column.max}
        else:
            yield row | {"categories": len(column.grid.categories), "unseen": column.new.rows}


@contextmanager
def _bar(name: str) -> Iterator[Callable[[int, int | None], None]]:
    """Tells how much of a file is read, of how much."""
    with bar(f"reading {name}") as (progress, task):
        yield lambda done, total: progress.update(task, completed=done, total=total)
