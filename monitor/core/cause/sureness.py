"""How sure it is, in words: how far beyond the limit, how often chance alone does as much, and which interval is beyond which limit."""

from __future__ import annotations

import math
from collections.abc import Iterable

from monitor.core.cause.causes import ColumnCause
from monitor.core.decay import precise, step_of, worst_first
from monitor.core.finding import number
from monitor.core.results import Check, Result, Verdict, only_told

MILLION = 1_000_000
ONCE_IN = 10 * MILLION
"""Windows: rarer than that is not told in numbers, which no theory of a test's holds to."""
FAR = 1.1
"""Times its limit from which on it is told how far beyond it is."""


def sure_of(bad: Iterable[Result], first: ColumnCause | None) -> str:
    """Of the leading column, and of the worst drop of performance; empty where nothing is known."""
    alerts = [result for result in bad if result.verdict is Verdict.ALERT]
    lead = None if first is None else _lead(alerts, first)
    dropped = worst_first(r for r in alerts if r.check is Check.PERFORMANCE and not only_told(r))
    said = ["" if lead is None else _of_column(lead), _of_drop(dropped[0]) if dropped else ""]
    return "; ".join(filter(None, said))


def _lead(alerts: Iterable[Result], first: ColumnCause) -> Result | None:
    """The column's result that tells most: the one that it is told by, one with a chance before others."""
    own = [result for result in alerts if result.column == first.name]
    same = [result for result in own if result.metric == first.metric and result.value == first.value]
    return min(same or own, key=lambda result: (result.p_value is None, result.metric), default=None)


def _of_column(result: Result) -> str:
    parts = [part for part in (_beyond(result), _chance(result.p_value)) if part]
    return f"{result.column}: {', '.join(parts)}" if parts else ""


def _beyond(result: Result) -> str:
    value, limit = result.value, result.threshold
    if value is None or limit is None:
        return ""
    if limit > 0 and value >= FAR * limit:
        return f"{result.metric} {number(value)} is {value / limit:.2g} times its limit {number(limit)}"
    return f"{result.metric} {number(value)}, limit {number(limit)}"


def _chance(p: float | None) -> str:
    """``by chance in about 1 of 2,000 windows``."""
    if p is None or p > 0.5:
        return ""
    if p * ONCE_IN < 1:
        return f"by chance in less than 1 of {_round(ONCE_IN)} windows"
    return f"by chance in about 1 of {_round(1 / p)} windows"


def _round(count: float) -> str:
    """One digit is all that such a number is worth: ``20``, ``3,000``, ``4 million``."""
    digits = math.floor(math.log10(count))
    rounded = round(count, -digits)
    return f"{rounded / MILLION:,.0f} million" if rounded >= MILLION else f"{rounded:,.0f}"


def _of_drop(result: Result) -> str:
    """Whether the whole interval is beyond the limit, or away from the reference at least."""
    low, high, limit, before, value = result.ci_low, result.ci_high, result.threshold, result.reference_value, result.value
    if low is None or high is None or limit is None or before is None or value is None:
        return ""
    fell, step = value < before, step_of(result)
    nearest = high if fell else low
    side = "below" if fell else "above"
    span = f"the interval [{precise(low, step)}, {precise(high, step)}] of {result.metric}"
    if (nearest < limit) if fell else (nearest > limit):
        return f"{span} is all {side} the limit {precise(limit, step)}"
    if (nearest < before) if fell else (nearest > before):
        return f"{span} is all {side} the reference\'s {precise(before, step)}, the limit is {precise(limit, step)}"
    return f"{span} reaches the reference\'s {precise(before, step)}, the limit is {precise(limit, step)}"
