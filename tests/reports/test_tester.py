"""Findings from row samples: Evidently's own numbers, confined failures, and a classifier that stays quiet on noise."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from monitor.core.drift.sampled import samples_of
from monitor.core.evaluate import asks_of_samples, evaluate
from monitor.core.finding import Finding
from monitor.core.results import Verdict
from monitor.core.rules import DriftTest
from monitor.core.schema import Column, Kind, NumericValues
from monitor.errors import Retryable
from monitor.reports import EvidentlyTester, Limits, Worker, known_tests, wire
from tests.reports.fake_evidently import broken_package, fake_evidently
from tests.reports.samples import QUICK, a_worker, asking, data, subject


class Ticking:
    """A clock that is moved by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def asked_of(worker: Worker, clock: Ticking | None = None) -> EvidentlyTester:
    return EvidentlyTester(worker, monotonic=clock or Ticking())


def by_column(findings: object) -> dict[str | None, Finding]:
    found = list(findings)  # type: ignore[call-overload]
    assert len({(f.metric, f.column) for f in found}) == len(found)
    return {finding.column: finding for finding in found}


@pytest.fixture(scope="module")
def real() -> Iterator[Worker]:
    """The real Evidently; its import takes seconds."""
    with a_worker(limits=Limits(seconds=90.0)) as worker:
        yield worker


RNG = np.random.default_rng
BEFORE, AFTER = data(RNG(1), 2_000), data(RNG(2), 1_000, shift=0.5)

DIRECTLY = """
import json, sys
import numpy as np, pandas as pd
from evidently import ColumnType
from evidently.legacy.calculations.stattests.registry import get_registered_stattest
for name, numeric, reference, window in json.load(sys.stdin):
    np.random.seed(0)
    kind, dtype = (ColumnType.Numerical, "float64") if numeric else (ColumnType.Categorical, "object")
    found = get_registered_stattest(name, kind)(pd.Series(reference, dtype=dtype), pd.Series(window, dtype=dtype), kind, None)
    print(json.dumps([float(found.drift_score), bool(found.drifted), float(found.actual_threshold)]))
"""


def test_numbers_are_those_of_evidently_called_directly(real: Worker) -> None:
    names = ("wasserstein", "ks", "psi", "jensenshannon", "chisquare", "anderson", "mannw", "hellinger", "TVD", "ed")
    window = subject(BEFORE, AFTER)
    assert window.profile is not None
    assert window.reference is not None
    columns = [Column(name="x", kind=Kind.NUMERIC), Column(name="c", kind=Kind.CATEGORICAL)]
    samples = samples_of(columns, window.profile, window.reference)
    found = asked_of(real).findings(window, asking(*(DriftTest(method=f"evidently:{name}") for name in names)))
    wanted = [(f, samples.columns[f.column]) for f in found if f.column in samples.columns]
    asked = [[f.metric.partition(":")[2], column.numeric, column.reference, column.window] for f, column in wanted]
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", DIRECTLY], input=json.dumps(asked), capture_output=True, text=True,
                          check=True, env={**os.environ, "PYTHONHASHSEED": "0"})  # Evidently sums over sets: the last digit hangs on it
    direct = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(direct) == len(wanted) >= 12
    for (finding, _), (score, drifted, threshold) in zip(wanted, direct, strict=True):
        assert (finding.value, finding.threshold) == (score, threshold), finding
        assert (finding.verdict is Verdict.ALERT) == drifted, finding


def test_the_same_samples_give_the_same_findings(real: Worker) -> None:
    rules = asking(DriftTest(method="evidently:TVD"), DriftTest(method="evidently:wasserstein"), domain_classifier=True)
    once = asked_of(real).findings(subject(BEFORE, AFTER), rules)
    real.close()
    assert asked_of(real).findings(subject(BEFORE, AFTER), rules) == once


def test_a_test_says_what_it_compared(real: Worker) -> None:
    test = DriftTest(method="evidently:ks", threshold=0.01, columns=("x",))
    found = by_column(asked_of(real).findings(subject(BEFORE, AFTER), asking(test)))
    assert found["x"].verdict is Verdict.ALERT
    assert found["x"].p_value == found["x"].value
    assert found["x"].threshold == 0.01
    assert found["x"].reason.startswith("x drifted: Evidently's ks p ")
    assert found["x"].reason.endswith("alarms below 0.01; 200 sampled rows against 2,000 of the reference")


