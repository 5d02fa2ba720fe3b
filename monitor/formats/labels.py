"""Labels that are none: what they are, told with the value."""

from __future__ import annotations

from collections.abc import Sequence
from reprlib import Repr

import numpy as np

from monitor.core.schema import CategoricalValues, Flags, NumericValues, Reason, State, Values

Wrong = dict[int, tuple[Reason, str]]

_SHORT = Repr()
_SHORT.maxlevel = _SHORT.maxlist = _SHORT.maxdict = 3
_SHORT.maxstring = _SHORT.maxlong = _SHORT.maxother = 80


def wrong_labels(values: Values, raw: Sequence[object], path: str) -> Wrong:
    """By position, why a row has no label; ``raw``: what stands at ``path``. A blank text is a missing label."""
    expected = "a number" if isinstance(values, NumericValues) else "a class"
    wrong: Wrong = {}
    for i in np.flatnonzero(_useless(values)).tolist():
        value = raw[i]
        if value is None or (isinstance(value, str) and not value.strip()):
            wrong[i] = (Reason.MISSING_LABEL, f"no label at {path!r}")
        else:
            wrong[i] = (Reason.BAD_LABEL, f"{_SHORT.repr(value)} at {path!r} is no label; expected {expected}")
    return wrong


def _useless(values: Values) -> Flags:
    if isinstance(values, NumericValues):
        return np.isnan(values.values) if values.states is None else values.states != State.VALUE
    blank = [code for code, text in enumerate(values.dictionary) if not text.strip()]
    return np.isin(values.codes, [CategoricalValues.NULL, CategoricalValues.WRONG, *blank])
