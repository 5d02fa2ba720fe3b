"""Evidently's tests and the domain classifier as findings of a window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from monitor.core.drift.calibration import alpha_per_window, budget_shares
from monitor.core.drift.domain import MIN_ROWS, NOT_LEARNED, Usual, comparable_rows, learn_area_limit, parts_of
from monitor.core.drift.sampled import (
    DOMAIN_CLASSIFIER,
    PREFIX,
    Origin,
    SampledColumn,
    Samples,
    capped,
    is_sampled,
    samples_of,
    whole,
)
from monitor.core.evaluate import Subject, watched
from monitor.core.finding import Finding, number
from monitor.core.results import Check, Verdict
from monitor.core.rules import DriftTest, Model
from monitor.core.segments import with_share
from monitor.log import Action, logger
from monitor.reports import wire
from monitor.reports.absent import not_installed
from monitor.reports.process import Died, Worker

log = logger(__name__)

P_VALUES = frozenset({"anderson", "chisquare", "cramer_von_mises", "empirical_mmd", "es", "fisher_exact", "g_test", "ks", "mannw",
                      "t_test", "TVD", "z"})
"""Those of Evidently's tests whose score is a p-value: the others score a distance."""
MOST_DEATHS = 2
"""Of workers for one window: then the rest is left for the next one. So many deadlines are its time, too, if every answer is slow."""
PAUSE = timedelta(minutes=10)
"""What ended a worker is not tried again for so long: a window that hangs must not hold up the ones behind it."""
MOST_REFERENCES = 100
"""Of which it is remembered how their windows differ."""

Item = tuple[str, str, str | None]
"""Model, metric and column: what one question is about."""


class EvidentlyTester:
    """Answers by a worker process. ``monotonic`` gives seconds; ``alive`` is called after each answer, and after each death.

    Used by one thread at a time.
    """

    def __init__(self, worker: Worker, *, monotonic: Callable[[], float], alive: Callable[[], object] = lambda: None) -> None:
        self._worker = worker
        self._monotonic = monotonic
        self._alive = alive
        self._ended: dict[Item, float] = {}
        self._usual: dict[tuple[str | None, ...], Usual] = {}

    def findings(self, subject: Subject, rules: Model) -> Sequence[Finding]:
        """Answers to all that the rules ask of the samples. Raises Retryable once stopped, nothing for what samples or worker are."""
        reference, profile = subject.reference, subject.profile
        if reference is None or profile is None:
            return ()
        samples = samples_of(watched(rules, reference), profile, reference)
        rules = with_share(rules, subject.key.segment, reference, subject.versions)
        return _Window(self, rules, samples, reference.hash).answers()

    def stop(self) -> None:
        """Let nobody wait for an answer any more."""
        self._worker.stop()

    def close(self) -> None:
        """End the worker, whoever waits for it."""
        self._worker.stop()
        self._worker.close()

    def ask(self, item: Item, request: wire.Request) -> wire.Answer:
        """Raises Died; then the item rests for a while."""
        try:
            return self._worker.ask(request)
        except Died as error:
            self._ended[item] = self._monotonic()
            log.warning("a worker died", action=Action.WORKER_DIED, model=item[0], metric=item[1], column=item[2], detail=str(error))
            raise
        finally:
            self._alive()

    @property
    def until(self) -> float:
        """When a window that is begun now has had its time, by the monotonic clock."""
        return self._monotonic() + MOST_DEATHS * self._worker.limits.seconds

    def past(self, until: float) -> bool:
        """Whether that has come."""
        return self._monotonic() >= until

    def resting(self, item: Item) -> bool:
        """Whether it ended a worker a short while ago."""
        at = self._ended.get(item)
        return at is not None and self._monotonic() - at < PAUSE.total_seconds()

    def usual(self, key: tuple[str | None, ...], learn: Callable[[], Usual]) -> Usual:
        """What is usual for a reference; learned once."""
        if key not in self._usual:
            while len(self._usual) >= MOST_REFERENCES:
                del self._usual[next(iter(self._usual))]
            self._usual[key] = learn()
        return self._usual[key]


