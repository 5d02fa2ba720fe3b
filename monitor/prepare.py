"""Before the daemon reads: references that the file names are built, and columns that it leaves out are taken from them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

from monitor.core.profile import CategoricalGrid, Grid
from monitor.core.profile.grid import BOOLEANS, ColumnGrid
from monitor.core.rules import Model
from monitor.core.schema import Kind
from monitor.errors import Problem, SettingsError, UsageError
from monitor.log import Action, logger
from monitor.pipeline.lengths import LengthStore, other_length
from monitor.ports import ReferenceStore
from monitor.settings import ReferenceFile, Settings

log = logger(__name__)

NOTE = "note: "
"""Begins the lines of `driftd reference build` on standard error that are no errors: columns that it left out."""
WAYS_OUT = ("rows of both could not be told apart: put the old length back, or give the model another name, whose windows begin with what "
            "is read from now on, or use another store, which reads the topics from their start")


class StartStore(ReferenceStore, LengthStore, Protocol):
    """What a start looks at: references, and what windows there are."""


def prepare(settings: Settings, config: Path, store: StartStore) -> tuple[Model, ...]:
    """Every model, ready to be read. Raises UsageError where a reference cannot be built or no column is known, and SettingsError
    where a window is not as long as those that are stored."""
    if problems := list(other_lengths(settings, store)):
        raise SettingsError(problems)
    for name in settings.model_names():
        named = settings.reference_file(name)
        if named is not None and not _has(store, name, named):
            _build(config, name, named)
    return tuple(_complete(settings, name, store) for name in settings.model_names())


def other_lengths(settings: Settings, store: LengthStore) -> Iterator[Problem]:
    """Every model whose ``window`` was changed although its windows are in the store."""
    for name, written in settings.file.models.items():
        if other := other_length(store, name, written.window):
            yield settings.problem(("models", name, "window"), f"{other}; {WAYS_OUT}")


def unready(settings: Settings, store: StartStore) -> Iterator[str]:
    """Why ``prepare`` would fail, as far as that can be told without reading reference data."""
    yield from (f"{problem.path}: {problem.message}" for problem in other_lengths(settings, store))
    for name in settings.model_names():
        named = settings.reference_file(name)
        if named is not None and not named.data.is_file() and not _has(store, name, named):
            yield f"models.{name}.reference.data: {named.data} is not there, and no reference of version {named.version} was built"
        elif named is None:
            try:
                _complete(settings, name, store)
            except UsageError as error:
                yield str(error)


def _has(store: ReferenceStore, model: str, named: ReferenceFile) -> bool:
    """Whether this version has a reference already; references are immutable, so a changed file is built by hand."""
    return any(stored.version == named.version for stored in store.references(model))


def _build(config: Path, model: str, named: ReferenceFile) -> None:
    """Run `driftd reference build` in a process of its own: reading files takes libraries that the daemon should not carry."""
    command = [sys.executable, "-m", "monitor", "reference", "build", str(config), model,
               "--data", str(named.data), "--version", named.version]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)  # noqa: S603  our own command
    if done.returncode:
        why = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1].removeprefix("driftd: ")
        raise UsageError(f"the reference of {model} could not be built from {named.data.name}: {why}")
    for line in done.stderr.splitlines():
        if line.startswith(NOTE):
            log.info(line.removeprefix(NOTE), action=Action.REFERENCE_ADDED, model=model)


def _complete(settings: Settings, name: str, store: ReferenceStore) -> Model:
    model = settings.model(name)
    if model.columns:
        return model
    active = [stored for stored in store.references(name) if stored.active]
    reference = store.reference(name, max(stored.number for stored in active)) if active else None
    if reference is None:
        raise UsageError(f"models.{name}.columns: not given, and there is no reference to take them from; "
                         f"name the columns, or run `driftd reference build CONFIG {name} --data FILE`")
    return settings.model(name, kinds_of(reference.grid))


def kinds_of(grid: Grid) -> Mapping[str, Kind]:
    """The kind of each column of a grid."""
    return {name: _kind(column) for name, column in grid.columns.items()}


def _kind(column: ColumnGrid) -> Kind:
    if not isinstance(column, CategoricalGrid):
        return Kind.NUMERIC
    return Kind.BOOLEAN if column.categories == BOOLEANS else Kind.CATEGORICAL