def test_without_kept_rows_values_are_drawn_from_the_profile_and_it_is_said(real: Worker) -> None:
    test = DriftTest(method="evidently:wasserstein")
    rows, drawn = (by_column(asked_of(real).findings(subject(BEFORE, AFTER, keep=keep), asking(test))) for keep in (True, False))
    assert drawn["x"].value == pytest.approx(rows["x"].value, abs=0.01)
    assert "drawn from its profile, as it keeps no rows (reference.sample_rows)" in drawn["x"].reason


def test_a_test_that_does_not_fit_is_told_only_where_its_column_was_named(real: Worker) -> None:
    named = by_column(asked_of(real).findings(subject(BEFORE, AFTER), asking(DriftTest(method="evidently:ks", columns=("c", "x")))))
    assert named["c"].verdict is Verdict.SKIPPED
    assert named["c"].reason == "evidently:ks is not for categorical columns"
    unnamed = by_column(asked_of(real).findings(subject(BEFORE, AFTER), asking(DriftTest(method="evidently:ks"))))
    assert set(unnamed) == {"x", "y"}
    [none] = asked_of(real).findings(subject(BEFORE, AFTER), asking(DriftTest(method="evidently:abs_text_content_drift")))
    assert (none.verdict, none.column) == (Verdict.SKIPPED, None)


def test_a_column_that_raises_in_evidently_is_an_error_of_its_own(real: Worker) -> None:
    before, after = ({**data(RNG(n), 500), "x": NumericValues(values=np.ones(500))} for n in (1, 2))
    found = by_column(asked_of(real).findings(subject(before, after), asking(DriftTest(method="evidently:anderson"))))
    assert found["x"].verdict is Verdict.ERROR
    assert "more than one distinct observation" in found["x"].reason
    assert found["y"].verdict is Verdict.OK


def test_columns_without_values_are_not_asked_about(real: Worker) -> None:
    nothing = NumericValues(values=np.full(300, np.nan))
    after = {**data(RNG(2), 300), "x": nothing}
    found = by_column(asked_of(real).findings(subject(BEFORE, after), asking(DriftTest(method="evidently:ks"))))
    assert found["x"].verdict is Verdict.INSUFFICIENT
    assert found["y"].verdict is Verdict.OK
    before = {**data(RNG(2), 300), "x": nothing}
    found = by_column(asked_of(real).findings(subject(before, AFTER), asking(DriftTest(method="evidently:ks"))))
    assert found["x"].verdict is Verdict.SKIPPED
    found = by_column(asked_of(real).findings(subject(BEFORE, AFTER, sample_rows=0), asking(DriftTest(method="evidently:ks"))))
    assert found["x"].reason == "the window keeps no sample of its rows (sample_rows)"


def test_evidently_in_as_little_memory_as_it_needs_answers_by_one_process_and_in_less_says_so() -> None:
    with a_worker(limits=Limits(seconds=90.0, memory=384 * 2**20)) as worker:
        version, names = known_tests(worker)
        pid = worker.pid
        findings = asked_of(worker).findings(subject(BEFORE, AFTER), asking(DriftTest(method="evidently:ks")))
        assert {f.verdict for f in findings} == {Verdict.ALERT}
        assert worker.pid == pid, "it does not make way for being as large as it was from the start"
        assert (version[:4], "evidently:psi" in names) == ("0.7.", True)
    with a_worker(limits=Limits(seconds=90.0, memory=160 * 2**20)) as worker:
        found = asked_of(worker).findings(subject(BEFORE, AFTER), asking(DriftTest(method="evidently:ks", columns=("x",))))
        assert [(f.verdict, f.reason.partition(": ")[0]) for f in found] == [(Verdict.ERROR, "evidently:ks of x failed")]


# --- a worker that dies --------------------------------------------------------------------------------------