class _Window:
    """All questions of one window."""

    def __init__(self, tester: EvidentlyTester, rules: Model, samples: Samples, reference: str) -> None:
        self._tester = tester
        self._rules = rules
        self._samples = samples
        self._reference = reference
        self._until = tester.until
        self._deaths = 0

    def answers(self) -> list[Finding]:
        found = [finding for test in self._rules.drift.tests if is_sampled(test.method) for finding in self._tests(test)]
        return [*found, self._domain_classifier()] if self._rules.drift.domain_classifier else found

    def _tests(self, test: DriftTest) -> list[Finding]:
        """One finding for each column that the test fits or that it names; one that says so where there is none."""
        columns = [column for name, column in self._samples.columns.items() if not test.columns or name in test.columns]
        found = list(filter(None, (self._test(test, column) for column in columns)))
        return found or [whole(test.method, Verdict.SKIPPED, f"{test.method} fits none of the columns")]

    def _test(self, test: DriftTest, column: SampledColumn) -> Finding | None:
        empty = self._empty(column)
        if empty is not None:
            return _finding(test, column, empty[0], empty[1])
        request = wire.Test(name=test.method.removeprefix(PREFIX), threshold=test.threshold, column=wire.column_of(capped(column)))
        answer = self._ask(test.method, column.name, request)
        match answer:
            case wire.Score():
                return self._scored(test, column, answer)
            case wire.Unfit():
                return _finding(test, column, Verdict.SKIPPED, f"{test.method} is not for {column.kind} columns") if test.columns else None
            case Finding():
                return answer
        return _finding(test, column, Verdict.ERROR, f"{test.method} of {column.name}: an answer to something else")

    def _empty(self, column: SampledColumn) -> tuple[Verdict, str] | None:
        if not self._samples.window_rows:
            return Verdict.SKIPPED, "the window keeps no sample of its rows (sample_rows)"
        if not any(value is not None for value in column.reference):
            return Verdict.SKIPPED, f"the reference's sample has no values of {column.name}"
        if not any(value is not None for value in column.window):
            return Verdict.INSUFFICIENT, f"the window's sample has no values of {column.name}"
        return None

    def _ask(self, metric: str, column: str | None, request: wire.Request) -> wire.Answer | Finding:
        """The answer, or the finding that there is none."""
        item, of = (self._rules.name, metric, column), f"{metric} of {column}" if column else metric
        if self._tester.resting(item):
            return _about(metric, column, Verdict.SKIPPED, f"{of} ended its worker a short while ago; it rests for "
                                                           f"{PAUSE // timedelta(minutes=1)} minutes")
        if self._deaths >= MOST_DEATHS:
            return _about(metric, column, Verdict.SKIPPED, f"{of} was not run: {MOST_DEATHS} workers ended in this window")
        if self._tester.past(self._until):
            return _about(metric, column, Verdict.SKIPPED, f"{of} was not run: the window has had its time, {MOST_DEATHS} times "
                                                           "reports.deadline")
        try:
            answer = self._tester.ask(item, request)
        except Died as error:
            self._deaths += 1
            return _about(metric, column, Verdict.ERROR, f"{of} failed: {error}")
        if isinstance(answer, wire.Failed):
            return _failed(metric, column, of, answer)
        return answer

    def _scored(self, test: DriftTest, column: SampledColumn, answer: wire.Score) -> Finding:
        name = test.method.removeprefix(PREFIX)
        by_chance = name in P_VALUES
        said = f"Evidently's {name} {'p ' if by_chance else ''}{number(answer.score)}, "
        said += f"alarms {'below' if by_chance else 'from'} {number(answer.threshold)}"
        return Finding(
            check=Check.DRIFT,
            column=column.name,
            metric=test.method,
            verdict=Verdict.ALERT if answer.drifted else Verdict.OK,
            reason=f"{column.name} {'drifted' if answer.drifted else 'did not drift'}: {said}; {_compared(column, self._samples.origin)}",
            value=answer.score,
            threshold=answer.threshold,
            p_value=answer.score if by_chance else None,
        )

    # --- the domain classifier -------------------------------------------------------------------------------

    def _domain_classifier(self) -> Finding:
        samples = self._samples
        if samples.origin is not Origin.ROWS:
            said = "the reference keeps no rows to tell those of the window from (reference.sample_rows)"
            return whole(DOMAIN_CLASSIFIER, Verdict.SKIPPED, said)
        if samples.window_rows < MIN_ROWS or samples.reference_rows < MIN_ROWS:
            rows = min(samples.window_rows, samples.reference_rows)
            return whole(DOMAIN_CLASSIFIER, Verdict.INSUFFICIENT, f"a sample of {rows:,} rows, fewer than {MIN_ROWS}")
        parts = parts_of(samples)
        rows = comparable_rows(parts, samples.window_rows)
        columns = [wire.column_of(column) for column in samples.columns.values()]
        usual = self._learned(columns, parts)
        if isinstance(usual, Finding):
            return usual
        answer = self._ask(DOMAIN_CLASSIFIER, None, wire.Tell(columns=[_cut(column, rows) for column in columns], parts=[]))
        if isinstance(answer, Finding):
            return answer
        if not isinstance(answer, wire.Told):
            return whole(DOMAIN_CLASSIFIER, Verdict.ERROR, "the worker answered something else")
        return self._told(answer, usual, rows)

    def _learned(self, columns: list[wire.Column], parts: list[list[int]]) -> Usual | Finding:
        """How well the reference's own windows can be told apart."""
        if not parts:
            return NOT_LEARNED
        key = (self._reference, *(column.name for column in columns))
        try:
            return self._tester.usual(key, lambda: self._learn(columns, parts))
        except _Unanswered as error:
            return error.finding

    def _learn(self, columns: list[wire.Column], parts: list[list[int]]) -> Usual:
        answer = self._ask(DOMAIN_CLASSIFIER, None, wire.Tell(columns=[_cut(column, 0) for column in columns], parts=parts))
        if isinstance(answer, wire.Told):
            return Usual(areas=tuple(answer.usual), rows=tuple(map(len, parts)))
        odd = whole(DOMAIN_CLASSIFIER, Verdict.ERROR, "the worker answered something else")
        raise _Unanswered(answer if isinstance(answer, Finding) else odd)

    def _told(self, answer: wire.Told, usual: Usual, rows: int) -> Finding:
        drift = self._rules.drift
        limit = learn_area_limit(usual, self._samples.reference_rows, rows)
        alpha = alpha_per_window(drift.budget, self._rules.window) * budget_shares(self._rules)[Check.DRIFT]
        threshold = limit.threshold(alpha / (len(self._samples.columns) + 2))  # the columns together are a test, too
        high = answer.auc > threshold
        learned = f"learned from {len(usual.areas)} of the reference's windows" if usual.areas else "as if no row hung on another"
        leaning = ", ".join(f"{name} ({number(drop)})" for name, drop in answer.leaning) or "no single column"
        said = f"area {number(answer.auc)}, limit {number(threshold)} {learned}, {rows:,} rows against {self._samples.reference_rows:,}"
        return Finding(
            check=Check.DRIFT,
            column=None,
            metric=DOMAIN_CLASSIFIER,
            verdict=Verdict.ALERT if high else Verdict.OK,
            reason=f"a classifier tells the rows of the window from the reference's: {said}; it leans on {leaning}" if high
            else f"a classifier does not tell the rows of the window from the reference's better than usual: {said}",
            value=answer.auc,
            threshold=threshold,
            p_value=limit.p_value(answer.auc),
        )


