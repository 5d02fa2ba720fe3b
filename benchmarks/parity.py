"""Do tests from profiles say what Evidently says of the raw rows? Agreement of verdicts at its thresholds, and every miss."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from monitor.core.rules import Formula
from tests.parity.cases import CASES
from tests.parity.compare import Answer, agreement, answers, evidently


def by_method(found: list[Answer]) -> dict[str, list[Answer]]:
    return {name: [answer for answer in found if answer.method == name] for name in dict.fromkeys(a.method for a in found)}


def main() -> None:
    version = subprocess.run(
        [sys.executable, "-c", "from importlib.metadata import version; print(version('evidently'))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    theirs = evidently(CASES)
    same, own = (by_method(answers(CASES, formula, theirs)) for formula in (Formula.EVIDENTLY, Formula.DRIFTD))
    print(f"{len(CASES)} columns, Evidently {version} on the rows, driftd from profiles; verdicts at Evidently's thresholds.\n")
    print(
        "| test | cases | Evidently alarms | agreement, `formula: evidently` | misses | error of the number: median, p95 | "
        "agreement, driftd's own |"
    )
    print("|---|---|---|---|---|---|---|")
    for name, found in same.items():
        error = np.abs([answer.ours - answer.theirs for answer in found])
        print(
            f"| {name} | {len(found)} | {sum(a.they_alarm for a in found)} | {agreement(found):.1%} | {sum(not a.agrees for a in found)} | "
            f"{np.median(error):.2g}, {np.quantile(error, 0.95):.2g} | {agreement(own[name]):.1%} |"
        )
    print("\nEvery miss of `formula: evidently`:\n\n| test | column | Evidently | driftd | |\n|---|---|---|---|---|")
    for found in same.values():
        for miss in found:
            if not miss.agrees:
                print(f"| {miss.method} | {miss.case.name} | {miss.theirs:.4g} | {miss.ours:.4g} | {miss.why} |")


if __name__ == "__main__":
    main()
