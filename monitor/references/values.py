"""Values of files as columns: the same rules as for messages, plus what text files cannot say by type."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

import msgspec
import numpy as np

from monitor.core.schema import CategoricalValues, Flags, Floats, Ints, NumericValues, Scores, State
from monitor.formats.columns import BOOLEANS, text_of, truth_of, whole_text
from monitor.formats.scores import scores_of
from monitor.formats.times import NO_TIME, moment_micros

Rule = Callable[[object], str | int]
"""A value's category, or ``CategoricalValues.NULL`` or ``WRONG``."""


# --- numbers -------------------------------------------------------------------------------------------------


def numbers_of_floats(values: Floats, null: Flags) -> NumericValues:
    """Floats as they are; what is not finite is told apart from null."""
    odd = ~np.isfinite(values)
    if np.array_equal(odd, null) and not np.isinf(values[odd]).any():
        return NumericValues(values=values)
    states = np.full(len(values), State.VALUE, dtype=np.uint8)
    states[np.isnan(values)] = State.NAN
    states[values == np.inf] = State.POS_INF
    states[values == -np.inf] = State.NEG_INF
    states[null] = State.NULL
    return NumericValues(values=np.where(odd, np.nan, values), states=states)


def numbers_of_texts(texts: Sequence[str]) -> NumericValues:
    """Text is parsed: empty is null, "NaN" and "inf" are what they say, what cannot be read is a wrong type."""
    wrong: list[int] = []
    values = np.array([_number_of_text(text, at, wrong) for at, text in enumerate(texts)], dtype=np.float64)
    null = np.array([not text or text.isspace() for text in texts], dtype=np.bool_)
    return _with_wrong(numbers_of_floats(values, null), wrong)


def _number_of_text(text: str, at: int, wrong: list[int]) -> float:
    try:
        return float(text)
    except ValueError:
        if text and not text.isspace():
            wrong.append(at)
        return math.nan


def numbers_of_scalars(scalars: Sequence[object]) -> NumericValues:
    """Numbers only: booleans and texts are wrong types, None is null."""
    wrong = [at for at, scalar in enumerate(scalars) if scalar is not None and scalar.__class__ not in (int, float)]
    strange = set(wrong)
    null = np.array([scalar is None for scalar in scalars], dtype=np.bool_)
    values = np.array([_float(scalar) if at not in strange else math.nan for at, scalar in enumerate(scalars)], dtype=np.float64)
    return _with_wrong(numbers_of_floats(values, null), wrong)


def _float(scalar: object) -> float:
    if scalar is None:
        return math.nan
    try:
        return float(scalar)  # type: ignore[arg-type]  # an int or a float, the caller saw to it
    except OverflowError:  # an integer beyond 1e308
        return math.inf if scalar > 0 else -math.inf  # type: ignore[operator]


def _with_wrong(numbers: NumericValues, wrong: list[int]) -> NumericValues:
    if not wrong:
        return numbers
    states = numbers.states
    if states is None:
        states = np.where(np.isnan(numbers.values), State.NULL, State.VALUE).astype(np.uint8)
    states[wrong] = State.WRONG_TYPE
    return NumericValues(values=numbers.values, states=states)


# --- categories ----------------------------------------------------------------------------------------------


def encode(scalars: Iterable[object], rule: Rule) -> CategoricalValues:
    """Each value by ``rule``, as codes; every distinct value is looked at once."""
    codes: dict[tuple[type, object], int] = {}
    dictionary: dict[str, int] = {}
    found = []
    for scalar in scalars:
        key = (scalar.__class__, scalar if scalar.__hash__ is not None else None)
        code = codes.get(key)
        if code is None:
            category = rule(scalar)
            code = category if isinstance(category, int) else dictionary.setdefault(category.replace("\0", "\ufffd"), len(dictionary))
            codes[key] = code
        found.append(code)
    return CategoricalValues(codes=np.array(found, dtype=np.int32), dictionary=tuple(dictionary))


def category_of_scalar(scalar: object) -> str | int:
    """As in messages: texts as they are, whole numbers as "5" (5.0 too), booleans as "true" and "false"."""
    text = text_of(_plain(scalar))
    if isinstance(text, str):
        return text
    return CategoricalValues.NULL if text is None else CategoricalValues.WRONG


def _plain(scalar: object) -> object:
    """A decimal of a parquet file as the number that a message would carry."""
    if not isinstance(scalar, Decimal):
        return scalar
    return int(scalar) if scalar == scalar.to_integral_value() else float(scalar)


def category_of_text(text: object) -> str | int:
    """Text of a csv file: empty is null; "5.0", "True" and "False", as data frames write whole numbers and booleans, are those."""
    if not isinstance(text, str) or not text:
        return CategoricalValues.NULL
    return text.lower() if text in ("True", "False") else whole_text(text)


def boolean_of_scalar(scalar: object) -> str | int:
    """As in messages: a boolean, 0 or 1; all else is a wrong type."""
    code = truth_of(_plain(scalar))
    return code if code < 0 else BOOLEANS[code]


def boolean_of_text(text: object) -> str | int:
    """Text of a csv file: true, false, 0 or 1 in any case; empty is null."""
    if not isinstance(text, str) or not text:
        return CategoricalValues.NULL
    known = {"true": "true", "1": "true", "1.0": "true", "false": "false", "0": "false", "0.0": "false"}
    return known.get(text.strip().lower(), CategoricalValues.WRONG)


# --- kinds not known yet -------------------------------------------------------------------------------------


def scalars_of_texts(texts: Sequence[str]) -> list[object]:
    """What the texts of a csv file spell: None for a blank, true and false in any case, numbers as floats; all else as it is."""
    known = {text: _scalar_of_text(text) for text in set(texts)}
    return [known[text] for text in texts]


def _scalar_of_text(text: str) -> object:
    if not text or text.isspace():
        return None
    truth = {"true": True, "false": False}.get(text.strip().lower())
    if truth is not None:
        return truth
    try:
        return float(text)
    except ValueError:
        return text


# --- probabilities of classes --------------------------------------------------------------------------------


def scores_of_scalars(scalars: Sequence[object]) -> Scores:
    """As in messages: objects by class and lists by position; of a parquet file also maps, which come as lists of pairs."""
    return scores_of([None] * len(scalars), dict(enumerate(map(_object_of_pairs, scalars))))


def _object_of_pairs(scalar: object) -> object:
    is_map = isinstance(scalar, list) and bool(scalar) and all(isinstance(pair, tuple) for pair in scalar)
    return {str(key): value for key, value in scalar} if is_map else scalar  # type: ignore[attr-defined]  # told just before


def scores_of_texts(texts: Sequence[str]) -> Scores:
    """Text of a csv file: the JSON of an object or a list; what is none has no probabilities."""
    return scores_of_scalars([_json_of(text) for text in texts])


def _json_of(text: str) -> object:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None


# --- times ---------------------------------------------------------------------------------------------------


def times_of(scalars: Iterable[object]) -> Ints:
    """Microseconds since the epoch, shape (n,): RFC 3339 text, epoch numbers or texts of them, datetimes; else ``NO_TIME``."""
    known: dict[object, int] = {}
    found = []
    for scalar in scalars:
        key = scalar if scalar.__hash__ is not None else None
        if key not in known:
            known[key] = _micros(key)
        found.append(known[key])
    return np.array(found, dtype=np.int64)


def _micros(scalar: object) -> int:
    try:
        return moment_micros(scalar)
    except (ValueError, OverflowError):
        return NO_TIME
