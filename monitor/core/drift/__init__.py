"""Drift tests on profiles: one file per test, and the table of those that can be asked for by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from monitor.core.drift.base import AlarmsWhen, Measure, Method, Pair, Side, pair_of, side_of
from monitor.core.drift.chisquare import CHISQUARE
from monitor.core.drift.jensenshannon import JENSENSHANNON
from monitor.core.drift.ks import KS
from monitor.core.drift.psi import PSI
from monitor.core.drift.wasserstein import WASSERSTEIN

DRIFT_TESTS: Mapping[str, Method] = MappingProxyType(
    {method.name: method for method in (PSI, JENSENSHANNON, KS, WASSERSTEIN, CHISQUARE)}
)


def drift_test(name: str) -> Method:
    """The test of that name. Raises ValueError listing those that exist."""
    if name not in DRIFT_TESTS:
        raise ValueError(f"unknown drift test {name!r}, known: {', '.join(sorted(DRIFT_TESTS))}")
    return DRIFT_TESTS[name]


__all__ = ["DRIFT_TESTS", "AlarmsWhen", "Measure", "Method", "Pair", "Side", "drift_test", "pair_of", "side_of"]
