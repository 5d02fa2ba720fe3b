"""How the constants of the limits and of incidents were chosen: from made-up rows and from January and February alone.

Nothing later than February is read. The rule, fixed before its figures were seen: of the shares of noise whose false alarms on
independent rows are nowhere beyond the nominal chance + 3 standard errors, the one that sees most faults in left-out days of January and
February; and of the ways to hold an incident that end it at most half a window later, the one with the fewest incidents per lasting change.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from benchmarks import stationary
from benchmarks.stationary import DEVIATIONS, NUMBERS, Rows, Traffic, moved, weekend
from benchmarks.verdicts import FAULTS, START, Day, Driftd, alerting, broken, days_of, header, incidents, row, set_ups
from monitor.core import incidents as incident_rules
from monitor.core.drift import calibration
from monitor.core.drift.calibration import ROOT, Limit, Prediction, calmness
from monitor.core.drift.ks import largest_gap
from monitor.core.drift.noise import KsNoise, TvdNoise
from monitor.core.drift.rhythm import ColumnWindows
from monitor.core.drift.tvd import moved_share
from monitor.core.results import Check, Result
from monitor.core.schema import Floats

SEED = 99
SHARES_OF_NOISE = (0.4, 0.6, 0.8, 1.0)
WINDOWS = (3, 7, 14, 28, 59)  # of a reference
ROWS = 1000  # of a window
REFERENCES, NEW = 150, 300  # references of each kind, and windows judged by each
ALPHA = 1 / 30 * 0.5 / 6  # false alarms per column and day: 1 per 30 days, half for drift, six columns
DAY = timedelta(days=1)
CUTS = (((1, 1), (2, 1)), ((2, 1), (3, 1)), ((1, 1), (1, 16)), ((1, 16), (1, 31)), ((1, 31), (2, 15)), ((2, 15), (3, 1)))
"""What is left out of January and February, and judged by the rest."""

HOLDS = ((0.0, 0.5), (0.05, 0.5), (0.1, 0.0), (0.1, 0.5), (0.1, 0.8), (0.2, 0.5), (0.3, 0.5))  # HELD_P, HELD_SHARE
LASTING, AFTER = 30, 20  # windows with a change, and after it
SIZES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)  # of a change, in standard deviations, or in thirds of the first category
STRUCK = (("normal",), ("gamma",), ("k2",), ("k10",), ("normal", "gamma", "lognormal", "exponential", "uniform", "k2", "k5", "k10"))


def zipf(size: int) -> Floats:
    shares: Floats = 1 / np.arange(1, size + 1)
    return shares / shares.sum()


KINDS: dict[str, tuple[Floats, Callable[[Floats], Floats]]] = {
    "numbers in 100 bins": (np.full(100, 0.01), largest_gap),
    "20 values": (zipf(20), largest_gap),
    "2 values": (np.array([0.7, 0.3]), largest_gap),
    "2 categories": (np.array([0.5, 0.5]), moved_share),
    "2 categories, one rare": (np.array([0.97, 0.03]), moved_share),
    "10 categories": (zipf(10), moved_share),
    "100 categories": (zipf(100), moved_share),
}


# --- independent rows ----------------------------------------------------------------------------------------


def false_alarms(kind: str, windows: int, share: float) -> tuple[float, float]:
    """Per column and window, without floors of effect, and the standard error of that."""
    rng = np.random.default_rng([SEED, list(KINDS).index(kind), windows])
    found = np.array([_false_alarms(*KINDS[kind], windows, share, rng) for _ in range(REFERENCES)])
    return float(found.mean()), float(found.std(ddof=1) / math.sqrt(REFERENCES))


def _false_alarms(p: Floats, distance: Callable[[Floats], Floats], windows: int, share: float, rng: np.random.Generator) -> float:
    counts = rng.multinomial(ROWS, p, windows)
    total = counts.sum(axis=0)
    column = ColumnWindows(counts=counts, total=total, distance=distance, seasons={}, teaching=np.ones(windows, dtype=np.bool_))
    noise = KsNoise() if distance is largest_gap else TvdNoise.of(total / total.sum())
    unit = math.sqrt(1 / ROWS + 1 / (ROWS * windows))
    learned = Prediction.learn(column.distances(()).tolist(), share * noise.mean * unit, power=ROOT)
    limit = Limit(
        prediction=learned, noise=noise, rows=ROWS, reference_rows=ROWS * windows, calm=calmness(learned.seen, noise, unit)
    )  # fmt: skip
    new = distance(rng.multinomial(ROWS, p, NEW) / ROWS - total / total.sum())
    return float((new > limit.threshold(ALPHA, ROWS)).mean())


def independent() -> None:
    told = f"independent rows: false alarms per column and window, nominal {ALPHA:.4f}"
    header(told, "worst", "at", "mean", "beyond + 3 standard errors")
    for share in SHARES_OF_NOISE:
        found = {(kind, windows): false_alarms(kind, windows, share) for kind in KINDS for windows in WINDOWS}
        kind, windows = max(found, key=lambda at: found[at][0])
        beyond = sum(mean > ALPHA + 3 * error for mean, error in found.values())
        mean = float(np.mean([mean for mean, _ in found.values()]))
        row(f"noise counts at {share:g}", f"{found[kind, windows][0]:.4f}", f"{kind}, {windows} windows", f"{mean:.4f}",
            f"{beyond} of {len(found)}")  # fmt: skip


# --- January and February ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Fold:
    """Rows to learn from, and left-out days with and without faults."""

    reference: pd.DataFrame
    left_out: pd.DataFrame

    @property
    def quiet(self) -> list[Day]:
        return days_of(self.left_out)


def folds() -> Iterator[Fold]:
    for set_up in set_ups():
        rows = set_up.between(set_up.reference_start, START)
        for begin, end in CUTS:
            out = (rows["ts"] >= datetime(2013, *begin, tzinfo=UTC)) & (rows["ts"] < datetime(2013, *end, tzinfo=UTC))
            yield Fold(reference=rows[~out].reset_index(drop=True), left_out=rows[out].reset_index(drop=True))


def left_out_days() -> None:
    header("January and February, left-out days", "days with an alarm", *(fault.name for fault in FAULTS), "mean")
    made, usual = list(folds()), calibration.NOISE_SHARE
    for share in SHARES_OF_NOISE:
        calibration.NOISE_SHARE = share
        quiet, seen = [], {fault.name: list[bool]() for fault in FAULTS}
        for fold in made:
            tool = Driftd(fold.reference)
            quiet += [bool(alerting(tool.judge(day))) for day in fold.quiet]
            for fault in FAULTS:
                days = broken(fold.left_out, fold.reference, fault, min(fault.draws, 2))
                seen[fault.name] += [tool.alarms(fault.column, day) for day in days]
        powers = [float(np.mean(alarms)) for alarms in seen.values()]
        row(f"noise counts at {share:g}", f"{sum(quiet)} of {len(quiet)}", *(f"{p:.2f}" for p in powers), f"{np.mean(powers):.3f}")
    calibration.NOISE_SHARE = usual


# --- lasting changes -----------------------------------------------------------------------------------------


def changed(rows: Rows, columns: tuple[str, ...], size: float, rng: np.random.Generator) -> Rows:
    found = dict(rows)
    for name in columns:
        found |= {name: rows[name] + size * DEVIATIONS[name]} if name in NUMBERS else moved(rows, rng, name, 0.3 * size)
    return found


Judged = list[tuple[datetime, tuple[Result, ...]]]


def lasting_changes() -> Iterator[tuple[tuple[str, ...], Judged]]:
    """Days with a weekly rhythm and weather; a change of known length in some columns."""
    for lasting in (0.5, 0.8):
        traffic = Traffic(
            name="", rows=3000, window=DAY, reference=56, judged=LASTING + AFTER, season=weekend, weather=0.1, lasting=lasting
        )  # fmt: skip
        for seed in range(4):
            windows = traffic.windows(traffic.reference + traffic.judged, 0, SEED + seed)
            tool = stationary.Driftd(traffic, windows[: traffic.reference])
            for columns in STRUCK:
                for size in SIZES:
                    rng = np.random.default_rng([SEED, seed])
                    days = windows[traffic.reference :]
                    yield columns, [
                        (start, tool.judge(start, changed(rows, columns, size, rng) if at < LASTING else rows))
                        for at, (start, rows) in enumerate(days)
                    ]


def held(cases: list[Judged]) -> str:
    """Incidents per change that was seen, windows after it until none is open, and how often one still is when all have passed."""
    began, late = [], []
    for judged in cases:
        told = incidents(judged, Check.DRIFT)
        during = [start for start in told.began if start < judged[LASTING][0]]
        began += [len(during)] if during else []
        late += [[*told.open[LASTING:], False].index(False) + 1] if during and told.open[LASTING - 1] else []
    return f"{np.mean(began):.2f}, {np.mean(late):.2f}, {late.count(AFTER + 1)} of {len(late)}"


def holding() -> None:
    told = f"incidents per change, windows until it ends, not within {AFTER}"
    header("lasting changes", f"of 1 column: {told}", "of 8 columns")
    cases = list(lasting_changes())
    groups = [[judged for columns, judged in cases if (len(columns) > 1) is many] for many in (False, True)]
    usual = incident_rules.HELD_P, incident_rules.HELD_SHARE
    for p, share in HOLDS:
        incident_rules.HELD_P, incident_rules.HELD_SHARE = p, share
        row(f"held at p < {p:g}, from {share:g} of the limit" if p else "never held", *(held(group) for group in groups))
    incident_rules.HELD_P, incident_rules.HELD_SHARE = usual


def main() -> None:
    independent()
    left_out_days()
    holding()


if __name__ == "__main__":
    main()
