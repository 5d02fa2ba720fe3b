"""Probabilities of a multiclass model's classes, as messages carry them: an object by class, or a list by position."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from monitor.core.schema import MOST_CLASSES, Floats, Scores, State
from monitor.formats.columns import number_of, storable, whole_text

Shape = tuple[str, ...] | int | None
"""The keys of an object, the length of a list; None of what is neither."""


def scores_of(raw: Sequence[object], odd: Mapping[int, object]) -> Scores:
    """``raw``: objects and lists of floats and None, and None; ``odd`` by position what the fast path could not read.

    The classes of a list are "0", "1" and so on. An object may leave classes out. What is not a finite number is NaN.
    """
    values: list[Any] = list(raw)
    for i, value in odd.items():
        values[i] = _readable(value)
    places: dict[str, int] = {}
    parts = []
    for shape, rows in _by_shape(values).items():
        names = _names(shape)
        if len(places.keys() | names) <= MOST_CLASSES:
            parts.append((rows, [places.setdefault(name, len(places)) for name in names], _cells(shape, [values[i] for i in rows])))
    found = np.full((len(values), len(places)), np.nan)
    for rows, at, cells in parts:
        found[np.ix_(rows, at)] = cells
    return Scores(values=found, classes=tuple(places))


def _readable(value: object) -> dict[str, float] | list[float] | None:
    """What the fast path would have read, had every probability been a number; also the only list in a list (one row of a batch)."""
    if isinstance(value, dict):
        return {name: _number(cell) for name, cell in value.items()}
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
        value = value[0]
    return [_number(cell) for cell in value] if isinstance(value, list) else None


def _number(value: object) -> float:
    number, state = number_of(value)
    return number if state == State.VALUE else math.nan


def _by_shape(values: Sequence[Any]) -> dict[Shape, list[int]]:
    """Positions of the rows that name the same classes in the same order: nearly always all of them; without those of too many."""
    shapes: dict[Shape, list[int]] = {}
    for i, value in enumerate(values):
        if value and len(value) <= MOST_CLASSES:
            shapes.setdefault(tuple(value) if isinstance(value, dict) else len(value), []).append(i)
    return shapes


def _names(shape: Shape) -> list[str]:
    if isinstance(shape, tuple):
        return [class_of_key(key) for key in shape]
    return [str(at) for at in range(shape or 0)]


def _cells(shape: Shape, values: Sequence[Any]) -> Floats:
    """Their probabilities, shape (n, k); None is NaN."""
    return np.array([list(value.values()) for value in values] if isinstance(shape, tuple) else values, dtype=np.float64)


def class_of_key(key: str) -> str:
    """The class that a key stands for: keys cannot be numbers, so "1.0" is what a writer made of 1.0, which elsewhere is read as "1"."""
    return storable(whole_text(key))
