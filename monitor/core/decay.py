"""How well a model does, in words: what results of performance say to people."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from monitor.core.finding import number, percent
from monitor.core.results import ALL_ROWS, Check, Result, Verdict, identity, latest, only_told
from monitor.core.rules import Model, PerformanceRules

DROPPED = frozenset({Verdict.ALERT, Verdict.WARN})

FEWEST_DECIMALS = 2
MOST_DECIMALS = 5
SMALL = 10.0
"""Values from here on need no decimals of their own."""
ALMOST_ALL = 99.9
"""Per cent: what would be rounded to all, and is not."""
NO_DROP = "no drop of performance seen so far"
DROPPED_BEFORE = "dropped in an earlier window of the incident; of the last one"
UNCONFIRMED = "; labels may say otherwise"
"""An estimate trusts the scores: where a fault upstream makes them sure and wrong, it is high."""
LONGEST_PLACE = 60
"""Characters of a segment or version in a sentence; they come from logs."""


def beyond(result: Result) -> float:
    """How many times the allowed change a value is from the reference's; negative where it is better, 0 where nobody can tell."""
    before, value, limit = result.reference_value, result.value, result.threshold
    if before is None or value is None or limit is None or limit == before:
        return 0.0
    return (value - before) / (limit - before)


def worst_first(results: Iterable[Result]) -> list[Result]:
    """All rows before segments, alerts before warnings, then by how far beyond."""
    return sorted(results, key=lambda r: (r.segment != ALL_ROWS, r.verdict is not Verdict.ALERT, -beyond(r), identity(r)))


def precise(value: float, step: float | None) -> str:
    """A value with the digits that its uncertainty ``step`` leaves: ``0.71`` at ±0.02, ``0.7104`` at ±0.0004."""
    if step is None or not 0 < step < math.inf:
        return number(value)
    places = min(max(math.floor(-math.log10(step)) + 1, FEWEST_DECIMALS if abs(value) < SMALL else 0), MOST_DECIMALS)
    return f"{round(value, places) + 0.0:,.{places}f}"  # + 0.0: there is no minus nothing


def step_of(result: Result) -> float | None:
    """Half of a result's interval; None without one."""
    return None if result.ci_low is None or result.ci_high is None else (result.ci_high - result.ci_low) / 2


def value_with_interval(result: Result) -> str:
    """``0.79 [0.77, 0.81]``; the value alone where it has no interval."""
    if result.value is None or result.ci_low is None or result.ci_high is None:
        return number(result.value)
    step = step_of(result)
    return f"{precise(result.value, step)} [{precise(result.ci_low, step)}, {precise(result.ci_high, step)}]"


def labelled_share(result: Result) -> float | None:
    """Rows with a label of all rows, within [0, 1]; None where that is not told."""
    return None if result.labelled is None or not result.rows else min(result.labelled / result.rows, 1.0)


def share_words(share: float) -> str:
    """``63 %``, ``2.51 %``; ``99.9 %`` where a few are missing."""
    said = percent(share)
    return f"{ALMOST_ALL} %" if share < 1 and said == percent(1.0) else said


def evidence_words(result: Result) -> str:
    """``realised, 96 % labelled`` or ``estimated, no labels yet``; the first word alone where labels are not waited for."""
    kind, share = "estimated" if result.estimated else "realised", labelled_share(result)
    if result.labelled is None:
        return kind
    return f"{kind}, {share_words(share)} labelled" if share else f"{kind}, no labels yet"


def evidence_in_short(result: Result) -> str:
    """``63 % labelled``, or ``estimated``."""
    share = labelled_share(result)
    return "estimated" if result.estimated else f"{share_words(share)} labelled" if share is not None else "realised"


def change_sentence(result: Result, *, versions: bool = False) -> str:
    """``accuracy fell from 0.84 to 0.71 [0.69, 0.73] (realised, 96 % labelled)``; the check's own words where less is known.

    ``versions``: whether to name the version, as there are several.
    """
    before = result.reference_value
    what = _subject(result, versions)
    if before is None or result.value is None or result.value == before:
        return f"{what}: {result.reason.removeprefix(f'{result.metric} ')}"
    moved = "fell" if result.value < before else "rose"
    return f"{what} {moved} from {precise(before, step_of(result))} to {value_with_interval(result)} ({evidence_words(result)})"


def performance_sentence(results: Iterable[Result], rules: Model) -> str:
    """What a message tells of performance beside the cause: the worst drop; or that none is seen so far; or that nothing is known yet.

    Empty where there are no results of performance.
    """
    current = [result for result in latest(results).values() if result.check is Check.PERFORMANCE and not only_told(result)]
    versions = len({result.version for result in current}) > 1
    dropped = worst_first(r for r in current if r.verdict in DROPPED)
    if dropped:
        more = len(dropped) - 1
        return change_sentence(dropped[0], versions=versions) + (f"; and {more} more" if more else "")
    whole = _by_importance([result for result in current if result.segment == ALL_ROWS], rules.performance)
    well = [result for result in whole if result.verdict is Verdict.OK and result.value is not None]
    if well:
        first = well[0]
        how = ("estimated" + UNCONFIRMED * (first.labelled is not None)) if first.estimated else evidence_words(first)
        return f"{NO_DROP}: {_subject(first, versions)} {value_with_interval(first)}, {how}"
    return f"performance is not known yet: {whole[0].reason}" if whole else ""


def sentence_within(sentence: str, checks: Iterable[str]) -> str:
    """``performance_sentence`` of one window, for an incident with ``checks``: it may have been a window before that dropped."""
    return sentence.replace(NO_DROP, DROPPED_BEFORE, 1) if Check.PERFORMANCE in checks and sentence.startswith(NO_DROP) else sentence


def _by_importance(results: Sequence[Result], rules: PerformanceRules | None) -> list[Result]:
    """In the order in which the configuration names the metrics."""
    named = () if rules is None else rules.metrics
    return sorted(results, key=lambda r: (named.index(r.metric) if r.metric in named else len(named), r.metric, r.version))


def _subject(result: Result, versions: bool) -> str:
    """The metric, and where it is of a part of the rows, which."""
    where = "" if result.segment == ALL_ROWS else f" in {_short(result.segment)}"
    return f"{result.metric}{where}{f' of version {_short(result.version)}' if versions else ''}"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_PLACE else f"{text[: LONGEST_PLACE - 1]}…"