class _Unanswered(Exception):
    def __init__(self, finding: Finding) -> None:
        self.finding = finding


def _cut(column: wire.Column, rows: int) -> wire.Column:
    """With the first rows of the window alone."""
    return wire.Column(name=column.name, numeric=column.numeric, reference=column.reference, window=column.window[:rows])


def _compared(column: SampledColumn, origin: Origin) -> str:
    here, there = (sum(value is not None for value in side) for side in (column.window, column.reference))
    return f"{here:,} sampled rows against {there:,} of the reference" + ("" if origin is Origin.ROWS else f", {origin}")


def _finding(test: DriftTest, column: SampledColumn, verdict: Verdict, reason: str) -> Finding:
    return _about(test.method, column.name, verdict, reason)


def _about(metric: str, column: str | None, verdict: Verdict, reason: str) -> Finding:
    return Finding(check=Check.DRIFT, column=column, metric=metric, verdict=verdict, reason=reason)


def _failed(metric: str, column: str | None, of: str, answer: wire.Failed) -> Finding:
    if answer.missing:
        return _about(metric, column, Verdict.SKIPPED, f"{of} was not run: {why_not(answer)}")
    return _about(metric, column, Verdict.ERROR, f"{of} failed: {why_not(answer)}")


def known_tests(worker: Worker) -> tuple[str, list[str]]:
    """Evidently's version, and the methods that can be asked for, ``evidently:NAME``. Raises Died where the worker cannot tell."""
    answer = worker.ask(wire.Names())
    if isinstance(answer, wire.Known):
        return answer.version, [PREFIX + name for name in answer.names]
    raise Died(why_not(answer))


def why_not(answer: wire.Answer) -> str:
    """What to tell of an answer that is none."""
    if not isinstance(answer, wire.Failed):
        return "the worker answered something else"
    return not_installed(answer.missing) if answer.missing else answer.why