def test_a_test_that_ends_its_worker_takes_no_other_with_it_and_rests(tmp_path: Path) -> None:
    clock = Ticking()
    rules = asking(DriftTest(method="evidently:crashes", columns=("x",)), DriftTest(method="evidently:answers"))
    with a_worker(fake_evidently(tmp_path)) as worker:
        asked = asked_of(worker, clock)
        for verdict, reason in ((Verdict.ERROR, "evidently:crashes of x failed: the worker was ended by SIGSEGV"),
                                (Verdict.SKIPPED, "evidently:crashes of x ended its worker a short while ago; it rests for 10 minutes")):
            found = asked.findings(subject(BEFORE, AFTER), rules)
            assert [(f.verdict, f.reason) for f in found if f.metric == "evidently:crashes"] == [(verdict, reason)]
            assert [f.verdict for f in found if f.metric == "evidently:answers"] == [Verdict.ALERT] * 3
        clock.now += 601
        assert Verdict.ERROR in {f.verdict for f in asked.findings(subject(BEFORE, AFTER), rules)}


def test_two_dead_workers_are_enough_for_one_window(tmp_path: Path) -> None:
    with a_worker(fake_evidently(tmp_path)) as worker:
        found = asked_of(worker).findings(subject(BEFORE, AFTER), asking(DriftTest(method="evidently:exits")))
    assert [f.verdict for f in found] == [Verdict.ERROR, Verdict.ERROR, Verdict.SKIPPED]
    assert found[-1].reason == "evidently:exits of y was not run: 2 workers ended in this window"


def test_a_window_whose_answers_are_all_slow_has_its_time_and_no_more(tmp_path: Path) -> None:
    """Else fifty columns of nearly a minute each would hold up every other model for an hour."""
    clock, beats = Ticking(), []

    def slowly() -> None:
        beats.append(clock.now)
        clock.now += 0.9 * QUICK.seconds

    with a_worker(fake_evidently(tmp_path)) as worker:
        asked = EvidentlyTester(worker, monotonic=clock, alive=slowly)
        tests = [DriftTest(method=f"evidently:{name}") for name in ("answers", "prints")]
        found = asked.findings(subject(BEFORE, AFTER), asking(*tests))
        assert [f.verdict for f in found] == [*[Verdict.ALERT] * 3, *[Verdict.SKIPPED] * 3]
        assert found[3].reason == "evidently:prints of c was not run: the window has had its time, 2 times reports.deadline"
        assert len(beats) == 3
        assert [f.verdict for f in asked.findings(subject(BEFORE, AFTER), asking(tests[1]))] == [Verdict.ALERT] * 3, "the next has its own"


def test_a_death_is_a_sign_of_life_of_the_daemon_too(tmp_path: Path) -> None:
    beats: list[int] = []
    with a_worker(fake_evidently(tmp_path)) as worker:
        EvidentlyTester(worker, monotonic=Ticking(), alive=lambda: beats.append(1)).findings(
            subject(BEFORE, AFTER), asking(DriftTest(method="evidently:exits")))
    assert len(beats) == 2


def test_a_close_waits_for_no_answer(tmp_path: Path) -> None:
    with a_worker(fake_evidently(tmp_path)) as worker:
        worker.ask(wire.Names())
        asked = asked_of(worker)
        threading.Timer(0.5, asked.close).start()
        began = time.monotonic()
        with pytest.raises(Retryable):
            asked.findings(subject(BEFORE, AFTER), asking(DriftTest(method="evidently:hangs")))
        assert time.monotonic() - began < 5


def test_a_score_that_is_no_number_is_an_error(tmp_path: Path) -> None:
    rules = asking(DriftTest(method="evidently:not_a_number", columns=("x",)))
    with a_worker(fake_evidently(tmp_path)) as worker:
        results = evaluate(subject(BEFORE, AFTER), rules, asked_of(worker).findings(subject(BEFORE, AFTER), rules))
    [result] = [result for result in results if result.metric == "evidently:not_a_number"]
    assert (result.verdict, result.value) == (Verdict.ERROR, None)


def test_without_evidently_its_tests_are_skipped(tmp_path: Path) -> None:
    with a_worker(broken_package(tmp_path, "evidently")) as worker:
        found = by_column(asked_of(worker).findings(subject(BEFORE, AFTER), asking(DriftTest(method="evidently:ks"))))
    assert {f.verdict for f in found.values()} == {Verdict.SKIPPED}
    assert found["x"].reason == ("evidently:ks of x was not run: evidently is not installed; pip install 'driftd[reports]' brings it")


