"""Raw JSON values of one column become counted values: what each kind takes, and what is of a wrong type."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import count

import numpy as np
from numpy.typing import NDArray

from monitor.core.schema import CategoricalValues, Kind, NumericValues, State, Values

BOOLEANS = ("false", "true")


class _Wrong:
    """Stands for a value of a wrong type in a categorical column."""


WRONG = _Wrong()


def column_values(kind: Kind, raw: Sequence[object], odd: Mapping[int, object]) -> Values:
    """``raw`` holds what the fast path read, of the types that it asks for; ``odd`` by position what it could not."""
    match kind:
        case Kind.NUMERIC:
            return numeric_values(raw, odd)
        case Kind.CATEGORICAL:
            return categorical_values(raw, odd)
        case Kind.BOOLEAN:
            return boolean_values(raw, odd)


def numeric_values(raw: Sequence[object], odd: Mapping[int, object]) -> NumericValues:
    """``raw``: floats and None."""
    try:
        values = np.fromiter(raw, dtype=np.float64, count=len(raw))
    except TypeError:  # some are None, which becomes NaN
        values = np.array(raw, dtype=np.float64)
    if not odd:
        return NumericValues(values=values)
    states = np.where(np.isnan(values), State.NULL, State.VALUE).astype(np.uint8)
    for i, value in odd.items():
        values[i], states[i] = number_of(value)
    return NumericValues(values=values, states=states)


def number_of(value: object) -> tuple[float, int]:
    """A JSON value in a numeric column: its number (0 where there is none) and its state."""
    if value is None:
        return 0.0, State.NULL
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0, State.WRONG_TYPE
    try:
        number = float(value)
    except OverflowError:
        number = math.inf if value > 0 else -math.inf
    if math.isnan(number):
        return 0.0, State.NAN
    if math.isinf(number):
        return 0.0, State.POS_INF if number > 0 else State.NEG_INF
    return number, State.VALUE


def categorical_values(raw: Sequence[object], odd: Mapping[int, object]) -> CategoricalValues:
    """``raw``: texts, numbers, booleans and None, those of ``odd`` None."""
    numbering: defaultdict[object, int] = defaultdict(count().__next__, {None: CategoricalValues.NULL})
    codes = np.fromiter(map(numbering.__getitem__, raw), dtype=np.int32, count=len(raw))
    if not set(map(type, numbering)) <= {str, type(None)}:  # 1, 1.0 and True are one key, and not one category
        typed: defaultdict[tuple[type, object], int] = defaultdict(count().__next__)
        codes = np.fromiter(map(typed.__getitem__, zip(map(type, raw), raw, strict=True)), dtype=np.int32, count=len(raw))
        return _named([text_of(value) for _, value in typed], codes, odd)
    del numbering[None]
    return _named(list(numbering), codes, odd)


def _named(found: Sequence[object], codes: NDArray[np.int32], odd: Mapping[int, object]) -> CategoricalValues:
    """Categories under the texts that can be stored, each of which has one code."""
    texts: dict[str, int] = {}

    def code_of(text: object) -> int:
        if isinstance(text, str):
            return texts.setdefault(storable(text), len(texts))
        return CategoricalValues.NULL if text is None else CategoricalValues.WRONG

    table = np.array([*map(code_of, found), CategoricalValues.WRONG, CategoricalValues.NULL], dtype=np.int32)
    codes = table[codes]  # the last two stand where -2 and -1 point
    for i, value in odd.items():
        codes[i] = code_of(text_of(value))
    return CategoricalValues(codes=codes, dictionary=tuple(texts))


def text_of(value: object) -> object:
    """The category of a JSON value: ``"true"``, ``"5"`` for 5 and 5.0; None for null; WRONG for objects and lists."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return BOOLEANS[value]
    if isinstance(value, int):
        return _digits(value)
    if isinstance(value, float) and not math.isnan(value):
        return _digits(int(value)) if value.is_integer() else repr(value)
    return WRONG


def _digits(number: int) -> str:
    try:
        return str(number)
    except ValueError:  # Python refuses to write integers of more than 4,300 digits
        return repr(math.inf if number > 0 else -math.inf)


def storable(text: str) -> str:
    """Without NUL, which PostgreSQL refuses, and without lone surrogates, which are no UTF-8."""
    if text.isascii():
        return text.replace("\0", "\ufffd") if "\0" in text else text
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def whole_text(text: str) -> str:
    """ "5.0" as "5": what is made of a whole number where it is written as a float; all else as it is."""
    head, point, tail = text.rpartition(".")
    digits = head.removeprefix("-")
    if point and tail == "0" and digits == "0":
        return "0"
    return head if point and tail == "0" and digits.isdecimal() and (head == "0" or not digits.startswith("0")) else text


def boolean_values(raw: Sequence[object], odd: Mapping[int, object]) -> CategoricalValues:
    """``raw``: booleans, integers and None; 0 and 1 are booleans too."""
    codes = np.fromiter((_TRUTH.get(value, CategoricalValues.WRONG) for value in raw), dtype=np.int32, count=len(raw))
    for i, value in odd.items():
        codes[i] = truth_of(value)
    return CategoricalValues(codes=codes, dictionary=BOOLEANS)


_TRUTH: Mapping[object, int] = {False: 0, True: 1, None: CategoricalValues.NULL}  # 0 == False and 1 == True


def truth_of(value: object) -> int:
    """The code of a JSON value in a boolean column."""
    if value is None:
        return CategoricalValues.NULL
    return int(value) if isinstance(value, bool | int | float) and value in (0, 1) else CategoricalValues.WRONG
