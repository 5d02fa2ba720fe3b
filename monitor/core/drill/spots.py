"""What a drill says to people: the faults that would not be seen, and why not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median_low

from monitor.core.drill.base import Fault, Size
from monitor.core.drill.outcome import HALF, AtSize, Line
from monitor.core.finding import number, percent
from monitor.core.results import ALL_ROWS, Check, Result
from monitor.core.rules import Model, QualityLimit

Limits = Mapping[tuple[str, str, str], float]
"""By check, column ("" for all of them) and metric, the usual limit of all rows."""


def limits_of(results: Iterable[Result]) -> Limits:
    """The median over the windows."""
    found: dict[tuple[str, str, str], list[float]] = {}
    for result in results:
        if result.segment == ALL_ROWS and result.threshold is not None:
            found.setdefault((str(result.check), result.column or "", result.metric), []).append(result.threshold)
    return {key: median_low(values) for key, values in found.items()}


def blind_spots(lines: Sequence[Line], limits: Limits, rules: Model) -> list[str]:
    """A sentence for each column and fault that people would want seen and that is missed in most windows, its largest size."""
    found = []
    for line in lines:
        blind = [at for at in line.sizes if at.windows and at.share < HALF and at.size.value >= line.fault.worth]
        if blind:
            found.append(_sentence(line, blind, limits, rules))
    return found


def _sentence(line: Line, blind: Sequence[AtSize], limits: Limits, rules: Model) -> str:
    of = _size(line.fault, [at.size for at in blind])
    seen, windows = (max if line.fault.ordered else sum)(at.caught for at in blind), blind[-1].windows
    windows = windows if line.fault.ordered else sum(at.windows for at in blind)
    said = line.fault.said.format(size=of, column=f"`{line.column}`" if line.column else "")
    return f"{said} would mostly not be seen ({seen} of {windows}){_why(line, limits, rules)}"


def _size(fault: Fault, sizes: Sequence[Size]) -> str:
    if fault.ordered:
        return f"up to {sizes[-1].text}"
    return " or ".join(size.text for size in sizes)


def _why(line: Line, limits: Limits, rules: Model) -> str:
    check, metric = line.fault.guard
    given = _given(metric, rules)
    if given == "off":
        return f": quality.max_{metric} is off"
    asked = {name: limit for (of, column, name), limit in limits.items() if of == check and column == _column(line, check)}
    limit = asked.get(metric) if metric else min(asked.values(), default=None)
    name = metric or next((name for name, value in asked.items() if value == limit), "")
    if limit is None:
        return ""
    return f": {_allowed(check, name, limit)}{'' if given is None else f' by quality.max_{metric}'}"


def _given(metric: str, rules: Model) -> QualityLimit:
    """What the rules say of a kind of share; None where it is learned."""
    return getattr(rules.quality, f"max_{metric}", None) if metric else None


def _column(line: Line, check: Check) -> str:
    return line.column if check in (Check.DRIFT, Check.QUALITY) else ""


def _allowed(check: Check, metric: str, limit: float) -> str:
    match check:
        case Check.QUALITY:
            return f"its {metric.replace('_', ' ')} is allowed up to {percent(limit)}"
        case Check.DRIFT:
            return f"its {metric} is allowed up to {number(limit)}"
        case Check.VOLUME:
            return f"limit {number(limit)} rows"
        case _:
            return f"{metric} is allowed to come to {number(limit)}"
