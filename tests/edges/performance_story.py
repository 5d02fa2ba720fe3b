"""A store with the performance of two models over some weeks: labels come late, estimates come first, and then one model gets worse."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from monitor.core.results import Check, Result, Verdict
from monitor.core.rules import PerformanceRules, Task
from monitor.ports import Checkpoint, JoinRound, Judgement, LabelAccount, WindowDelta
from monitor.storage import SqlStore, open_store
from tests.edges.web_story import DAY, EVIL, FIRST, Day, model

RULES = PerformanceRules(metrics=("accuracy", "roc_auc", "log_loss"), max_drop=0.03, label_delay=timedelta(days=7), min_labelled=100)
LATE = replace(model("flight-delay"), performance=RULES, segments=("origin",))
PRICES = replace(model("fare-price", Task.REGRESSION), performance=replace(RULES, metrics=("mae",), max_drop=0.1))
SOON = replace(model("bag-loss"), performance=RULES)
MODELS = (LATE, PRICES, SOON)

DAYS = 30
DROPS_AT = 20
LABELLED_UNTIL = 27
"""Days from here on have no label yet."""
REFERENCE = {"accuracy": 0.84, "roc_auc": 0.82, "log_loss": 0.40, "mae": 12.0}
ROWS = 2000
LABELLED = {26: 63, 25: 88}
"""Per cents of the rows of days whose labels still come; of the days before 96, of those after none."""
SEGMENTS = {
    "origin=JFK": 0.05, "origin=LGA": 0.0, f"origin={EVIL}": 0.02, "origin=EWR": -0.02, "origin=(other)": 0.01, "origin=(null)": 0.03,
}  # fmt: skip
"""By how much each is worse than all rows on every day."""

LABELS = LabelAccount(matched=52_900, revised=12, repeated=3, expired=41, unlabelled=1_900)


def limit(metric: str) -> float:
    """What the metric is held against."""
    return REFERENCE[metric] * 1.03 if metric == "log_loss" else REFERENCE[metric] - 0.03


def truth(metric: str, day: int, worse: float = 0.0) -> float:
    """What all labels would tell."""
    lost = worse + 0.012 * math.sin(day * 1.7) + (0.11 if day >= DROPS_AT else 0.0)
    return round(REFERENCE[metric] + lost if metric == "log_loss" else REFERENCE[metric] - lost, 4)


def performance(day: Day, metric: str, value: float | None, **changes: object) -> Result:
    """A result of performance of a day."""
    made = Result(
        model=day.model, version="1", segment="*", window_start=day.key.start, window_end=day.key.end, check=Check.PERFORMANCE, column=None,
        metric=metric, value=value, threshold=limit(metric), p_value=None, verdict=Verdict.OK, reason="within 0.03 of the reference",
        rows=ROWS, reference="9f31c2aa0b7d", labelled=0, estimated=True, reference_value=REFERENCE[metric],
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def revisions(day: Day, metric: str, segment: str = "*") -> tuple[Result, ...]:
    """The estimate, and what labels made of it. The estimate sees but half of the drop."""
    real = truth(metric, day.number, SEGMENTS.get(segment, 0.0))
    seen = real + (0.05 if metric != "log_loss" else -0.05) * (day.number >= DROPS_AT) + 0.004
    first = performance(day, metric, round(seen, 4), segment=segment, ci_low=seen - 0.02, ci_high=seen + 0.02)
    if bad(metric, seen):
        first = replace(first, verdict=Verdict.ALERT, reason="estimated beyond the limit")
    if day.number >= LABELLED_UNTIL:
        return (first,)
    labelled = ROWS * LABELLED.get(day.number, 96) // 100
    half = 0.9 / math.sqrt(labelled if segment == "*" else labelled / 6)
    verdict = Verdict.ALERT if bad(metric, real) else Verdict.OK
    reason = "beyond the limit, and so is the interval" if verdict is Verdict.ALERT else "within 0.03 of the reference"
    interval = replace(first, value=real, ci_low=real - half, ci_high=real + half)
    return first, replace(interval, labelled=labelled, estimated=False, revision=1, verdict=verdict, reason=reason)


def bad(metric: str, value: float) -> bool:
    return value > limit(metric) if metric == "log_loss" else value < limit(metric)


def results_of(day: Day) -> tuple[Result, ...]:
    """All of a day of the flights, segments too; one of them never has labels enough."""
    whole = [each for metric in RULES.metrics for each in revisions(day, metric)]
    parts = [each for segment in SEGMENTS for each in revisions(day, "accuracy", segment)]
    few = performance(day, "accuracy", None, segment="origin=HPN", verdict=Verdict.INSUFFICIENT, estimated=None, labelled=7,
                      threshold=None, reason="7 of 100 labels needed", rows=31)  # fmt: skip
    return (*whole, *parts, few)


def price_of(day: Day) -> tuple[Result, ...]:
    """A day of the prices: nothing but that there are no labels yet."""
    none = performance(day, "mae", None, threshold=None, verdict=Verdict.INSUFFICIENT, estimated=None, reason="no labels yet")
    return (none,)


def tell(path: Path) -> SqlStore:
    """A new store in that folder, with the whole story in it."""
    store = open_store(f"sqlite:///{path}/performance.db")
    days = [Day(model=name, number=n) for name in (LATE.name, PRICES.name) for n in range(DAYS)]
    windows = tuple(WindowDelta(key=day.key, account=day.account, profile=None) for day in days)
    store.checkpoint(Checkpoint(at=FIRST + DAYS * DAY, windows=windows))
    assert store.record_join(JoinRound(model=LATE.name, number=store.join_number(LATE.name), account=LABELS))
    for day in days:
        previous = None if day.number == 0 else day.key.start
        results = results_of(day) if day.model == LATE.name else price_of(day)
        assert store.seal(day.model, day.key.end, previous)
        assert store.record(Judgement(model=day.model, judged_until=day.key.end, previous=previous, results=results))
    return store
