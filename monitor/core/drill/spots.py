"""What a drill says to people: the faults that would not be seen, and why not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median_low

from monitor.core.drill.outcome import HALF, AtSize, Line
from monitor.core.finding import number, percent
from monitor.core.results import ALL_ROWS, Check, Result
from monitor.core.rules import Model, QualityLimit, Switch, VolumeRules

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
    ordered = line.fault.ordered
    size = f"up to {blind[-1].size.text}" if ordered else " or ".join(at.size.text for at in blind)
    told = blind[-1:] if ordered else blind
    seen, windows = sum(at.caught for at in told), sum(at.windows for at in told)
    why = _why(line, [at.size.value for at in blind], limits, rules)
    said = line.fault.said.format(size=size, column=f"`{line.column}`")
    return f"{said} would mostly not be seen ({seen} of {windows}){': ' if why else ''}{why}"


def _why(line: Line, sizes: Sequence[float], limits: Limits, rules: Model) -> str:
    """The limit that lets it through; empty where none is known."""
    check, metric = line.fault.guard
    if check is Check.VOLUME:
        return _volume(sizes, rules.volume)
    if _given(metric, rules) is Switch.OFF:
        return f"quality.max_{metric} is off"
    asked = {name: limit for (of, column, name), limit in limits.items() if of == check and column == _place(line, check)}
    metrics = rules.performance.metrics if check is Check.PERFORMANCE and rules.performance is not None else sorted(asked)
    name = metric or next((name for name in metrics if name in asked), "")
    if name not in asked:
        return ""
    return f"{_allowed(check, name, asked[name])} by {_whose(check, metric, rules)}"


def _place(line: Line, check: Check) -> str:
    """Performance is of no column."""
    return "" if check is Check.PERFORMANCE else line.column


def _volume(sizes: Sequence[float], rules: VolumeRules) -> str:
    less, more = any(size < 1 for size in sizes), any(size > 1 for size in sizes)
    ratios = [f"volume.{name} {number(ratio)}" for name, ratio, asked in
              (("min_ratio", rules.min_ratio, less), ("max_ratio", rules.max_ratio, more)) if asked and ratio is not None]
    return " and ".join(ratios) or "half the smallest and twice the largest usual window are no alarm"


def _given(metric: str, rules: Model) -> QualityLimit:
    """What the rules say of a kind of share; None where it is learned."""
    return getattr(rules.quality, f"max_{metric}", None) if metric else None


def _whose(check: Check, metric: str, rules: Model) -> str:
    """Who says how much is allowed."""
    match check:
        case Check.PERFORMANCE:
            return "performance.max_drop"
        case Check.DRIFT:
            return "drift.tests" if rules.drift.tests else "the reference"
        case _:
            return "the reference" if _given(metric, rules) is None else f"quality.max_{metric}"


def _allowed(check: Check, metric: str, limit: float) -> str:
    match check:
        case Check.QUALITY:
            return f"its {metric.replace('_', ' ')} is allowed up to {percent(limit)}"
        case Check.DRIFT:
            return f"its {metric} is allowed up to {number(limit)}"
        case _:
            return f"{metric} is allowed to come to {number(limit)}"
