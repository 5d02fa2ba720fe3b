"""Evidently's verdicts on raw rows: a process of its own. Reads positions in CASES and seeds, writes scores and verdicts, as JSON."""

from __future__ import annotations

import importlib
import json
import sys
import warnings
from dataclasses import replace

from monitor.core.schema import Kind
from tests.parity.cases import CASES, Case, methods

MODULES = {
    "psi": "psi", "jensenshannon": "jensenshannon", "ks": "ks_stattest", "wasserstein": "wasserstein_distance_norm",
    "chisquare": "chisquare_stattest", "kl_div": "kl_div", "t_test": "t_test", "mannw": "mann_whitney_urank_stattest",
    "cramer_von_mises": "cramer_von_mises_stattest", "anderson": "anderson_darling_stattest", "ed": "energy_distance", "z": "z_stattest",
}  # fmt: skip


def verdicts(case: Case) -> dict[str, tuple[float, bool]]:
    import pandas as pd
    from evidently import ColumnType
    from evidently.legacy.calculations.stattests.registry import StatTest

    before, after = (pd.Series(rows) for rows in case.rows())
    kind = ColumnType.Numerical if case.kind is Kind.NUMERIC else ColumnType.Categorical
    if case.kind is not Kind.NUMERIC:
        before, after = before.map("c{:03d}".format), after.map("c{:03d}".format)
    found: dict[str, tuple[float, bool]] = {}
    for name in methods(case):
        module = importlib.import_module(f"evidently.legacy.calculations.stattests.{MODULES[name]}")
        test = next(value for value in vars(module).values() if isinstance(value, StatTest) and value.name == name)
        result = test(before, after, kind, None)
        found[name] = (float(result.drift_score), bool(result.drifted))
    return found


def main() -> None:
    warnings.filterwarnings("ignore")  # scipy tells of p-values it caps and of categories it divides by
    json.dump([verdicts(replace(CASES[at], seed=seed)) for at, seed in json.load(sys.stdin)], sys.stdout)


if __name__ == "__main__":
    main()
