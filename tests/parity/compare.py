"""driftd's verdicts from profiles beside Evidently's from rows."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from monitor.core.drift import DRIFT_TESTS, AlarmsWhen
from monitor.core.evaluate import evaluate
from monitor.core.results import Check, Verdict
from monitor.core.rules import DriftRules, DriftTest, Formula
from monitor.core.schema import CategoricalValues, Floats, Ints, Kind, NumericValues, Values
from tests.core.judged import reference_of, rules_with, subject_of
from tests.parity.cases import CASES, Case, methods

ROOT = Path(__file__).parents[2]
PLACES = {case: at for at, case in enumerate(CASES)}
TIE = 0.05  # a miss is a tie where Evidently's number is within this share of its threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one test said of one case: Evidently's number and verdict, and driftd's."""

    case: Case
    method: str
    theirs: float
    ours: float
    they_alarm: bool
    we_alarm: bool

    @property
    def agrees(self) -> bool:
        return self.they_alarm == self.we_alarm

    @property
    def why(self) -> str:
        """Of a miss: how near Evidently's own number is to its threshold."""
        limit = DRIFT_TESTS[self.method].default_threshold
        off = abs(self.theirs - limit) / limit
        return f"a tie: {off:.1%} from the threshold" if off <= TIE else f"{off:.0%} from the threshold"


def answers(cases: Sequence[Case], formula: Formula, theirs: Sequence[dict[str, tuple[float, bool]]]) -> list[Answer]:
    """Every test of every case, judged from profiles through the same door as a window of the daemon."""
    found = []
    for case, scores in zip(cases, theirs, strict=True):
        ours = judged(case, formula)
        found += [
            Answer(case=case, method=name, theirs=score, they_alarm=alarm, ours=ours[name][0], we_alarm=ours[name][1])
            for name, (score, alarm) in scores.items()
        ]
    return found


def judged(case: Case, formula: Formula) -> dict[str, tuple[float, bool]]:
    """driftd's number, a p-value where Evidently says one, and verdict by method."""
    before, after = (_values(rows, case.kind) for rows in case.rows())
    tests = tuple(DriftTest(method=name, formula=formula) for name in methods(case))
    subject = subject_of(reference_of([{"x": before}], with_windows=False), {"x": after})
    results = evaluate(subject, rules_with(drift=DriftRules(tests=tests)))
    found: dict[str, tuple[float, bool]] = {}
    for result in results:
        if result.check is Check.DRIFT:
            number = result.p_value if DRIFT_TESTS[result.metric].alarms_when is AlarmsWhen.P_BELOW else result.value
            assert number is not None, result.reason
            found[result.metric] = (number, result.verdict is Verdict.ALERT)
    return found


def _values(rows: Floats | Ints, kind: Kind) -> Values:
    if kind is Kind.NUMERIC:
        return NumericValues(values=rows.astype("float64"))
    return CategoricalValues(codes=rows.astype("int32"), dictionary=tuple(f"c{i:03d}" for i in range(int(rows.max()) + 1)))


def evidently(cases: Sequence[Case]) -> list[dict[str, tuple[float, bool]]]:
    """Evidently's number and verdict by method, from a process that imports it; this one does not. Seeds may be any."""
    asked = json.dumps([(PLACES[replace(case, seed=0)], case.seed) for case in cases])
    done = subprocess.run(
        [sys.executable, "-m", "tests.parity.worker"], input=asked, capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    return [{name: (score, alarm) for name, (score, alarm) in scores.items()} for scores in json.loads(done.stdout)]


def agreement(found: Sequence[Answer]) -> float:
    return sum(answer.agrees for answer in found) / len(found)