def test_without_scikit_learn_the_classifier_is_skipped(tmp_path: Path) -> None:
    with a_worker(broken_package(tmp_path, "sklearn")) as worker:
        for windows in (1, 20):
            [found] = asked_of(worker).findings(subject(BEFORE, AFTER, windows=windows), asking(domain_classifier=True))
            assert (found.verdict, "sklearn is not installed" in found.reason) == (Verdict.SKIPPED, True)


# --- the domain classifier -----------------------------------------------------------------------------------


def test_columns_that_no_longer_go_together_are_told_apart_though_each_is_as_before(real: Worker) -> None:
    before, after = data(RNG(1), 3_000), data(RNG(2), 1_000, together=False)
    [found] = asked_of(real).findings(subject(before, after), asking(domain_classifier=True))
    assert found.verdict is Verdict.ALERT, found
    assert (found.column, found.metric) == (None, "domain_classifier")
    assert found.p_value is not None
    assert found.p_value < 1e-4
    leaning = found.reason.partition("leans on ")[2]
    assert leaning.startswith(("x (", "y ("))
    assert "c (" not in leaning.split(", ")[0]


def test_a_window_of_the_same_kind_is_not_told_apart(real: Worker) -> None:
    found = [asked_of(real).findings(subject(BEFORE, data(RNG(seed), 1_000)), asking(domain_classifier=True))[0] for seed in range(10, 20)]
    assert {f.verdict for f in found} == {Verdict.OK}


def test_reference_windows_teach_what_is_usual(real: Worker) -> None:
    """Each of the reference's windows has a level of its own; a window with yet another level is no drift."""
    rng = RNG(3)
    levels = rng.normal(0.0, 1.0, 25)
    rows = 2_500
    window = np.arange(rows) % 25
    before = {"x": NumericValues(values=levels[window] + rng.normal(0.0, 1.0, rows)), "y": NumericValues(values=rng.normal(size=rows))}
    after = {"x": NumericValues(values=rng.normal(1.0, 1.0, 500)), "y": NumericValues(values=rng.normal(size=500))}
    rules = asking(domain_classifier=True)
    [naive] = asked_of(real).findings(subject(before, after), rules)
    [learned] = asked_of(real).findings(subject(before, after, windows=25), rules)
    assert naive.verdict is Verdict.ALERT
    assert learned.verdict is Verdict.OK
    assert "learned from 20 of the reference's windows, 100 rows against 2,500" in learned.reason


@pytest.mark.parametrize(("keep", "sample_rows", "verdict", "reason"), [
    (False, 200, Verdict.SKIPPED, "the reference keeps no rows to tell those of the window from (reference.sample_rows)"),
    (True, 20, Verdict.INSUFFICIENT, "a sample of 20 rows, fewer than 30"),
])
def test_the_classifier_says_why_it_cannot(keep: bool, sample_rows: int, verdict: Verdict, reason: str) -> None:
    [found] = asked_of(Worker()).findings(subject(BEFORE, AFTER, keep=keep, sample_rows=sample_rows), asking(domain_classifier=True))
    assert (found.verdict, found.reason) == (verdict, reason)


# --- into the evaluation -------------------------------------------------------------------------------------


def test_findings_come_into_the_results_and_what_nobody_ran_is_told() -> None:
    window, rules = subject(BEFORE, AFTER), asking(DriftTest(method="evidently:ks"), domain_classifier=True)
    assert asks_of_samples(window, rules)
    told = {r.metric: r for r in evaluate(window, rules) if r.check == "drift"}
    assert {name: told[name].verdict for name in ("evidently:ks", "domain_classifier")} == dict.fromkeys(
        ("evidently:ks", "domain_classifier"), Verdict.SKIPPED)
    assert told["evidently:ks"].reason == "evidently:ks is not run here: it needs driftd's worker process"


def test_nothing_is_asked_of_a_window_that_cannot_be_judged_nor_where_nothing_is_asked() -> None:
    window = subject(BEFORE, AFTER)
    assert not asks_of_samples(window, asking(DriftTest(method="ks")))
    assert not asks_of_samples(replace(window, reference=None), asking(domain_classifier=True))
    assert not asks_of_samples(replace(window, key=replace(window.key, segment="c=a")), asking(domain_classifier=True))
    assert asked_of(Worker()).findings(replace(window, reference=None), asking(domain_classifier=True)) == ()
