"""Categories that the reference has never seen."""

from __future__ import annotations

import heapq
from collections.abc import Mapping

import numpy as np

from monitor.core.drift.calibration import unseen_rows
from monitor.core.finding import Finding, number, percent
from monitor.core.profile import CategoricalProfile, Profile
from monitor.core.quality.look import Look, QualityKind, finding, given
from monitor.core.quality.usual import FLOOR

NAMED = 3  # unseen categories named in a reason
SCATTERED = 0.02  # share up to which many unseen categories, each within FLOOR, are the long tail that any reference lacks


def judge_unseen(look: Look) -> Finding | None:
    """Rows in unseen categories among those that have one. One large category counts from ``FLOOR`` on, many small from ``SCATTERED``."""
    here, there = look.here, look.there
    if not isinstance(here, CategoricalProfile) or not isinstance(there, CategoricalProfile) or not here.n:
        return None
    rows, limit = unseen_rows(here, there), given(QualityKind.UNSEEN, look.rules)
    threshold = limit if isinstance(limit, float) else _learned(look, here, there)
    names = _names(look, here) if rows else ""
    reason = f"{look.name}: {percent(rows / here.n)} unseen categories, limit {percent(threshold)}{names}"
    return finding(look.name, QualityKind.UNSEEN, value=rows / here.n, threshold=threshold, reason=reason)


def _learned(look: Look, here: CategoricalProfile, there: CategoricalProfile) -> float:
    usual = look.usual(QualityKind.UNSEEN, missing_mass(there)).limit(here.n, look.alpha)
    largest = max(unseen_counts(look.name, look.profile, look.reference.profile).values(), default=0)
    return max(usual, SCATTERED) if largest <= FLOOR * here.n else usual


def missing_mass(reference: CategoricalProfile) -> float:
    """The share of rows to expect in categories that a reference lacks: Good and Turing's estimate, the share of those seen once.

    Rows of the reference itself whose categories could not be kept count too. Source: Good 1953, Biometrika 40.
    """
    once = int(np.count_nonzero(reference.counts == 1)) + sum(count == 1 for count in reference.new.kept.values())
    return (once + reference.new.other) / reference.n if reference.n else 0.0


def unseen_counts(name: str, here: Profile, there: Profile) -> Mapping[str, int]:
    """Rows of the window by category that the reference lacks, as far as their names are known."""
    column, known = here.columns[name], there.columns[name]
    if not isinstance(column, CategoricalProfile) or not isinstance(known, CategoricalProfile):
        return {}
    counts = {text: count for text, count in here.new_categories(name).items() if text not in known.new.kept}
    gone = zip(column.grid.categories, column.counts.tolist(), known.counts.tolist(), strict=True)
    return counts | {text: count for text, count, had in gone if count and not had}


def unseen_names(name: str, here: Profile, there: Profile) -> tuple[str, ...]:
    """The largest of them, at most ``NAMED``."""
    counts = unseen_counts(name, here, there)
    return tuple(heapq.nsmallest(NAMED, counts, key=lambda text: (-counts[text], text)))


def _names(look: Look, column: CategoricalProfile) -> str:
    names = unseen_names(look.name, look.profile, look.reference.profile)
    more = column.new.distinct - len(names)
    if not names:
        return f", about {number(more)} of them"
    others = f" and about {number(more)} others" if column.new.other else " and others"
    return f": {', '.join(map(repr, names))}{others if more > 0 else ''}"
