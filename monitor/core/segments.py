"""Segments: a column's values whose rows are counted and judged apart, beside all rows.

Which values have a segment of their own is read off the reference: what it never saw could not be judged, and who came first
in the log is chance. All other rows of the column are one segment more, so that its segments add up to all rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from monitor.core.profile import CategoricalProfile, Profile
from monitor.core.profile.categorical import category_text
from monitor.core.reference import Reference
from monitor.core.results import ALL_ROWS
from monitor.core.rules import Model
from monitor.core.schema import CategoricalValues, Ints, Values

OTHER_VALUES = "(other)"
"""The segment of all values without one of their own, those of a wrong type included."""
NO_VALUE = "(null)"
"""The segment of rows without a value."""
ALL_ROWS_SHARE = 0.5
"""Of the budget of false alarms what all rows keep; the rest is shared by the segments, evenly."""

OwnValues = Mapping[str, tuple[str, ...]]
"""By segment column, the values that have a segment of their own."""


def segment_text(column: str, value: str) -> str:
    """The name of a segment: ``origin=JFK``."""
    return f"{column}={value}"


def segment_parts(segment: str) -> tuple[str, str]:
    """Column and value of a segment's name; a segment column has no ``=`` in its name."""
    column, _, value = segment.partition("=")
    return column, value


# --- which values ----------------------------------------------------------------------------------------------


def own_values(reference: Reference, model: Model) -> OwnValues:
    """For each segment column the values with a segment of their own, the reference's most frequent first.

    Those that it keeps apart. Where it was built before the column was a segment column, those it would keep: they are counted
    apart, and judged once a reference is built that keeps them.
    """
    return {column: _own(reference, column, model) for column in model.segments}


def _own(reference: Reference, column: str, model: Model) -> tuple[str, ...]:
    parts = reference.segments.get(column)
    if parts is None:
        return frequent_values(reference.profile, column, model)
    return _first({value: part.profile.rows for value, part in parts.items()}, len(parts))


def frequent_values(profile: Profile, column: str, model: Model) -> tuple[str, ...]:
    """Values of a column with at least ``min_rows`` rows, the most frequent first, at most ``max_segments``."""
    counted = profile.columns.get(column)
    if not isinstance(counted, CategoricalProfile):
        return ()
    rows = dict(zip(counted.grid.categories, counted.counts.tolist(), strict=True)) | dict(counted.new.kept)
    return _first({value: count for value, count in rows.items() if count >= max(model.min_rows, 1)}, model.max_segments)


def _first(rows: Mapping[str, int], most: int) -> tuple[str, ...]:
    named = [value for value in rows if value not in (OTHER_VALUES, NO_VALUE)]
    return tuple(sorted(named, key=lambda value: (-rows[value], value))[:most])


# --- which rows ------------------------------------------------------------------------------------------------


def segments_of(own: tuple[str, ...]) -> tuple[str, ...]:
    """The values of a column's segments, by slot: its own ones, then the others, then none."""
    return (*own, OTHER_VALUES, NO_VALUE)


def slots_of(values: Values | None, rows: int, own: tuple[str, ...]) -> Ints:
    """For each row the slot of its segment in ``segments_of(own)``, shape (n,). ``values`` None: the batch lacks the column."""
    others, nothing = len(own), len(own) + 1
    if not isinstance(values, CategoricalValues):
        return np.full(rows, nothing if values is None else others)
    known = {value: slot for slot, value in enumerate(own)}
    of_code = [known[text] if text in known else known.get(category_text(text), others) for text in values.dictionary]
    slots: Ints = np.array([others, nothing, *of_code])[values.codes + 2]  # wrong type, null, then the dictionary
    return slots


def grouped(slots: Ints, at: Ints) -> Mapping[int, Ints]:
    """The positions ``at`` by their slot, each group in order; slots ascending."""
    ordered = at[np.argsort(slots[at], kind="stable")]
    found, first = np.unique(slots[ordered], return_index=True)
    return dict(zip(found.tolist(), np.split(ordered, first[1:]), strict=True))


# --- the budget ------------------------------------------------------------------------------------------------


def budget_share(segment: str, judged: int) -> float:
    """The share of a model's budget of false alarms that one window of a segment, or of all rows, may use.

    ``judged``: how many segments the reference can judge. All shares together are 1: more segments make no more false alarms.
    """
    if not judged:
        return 1.0
    return ALL_ROWS_SHARE if segment == ALL_ROWS else (1 - ALL_ROWS_SHARE) / judged


def with_share(rules: Model, segment: str, reference: Reference | None, versions: int = 1) -> Model:
    """The rules with the part of the budget that the segment may use; ``versions``: as many share it in the window."""
    judged = 0 if reference is None else sum(len(reference.segments.get(column, {})) for column in rules.segments)
    budget = rules.drift.budget
    shared = replace(budget, alarms=budget.alarms * budget_share(segment, judged) / max(versions, 1))
    return replace(rules, drift=replace(rules.drift, budget=shared))
