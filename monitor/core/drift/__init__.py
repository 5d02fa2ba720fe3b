"""Drift tests on profiles: one file per test, and the table of those that can be asked for by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from monitor.core.drift.anderson import ANDERSON
from monitor.core.drift.base import AlarmsWhen, Measure, Method, NotApplicable, Pair, Side, pair_of, side_of
from monitor.core.drift.chisquare import CHISQUARE
from monitor.core.drift.cramer_von_mises import CRAMER_VON_MISES
from monitor.core.drift.ed import ED
from monitor.core.drift.fisher_exact import FISHER_EXACT
from monitor.core.drift.g_test import G_TEST
from monitor.core.drift.hellinger import HELLINGER
from monitor.core.drift.jensenshannon import JENSENSHANNON
from monitor.core.drift.kl_div import KL_DIV
from monitor.core.drift.ks import KS
from monitor.core.drift.mannw import MANNW
from monitor.core.drift.missing import MISSING
from monitor.core.drift.new_categories import NEW_CATEGORIES
from monitor.core.drift.psi import PSI
from monitor.core.drift.t_test import T_TEST
from monitor.core.drift.tvd import TVD
from monitor.core.drift.wasserstein import WASSERSTEIN
from monitor.core.drift.z import Z

_ALL = (
    ANDERSON,
    CHISQUARE,
    CRAMER_VON_MISES,
    ED,
    FISHER_EXACT,
    G_TEST,
    HELLINGER,
    JENSENSHANNON,
    KL_DIV,
    KS,
    MANNW,
    MISSING,
    NEW_CATEGORIES,
    PSI,
    T_TEST,
    TVD,
    WASSERSTEIN,
    Z,
)
DRIFT_TESTS: Mapping[str, Method] = MappingProxyType({method.name: method for method in _ALL})
NEEDS_ROWS = frozenset({"es", "empirical_mmd", "perc_text_content_drift", "abs_text_content_drift"})
"""Tests of Evidently that no profile can compute."""


def drift_test(name: str) -> Method:
    """The test of that name. Raises ValueError listing those that exist."""
    if name not in DRIFT_TESTS:
        raise ValueError(f"unknown drift test {name!r}, known: {', '.join(sorted(DRIFT_TESTS))}{rows_hint(name)}")
    return DRIFT_TESTS[name]


def rows_hint(name: str) -> str:
    """Where to have a test that needs rows; empty for all others."""
    return f"; {name} needs rows: evidently:{name} runs it on the window's row sample" if name in NEEDS_ROWS else ""


__all__ = [
    "DRIFT_TESTS",
    "AlarmsWhen",
    "Measure",
    "Method",
    "NotApplicable",
    "Pair",
    "Side",
    "drift_test",
    "pair_of",
    "rows_hint",
    "side_of",
]
