"""The policy of retraining as a table: windows across, what was decided of each; and what holds of every history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.recurring import Recurring
from monitor.core.results import Check, Result, Verdict
from monitor.core.retrain_policy import ASKED, Decision, RetrainingReason, Situation, consider, is_spent, only, remembered
from monitor.core.retraining import HOLDING, UNFINISHED, Helped, Retraining, RetrainingState
from monitor.core.rules import Allowance, Approval, Lasting, RetrainingRules

START = datetime(2013, 7, 1, tzinfo=UTC)  # a Monday
DAY = timedelta(days=1)
SAID = {
    RetrainingReason.CHECK_KEEPS_ALERTING: "A", RetrainingReason.MODEL_IS_OLD: "O", RetrainingReason.NO_CHECK_KEEPS_ALERTING: ".",
    RetrainingReason.TOO_FEW_LABELS: "l", RetrainingReason.DATA_FAULT: "f", RetrainingReason.REQUEST_IS_OPEN: "o",
    RetrainingReason.COOLING_DOWN: "c", RetrainingReason.NOTHING_NEW_SINCE_LAST_REQUEST: "n",
    RetrainingReason.HELPED_NOTHING_TWICE: "h", RetrainingReason.BLACKOUT: "k", RetrainingReason.BUDGET_SPENT: "b",
    RetrainingReason.SERVICE_BUDGET_SPENT: "s",
}
"""One letter a decision."""
VERDICTS = {"B": Verdict.ALERT, "G": Verdict.OK, "I": Verdict.INSUFFICIENT, "E": Verdict.ALERT, "e": Verdict.OK, "F": Verdict.ALERT}
"""Of performance: E and e are estimates that labels will replace, F a drop that few labels show."""


def result(n: int, letter: str, check: Check) -> Result:
    performance = check is Check.PERFORMANCE
    return Result(
        model="m", version="1", segment="*", window_start=START + n * DAY, window_end=START + (n + 1) * DAY, check=check,
        column=None if performance else "x", metric="roc_auc" if performance else "psi", value=1.0, threshold=0.2, p_value=None,
        verdict=VERDICTS[letter], reason="", rows=1000, labelled={"F": 50}.get(letter, 900 if letter not in "Ee" else 0),
        estimated=letter in "Ee" if performance else None,
    )


@dataclass(frozen=True, kw_only=True)
class Trainer:
    """Ends each request after so many windows (None: never), with this verdict on what came of it."""

    after: int | None = 1
    state: RetrainingState = RetrainingState.SUCCEEDED
    helped: Helped | None = Helped.HELPED


@dataclass(kw_only=True)
class Run:
    """One model judged window by window; what is asked for is what the next decision looks back on."""

    rules: RetrainingRules
    drift: str = ""
    performance: str = ""
    faults: str = ""
    trainer: Trainer = field(default_factory=Trainer)
    born: datetime | None = None
    elsewhere: tuple[datetime, ...] = ()
    asked: list[Retraining] = field(default_factory=list)
    overdue: list[tuple[int, str]] = field(default_factory=list)

    def decisions(self) -> list[Decision]:
        return [self._window(n) for n in range(max(len(self.drift), len(self.performance)))]

    def _window(self, n: int) -> Decision:
        now = START + (n + 1) * DAY
        self.asked = [self._as_of(request, now) for request in self.asked]
        history = [
            result(i, letters[i], check)
            for check, letters in ((Check.DRIFT, self.drift), (Check.PERFORMANCE, self.performance))
            for i in range(max(n + 1 - self.rules.reach, 0), n + 1) if i < len(letters) and letters[i] != "-"
        ]
        fault = "unit change" if self.faults[n : n + 1] == "F" else ""
        decision = consider(self.rules, Situation(
            model="m", now=now, history=history, recent=self.asked[::-1][: remembered(self.rules)], fault=fault, version="1",
            born=self.born, elsewhere=(*self.elsewhere, *(request.requested_at for request in self.asked)),
        ))
        if decision.overdue is not None:
            self.overdue.append((n, decision.overdue.id))
            gone = replace(decision.overdue, state=RetrainingState.FAILED)
            self.asked = [gone if request.id == gone.id else request for request in self.asked]
        if decision.retraining is not None:
            self.asked.append(decision.retraining)
        return decision

    def _as_of(self, request: Retraining, now: datetime) -> Retraining:
        due = None if self.trainer.after is None else request.requested_at + self.trainer.after * DAY
        if due is None or now < due or request.state not in UNFINISHED:
            return request
        return replace(request, state=self.trainer.state, helped=self.trainer.helped)


def letters(run: Run) -> str:
    return "".join("P" if d.retraining and d.retraining.state is RetrainingState.PROPOSED else SAID[d.reason] for d in run.decisions())


def rules(drift: int | Lasting | None = 2, performance: int | Lasting | None = None, **more: object) -> RetrainingRules:
    when = {check: given for check, given in (("drift", drift), ("performance", performance)) if given is not None}
    return RetrainingRules(**{"when": when, "cooldown": DAY, "timeout": 30 * DAY, **more})  # type: ignore[arg-type]


SILENT, STUCK = Trainer(after=None), Trainer(after=0, state=RetrainingState.RUNNING, helped=None)
FAILS, IN_VAIN = Trainer(state=RetrainingState.FAILED, helped=None), Trainer(helped=Helped.DID_NOT)
SLOW, UNJUDGED = Trainer(after=3), Trainer(helped=None)
TWO_OF_THREE, THREE_OF_FIVE = Lasting(bad=2, within=3), Lasting(bad=3, within=5)
LABELLED = Lasting(bad=2, within=2, realised=True, min_labelled=100)
HALF_LABELLED = Lasting(bad=1, within=1, min_labelled_share=0.5)
NIGHTS = Recurring(days=frozenset(range(7)), at=time(0), lasts=timedelta(hours=1))
MONDAYS = Recurring(days=frozenset({0}), at=time(0), lasts=DAY)

TABLE: Sequence[tuple[str, Run, str]] = [
    ("nothing is wrong", Run(rules=rules(), drift="GGGG"), "...."),
    ("one bad window is not two", Run(rules=rules(), drift="BGBG"), "...."),
    ("two in a row", Run(rules=rules(), drift="GBBG"), "..A."),
    ("one is enough where one is asked for", Run(rules=rules(drift=1), drift="GBG"), ".A."),
    ("three in a row", Run(rules=rules(drift=3), drift="BBGBBB"), ".....A"),
    ("a window without a verdict asks for nothing itself", Run(rules=rules(drift=Lasting(bad=2, within=3)), drift="BIBG"), "..A."),
    ("nothing was decided", Run(rules=rules(), drift="IIII"), "...."),
    ("two of three", Run(rules=rules(drift=TWO_OF_THREE), drift="BGBGG"), "..A.."),
    ("two of three, too far apart", Run(rules=rules(drift=TWO_OF_THREE), drift="BGGBG"), "....."),
    ("three of five", Run(rules=rules(drift=THREE_OF_FIVE), drift="BGBGBG"), "....A."),
    ("three of five in a row at once", Run(rules=rules(drift=THREE_OF_FIVE), drift="BBBGG"), "..A.."),
    ("three of five, the third too late", Run(rules=rules(drift=THREE_OF_FIVE), drift="BGGBGBG"), "......."),
    ("a good window asks for nothing", Run(rules=rules(drift=TWO_OF_THREE, cooldown=DAY), drift="BBGB"), ".A.A"),
    ("either check may ask", Run(rules=rules(drift=3, performance=2), drift="BBBB", performance="GGBB"), "..AA"),
    ("performance alone", Run(rules=rules(drift=None, performance=2), performance="GBBG"), "..A."),
    ("an estimate counts", Run(rules=rules(drift=None, performance=2), performance="EEGG"), ".A.."),
    ("an estimate that sees no drop decides nothing", Run(rules=rules(drift=None, performance=TWO_OF_THREE), performance="BeB"), "..A"),
    ("an estimate does not count where labels do", Run(rules=rules(drift=None, performance=LABELLED), performance="EEEE"), "...."),
    ("labels count where they are asked for", Run(rules=rules(drift=None, performance=LABELLED), performance="GBBG"), "..A."),
    ("few labels", Run(rules=rules(drift=None, performance=LABELLED), performance="FFGG"), ".l.."),
    ("one of two with few labels", Run(rules=rules(drift=None, performance=LABELLED), performance="FBBG"), ".lA."),
    ("the share of labels", Run(rules=rules(drift=None, performance=HALF_LABELLED), performance="FB"), "lA"),
    ("the cooldown", Run(rules=rules(drift=1, cooldown=3 * DAY), drift="BBBBBBB"), "AccAccA"),
    ("the cooldown ends on the day", Run(rules=rules(drift=1, cooldown=DAY), drift="BBB"), "AAA"),
    ("old alerts alone do not ask again", Run(rules=rules(drift=TWO_OF_THREE), drift="BBIIII"), ".An..."),
    ("a request that nobody ends holds others up", Run(rules=rules(drift=1), drift="BBBBB", trainer=STUCK), "Aoooo"),
    ("a trainer that says nothing holds up nothing", Run(rules=rules(drift=1), drift="BBBBB", trainer=SILENT), "AAAAA"),
    ("but for the cooldown", Run(rules=rules(drift=1, cooldown=3 * DAY), drift="BBBBB", trainer=SILENT), "AccAc"),
    ("until it is given up", Run(rules=rules(drift=1, timeout=3 * DAY), drift="BBBBBB", trainer=STUCK), "AooAoo"),
    ("it is given up though nothing is wrong", Run(rules=rules(drift=1, timeout=2 * DAY), drift="BGGGB", trainer=STUCK), "A...A"),
    ("one that reports its end alone holds up nothing", Run(rules=rules(drift=1), drift="BBBBBB", trainer=SLOW), "AAAAAA"),
    ("a trainer that fails is asked again", Run(rules=rules(drift=1), drift="BBB", trainer=FAILS), "AAA"),
    ("two in vain and no more", Run(rules=rules(drift=1), drift="BBBBB", trainer=IN_VAIN), "AAhhh"),
    ("no verdict yet is not in vain", Run(rules=rules(drift=1), drift="BBBB", trainer=UNJUDGED), "AAAA"),
    ("a data fault", Run(rules=rules(drift=1), drift="BBBB", faults="FFGG"), "ffAA"),
    ("a data fault that nobody minds", Run(rules=rules(drift=1, veto=False), drift="BB", faults="FF"), "AA"),
    ("a fault where nothing is due", Run(rules=rules(), drift="GB", faults="FF"), ".."),
    ("a fault goes before an open request", Run(rules=rules(drift=1), drift="BBB", faults="GFG", trainer=STUCK), "Afo"),
    ("a person is asked first", Run(rules=rules(drift=1, approval=Approval.ASK), drift="GBB", trainer=SILENT), ".Po"),
    ("a proposal is given up", Run(rules=rules(drift=1, approval=Approval.ASK, timeout=2 * DAY), drift="BBBB", trainer=SILENT), "PoPo"),
    ("blackout hours", Run(rules=rules(drift=1, blackout=(MONDAYS,)), drift="B" * 8), "AAAAAAkA"),
    ("every night", Run(rules=rules(drift=1, blackout=(NIGHTS,)), drift="BB"), "kk"),
    ("the budget", Run(rules=rules(drift=1, budget=Allowance(requests=2, per=5 * DAY)), drift="B" * 8), "AAbbbAAb"),
    ("the budget of all", Run(rules=rules(drift=1, service_budget=Allowance(requests=1, per=3 * DAY)), drift="BBBBB"), "AssAs"),
    ("other models spent it", Run(rules=rules(drift=1, service_budget=Allowance(requests=2, per=2 * DAY)), drift="BBB",
                                  elsewhere=(START + DAY, START + DAY)), "ssA"),
    ("another model that is ahead in time counts", Run(rules=rules(drift=1, service_budget=Allowance(requests=1, per=2 * DAY)), drift="BBB",
                                                       elsewhere=(START + 4 * DAY,)), "Ass"),
    ("an old model", Run(rules=rules(drift=None, max_age=3 * DAY), drift="GGGGG", born=START), "..O.."),
    ("an old model is asked for once in its time", Run(rules=rules(drift=None, max_age=3 * DAY), drift="GGGGGGG", born=START), "..O..O."),
    ("a young model", Run(rules=rules(drift=None, max_age=30 * DAY), drift="GGG", born=START), "..."),
    ("nobody knows how old", Run(rules=rules(drift=None, max_age=DAY), drift="GGG"), "..."),
    ("an old model on a broken pipeline", Run(rules=rules(drift=None, max_age=DAY), drift="GG", born=START, faults="FG"), "fO"),
    ("an alert goes before age", Run(rules=rules(drift=1, max_age=DAY), drift="BG", born=START), "AO"),
    ("nothing asks but people", Run(rules=RetrainingRules(), drift="BBB"), "..."),
]


@pytest.mark.parametrize(("run", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_the_policy_decides_each_window(run: Run, expected: str) -> None:
    assert letters(replace(run, asked=[], overdue=[])) == expected


def test_the_table_is_long_and_reaches_every_reason() -> None:
    reached = {decision.reason for _, run, _ in TABLE for decision in replace(run, asked=[], overdue=[]).decisions()}
    assert len(TABLE) >= 40
    assert reached == set(RetrainingReason) == set(SAID)


def test_what_is_overdue_is_told_with_whatever_is_decided() -> None:
    run = Run(rules=rules(drift=1, timeout=2 * DAY), drift="BGGG", trainer=STUCK)
    assert letters(run) == "A..."
    assert run.overdue == [(2, run.asked[0].id)]


def test_a_request_tells_how_long_and_by_which_columns() -> None:
    [asked] = [d.retraining for d in Run(rules=rules(drift=TWO_OF_THREE), drift="BGB").decisions() if d.retraining]
    assert (asked.reason, asked.columns, asked.version) == ("drift alerted in 2 of 3 windows", ("x",), "1")
    [old] = [d.retraining for d in Run(rules=rules(drift=None, max_age=2 * DAY), drift="GG", born=START).decisions() if d.retraining]
    assert (old.reason, old.columns, old.version) == ("version 1 has been in use for 2 days", (), "1")


def test_labels_look_at_performance_alone() -> None:
    narrowed = only(rules(drift=1, performance=2, max_age=DAY), ["performance"])
    assert (narrowed.when, narrowed.max_age, narrowed.cooldown) == ({"performance": 2}, None, DAY)


# --- blackout ------------------------------------------------------------------------------------------------

BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = Recurring(days=frozenset(range(5)), at=time(8), lasts=timedelta(hours=10), zone=BERLIN)


@pytest.mark.parametrize(
    ("moment", "covered"),
    [
        ("2026-07-06T07:59:59+02:00", False), ("2026-07-06T08:00:00+02:00", True), ("2026-07-06T17:59:59+02:00", True),
        ("2026-07-06T18:00:00+02:00", False), ("2026-07-04T12:00:00+02:00", False), ("2026-07-06T06:30:00+00:00", True),
        ("2026-01-05T06:30:00+00:00", False), ("2026-01-05T07:30:00+00:00", True),
    ],
)
def test_office_hours_are_by_their_own_clock(moment: str, covered: bool) -> None:
    assert OFFICE.covers(datetime.fromisoformat(moment)) is covered


@pytest.mark.parametrize(
    ("moment", "covered"),
    [("2026-03-28T23:00:00+00:00", True), ("2026-03-29T04:59:00+00:00", True), ("2026-03-29T05:00:00+00:00", False)],
)
def test_a_night_in_which_the_clocks_change_is_as_long_as_ever(moment: str, covered: bool) -> None:
    night = Recurring(days=frozenset({5}), at=time(23), lasts=timedelta(hours=7), zone=BERLIN)  # from 22:00 UTC on
    assert night.covers(datetime.fromisoformat(moment)) is covered


def test_a_blackout_over_days_reaches_past_its_first() -> None:
    weekend = Recurring(days=frozenset({4}), at=time(18), lasts=timedelta(hours=62))
    assert [weekend.covers(START + timedelta(days=4, hours=h)) for h in (17, 18, 79, 80)] == [False, True, True, False]


# --- what holds of every history -----------------------------------------------------------------------------

HISTORIES = st.text("BGIEeF-", min_size=1, max_size=40)
TRAINERS = st.builds(Trainer, after=st.one_of(st.none(), st.integers(1, 5)),
                     state=st.sampled_from([RetrainingState.SUCCEEDED, RetrainingState.FAILED, RetrainingState.CANCELLED]),
                     helped=st.sampled_from([None, Helped.HELPED, Helped.DID_NOT]))
LASTING = st.builds(lambda bad, more, realised, labels: Lasting(bad=bad, within=bad + more, realised=realised, min_labelled=labels),
                    st.integers(1, 3), st.integers(0, 3), st.booleans(), st.sampled_from([0, 100]))
ALLOWANCES = st.one_of(st.none(), st.builds(Allowance, requests=st.integers(1, 3), per=st.integers(1, 10).map(lambda days: days * DAY)))
RULES = st.builds(
    RetrainingRules, when=st.fixed_dictionaries({}, optional={"drift": LASTING, "performance": LASTING}),
    cooldown=st.integers(0, 5).map(lambda days: days * DAY), max_age=st.one_of(st.none(), st.integers(1, 9).map(lambda days: days * DAY)),
    budget=ALLOWANCES, service_budget=ALLOWANCES, approval=st.sampled_from(Approval),
    timeout=st.integers(1, 9).map(lambda days: days * DAY),
)
RUNS = st.builds(
    Run, rules=RULES, drift=HISTORIES.map(lambda text: text.translate(str.maketrans("EeF", "BGB"))), performance=HISTORIES,
    faults=st.text("FG", max_size=40), trainer=TRAINERS, born=st.sampled_from([None, START]),
)


@settings(max_examples=300, deadline=None)
@given(RUNS)
def test_no_history_is_asked_of_beyond_what_is_allowed(run: Run) -> None:
    decisions = run.decisions()
    times = [decision.retraining.requested_at for decision in decisions if decision.retraining is not None]
    for before, after in pairwise(times):
        assert after - before >= max(run.rules.cooldown, DAY)
    for allowed in (run.rules.budget, run.rules.service_budget):
        if allowed is not None:
            assert all(sum(end - allowed.per < at <= end for at in times) <= allowed.requests for end in times)
    for n, decision in enumerate(decisions):
        assert (decision.retraining is not None) == (decision.reason in ASKED)
        assert decision.retraining is None or run.faults[n : n + 1] != "F", "never while vetoed"


@settings(max_examples=100, deadline=None)
@given(RUNS)
def test_the_same_history_comes_to_the_same_decisions(run: Run) -> None:
    first, again = replace(run, asked=[], overdue=[]), replace(run, asked=[], overdue=[])
    assert first.decisions() == again.decisions()


@settings(max_examples=200, deadline=None)
@given(RUNS)
def test_one_request_at_a_time_is_open(run: Run) -> None:
    for n in range(max(len(run.drift), len(run.performance))):
        decision = run._window(n)
        assert sum(request.state in HOLDING for request in run.asked) <= 1, decision


@given(st.lists(st.integers(0, 40), max_size=8), st.integers(0, 40), st.integers(1, 4), st.integers(1, 10))
def test_a_budget_that_is_not_spent_keeps_every_span_within_it(days: list[int], now: int, requests: int, per: int) -> None:
    allowed, asked = Allowance(requests=requests, per=per * DAY), [START + day * DAY for day in days]
    at = START + now * DAY
    if not is_spent(allowed, asked, at):
        ends = [end for end in [*asked, at] if end - allowed.per < at <= end]
        assert all(sum(end - allowed.per < one <= end for one in [*asked, at]) <= requests for end in ends)
