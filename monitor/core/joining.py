"""Batches of one stream and partition (or of several, where none was looked at), put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, islice

import numpy as np

from monitor.core.schema import MOST_CLASSES, Batch, CategoricalValues, Floats, NumericValues, Scores, State, States, Values


def joined(batches: Sequence[Batch]) -> Batch:
    """One batch of these (at least one), in their order."""
    first = batches[0]
    if len(batches) == 1:
        return first
    versions = [batch.versions for batch in batches if batch.versions is not None]
    ids = [batch.ids for batch in batches if batch.ids is not None]
    return Batch(
        offsets=np.concatenate([batch.offsets for batch in batches]),
        times=np.concatenate([batch.times for batch in batches]),
        versions=joined_categories(versions) if versions else None,
        ids=np.concatenate(ids) if ids else None,
        columns={name: joined_values([batch.columns[name] for batch in batches]) for name in first.columns},
        faults=tuple(chain.from_iterable(batch.faults for batch in batches)),
        looks=dict(chain.from_iterable(batch.looks.items() for batch in batches)),
        mapping=first.mapping,
        scores=None if first.scores is None else joined_scores([batch.scores for batch in batches if batch.scores is not None]),
    )


def joined_scores(parts: Sequence[Scores]) -> Scores:
    """Probabilities of all rows; of more than ``MOST_CLASSES`` classes the first ones, and no row that names another."""
    first = parts[0]
    if all(part.classes == first.classes for part in parts):
        return Scores(values=np.concatenate([part.values for part in parts]), classes=first.classes)
    classes = tuple(islice(dict.fromkeys(chain.from_iterable(part.classes for part in parts)), MOST_CLASSES))
    places = {name: at for at, name in enumerate(classes)}
    return Scores(values=np.concatenate([_placed(part, places) for part in parts]), classes=classes)


def _placed(part: Scores, places: Mapping[str, int]) -> Floats:
    """A part's probabilities, each in the column of its class."""
    known = np.array([name in places for name in part.classes], dtype=np.bool_)
    values = np.full((len(part.values), len(places)), np.nan)
    values[:, [places[name] for name in part.classes if name in places]] = part.values[:, known]
    values[~np.isnan(part.values[:, ~known]).all(axis=1)] = np.nan
    return values


def joined_values(parts: Sequence[Values]) -> Values:
    """The values of one column (at least one part), in their order."""
    numbers = [part for part in parts if isinstance(part, NumericValues)]
    return _joined_numbers(numbers) if numbers else joined_categories([part for part in parts if isinstance(part, CategoricalValues)])


def _joined_numbers(parts: Sequence[NumericValues]) -> NumericValues:
    values = np.concatenate([part.values for part in parts])
    if all(part.states is None for part in parts):
        return NumericValues(values=values)
    return NumericValues(values=values, states=np.concatenate([states_of(part) for part in parts]))


def states_of(numbers: NumericValues) -> States:
    """The states written out: on the fast path NaN is a null."""
    if numbers.states is not None:
        return numbers.states
    return np.where(np.isnan(numbers.values), State.NULL, State.VALUE).astype(np.uint8)


def joined_categories(parts: Sequence[CategoricalValues]) -> CategoricalValues:
    """The same of a categorical column."""
    first = parts[0].dictionary
    if all(part.dictionary == first for part in parts):
        return CategoricalValues(codes=np.concatenate([part.codes for part in parts]), dictionary=first)
    texts: dict[str, int] = {}
    codes = []
    for part in parts:
        table = [texts.setdefault(text, len(texts)) for text in part.dictionary]
        codes.append(np.array([*table, CategoricalValues.WRONG, CategoricalValues.NULL], dtype=np.int32)[part.codes])
    return CategoricalValues(codes=np.concatenate(codes), dictionary=tuple(texts))
