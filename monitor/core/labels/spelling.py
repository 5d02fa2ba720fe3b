"""One spelling for what predictions and labels write differently."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from monitor.core.rules import Task
from monitor.core.schema import CategoricalValues, Values

_TRUTHS: Mapping[str, str] = MappingProxyType({"true": "1", "false": "0", "1.0": "1", "0.0": "0"})
"""Of a binary model. The watched column of the prediction keeps its own texts: stored references know them."""


def spelled(text: str, task: Task) -> str:
    """The class that a text stands for: of a binary model true is 1 and false is 0, in any case; all else is as it is written."""
    return _TRUTHS.get(text.strip().lower(), text) if task is Task.BINARY else text


def alike(values: Values, task: Task) -> Values:
    """Predictions or labels by ``spelled``, each class under one code. Both sides must go through here before they are compared."""
    if not isinstance(values, CategoricalValues):
        return values
    texts = [spelled(text, task) for text in values.dictionary]
    if tuple(texts) == values.dictionary:
        return values
    places: dict[str, int] = {}
    table = [places.setdefault(text, len(places)) for text in texts]
    codes = np.array([*table, CategoricalValues.WRONG, CategoricalValues.NULL], dtype=np.int32)[values.codes]
    return CategoricalValues(codes=codes, dictionary=tuple(places))
