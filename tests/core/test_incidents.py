"""The life of an incident: a table of windows and what they lead to, and a machine that tries everything."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from monitor.core.incidents import (
    OPEN,
    Incident,
    IncidentState,
    Judged,
    Notify,
    NotifyKind,
    Step,
    TransitionReason,
    acknowledge,
    expect,
    incident_id,
    resolve,
    revise,
    step,
)
from monitor.core.maintenance import OneOff
from monitor.core.results import Check, Result, Verdict
from monitor.core.rules import AlertRules
from monitor.core.signals import Signal, signal
from monitor.core.stable import stable_hex
from monitor.errors import UsageError

START = datetime(2013, 7, 1, tzinfo=UTC)
DAY = timedelta(days=1)
WALL = datetime(2030, 1, 1, tzinfo=UTC)
NEVER = timedelta(days=10_000)

TOLD_AGAIN = (TransitionReason.REPEAT_INTERVAL_ELAPSED, TransitionReason.PERFORMANCE_DROPPED_TOO)


def result(n: int, verdict: Verdict, check: Check = Check.DRIFT, column: str | None = "x") -> Result:
    return Result(
        model="m", version="1", segment="*", window_start=START + n * DAY, window_end=START + (n + 1) * DAY, check=check, column=column,
        metric="psi", value=1.0, threshold=0.2, p_value=None, verdict=verdict, reason="", rows=1000,
    )


def window(n: int, *results: Result, columns: tuple[str, ...] = (), headline: str = "") -> Judged:
    return Judged(model="m", start=START + n * DAY, end=START + (n + 1) * DAY, results=results, headline=headline, columns=columns)


VERDICTS = {"B": Verdict.ALERT, "G": Verdict.OK, "W": Verdict.WARN, "I": Verdict.INSUFFICIENT, "S": Verdict.SKIPPED, "E": Verdict.ERROR}


def run(letters: str, rules: AlertRules) -> list[Step]:
    """One day's window a letter; ``-`` is a window without any result."""
    steps: list[Step] = []
    incident: Incident | None = None
    for n, letter in enumerate(letters):
        results = () if letter == "-" else (result(n, VERDICTS[letter]),)
        steps.append(step(incident, window(n, *results), rules))
        incident = steps[-1].incident
    return steps


@dataclass(frozen=True)
class Row:
    """``state``: p(ending) f(iring) r(esolved) . none; ``told``: F(iring) R(epeat) r(esolved) . nothing; one letter a window."""

    windows: str
    state: str
    told: str
    rules: AlertRules


def rules(open_after: int = 1, resolve_after: int = 2, repeat_after: timedelta = NEVER) -> AlertRules:
    return AlertRules(open_after=open_after, resolve_after=resolve_after, repeat_after=repeat_after)


TABLE = [
    # opening
    Row("G", ".", ".", rules()),
    Row("W", ".", ".", rules()),
    Row("I", ".", ".", rules()),
    Row("S", ".", ".", rules()),
    Row("E", ".", ".", rules()),
    Row("-", ".", ".", rules()),
    Row("B", "f", "F", rules()),
    Row("BB", "pf", ".F", rules(open_after=2)),
    Row("BBB", "ppf", "..F", rules(open_after=3)),
    Row("BGB", "prp", "...", rules(open_after=2)),
    Row("BGBB", "prpf", "...F", rules(open_after=2)),
    Row("BIB", "ppf", "..F", rules(open_after=2)),
    Row("B-SEB", "ppppf", "....F", rules(open_after=2)),
    Row("BWB", "prp", "...", rules(open_after=2)),
    # resolving
    Row("BG", "ff", "F.", rules()),
    Row("BGG", "ffr", "F.r", rules()),
    Row("BWW", "ffr", "F.r", rules()),
    Row("BG", "fr", "Fr", rules(resolve_after=1)),
    Row("BGBG", "ffff", "F...", rules()),
    Row("BGBGG", "ffffr", "F...r", rules()),
    Row("BGIG", "fffr", "F..r", rules()),
    Row("BIIII", "fffff", "F....", rules()),
    Row("B----", "fffff", "F....", rules()),
    Row("BGGG", "ffr.", "F.r.", rules()),
    Row("BGGB", "ffrf", "F.rF", rules()),
    Row("BGGI", "ffr.", "F.r.", rules()),
    # reminding, in event time
    Row("BBBB", "ffff", "F...", rules()),
    Row("BBBB", "ffff", "FRRR", rules(repeat_after=DAY)),
    Row("BBBBB", "fffff", "F.R.R", rules(repeat_after=2 * DAY)),
    Row("BIIB", "ffff", "F..R", rules(repeat_after=2 * DAY)),
    Row("BGBB", "ffff", "F.R.", rules(repeat_after=2 * DAY)),
    Row("BGG", "ffr", "F.r", rules(repeat_after=DAY)),
    Row("BBB", "pff", ".FR", rules(open_after=2, repeat_after=DAY)),
]
STATE_LETTERS = {None: ".", IncidentState.PENDING: "p", IncidentState.FIRING: "f", IncidentState.RESOLVED: "r"}
TOLD_LETTERS = {None: ".", NotifyKind.FIRING: "F", NotifyKind.REPEAT: "R", NotifyKind.RESOLVED: "r"}


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.windows}-{row.rules.open_after}-{row.rules.resolve_after}-{row.told}")
def test_windows_lead_to_states_and_messages(row: Row) -> None:
    steps = run(row.windows, row.rules)
    assert "".join(STATE_LETTERS[s.incident and s.incident.state] for s in steps) == row.state
    assert "".join(TOLD_LETTERS[s.notify and s.notify.kind] for s in steps) == row.told


def test_opening_at_once_writes_both_lines_of_history() -> None:
    (only,) = run("B", rules())
    assert [(e.before, e.after, e.reason) for e in only.events] == [
        (None, IncidentState.PENDING, TransitionReason.FIRST_BAD_WINDOW),
        (IncidentState.PENDING, IncidentState.FIRING, TransitionReason.OPEN_AFTER_REACHED),
    ]
    assert only.notify is not None
    assert only.notify.reason is TransitionReason.OPEN_AFTER_REACHED
    assert all(event.at == START + DAY for event in only.events)


def test_a_quiet_recovery_is_written_but_not_told() -> None:
    last = run("BG", rules(open_after=2))[-1]
    assert [e.reason for e in last.events] == [TransitionReason.RECOVERED_BEFORE_FIRING]
    assert last.notify is None


def test_every_reason_is_reached() -> None:
    reasons = {e.reason for s in run("BGBBBGG", rules(open_after=2, repeat_after=DAY)) for e in s.events}
    fired = run("B", rules())[0].incident
    assert fired is not None
    reasons |= {e.reason for change in (acknowledge, resolve, expect) for e in change(fired, by="eve", at=WALL).events}
    reasons |= {e.reason for e in step(fired, window(1, result(1, Verdict.ALERT, Check.PERFORMANCE, None)), rules()).events}
    faulty = step(fired, window(1, result(1, Verdict.ALERT, Check.QUALITY, None)), rules())
    drop = step(faulty.incident, window(2, result(2, Verdict.ALERT, Check.PERFORMANCE, None)), rules())
    still = replace(rules(), maintenance=(OneOff(starts=START, ends=START + 9 * DAY),))
    reasons |= {e.reason for taken in (faulty, drop, step(fired, window(1, result(1, Verdict.OK)), still)) for e in taken.events}
    of_conditions = {TransitionReason.CONDITION_STANDS, TransitionReason.CONDITION_PASSED}  # test_conditions.py
    of_muting = {TransitionReason.HELD_BACK, TransitionReason.TOLD_LATE}  # test_incident_table.py
    assert reasons == set(TransitionReason) - of_conditions - of_muting


def test_the_times_of_an_incident_are_event_time() -> None:
    incident = run("BIBGG", rules())[-1].incident
    assert incident is not None
    assert (incident.since, incident.fired_at, incident.resolved_at) == (START, START + DAY, START + 5 * DAY)
    assert (incident.bad_windows, incident.good_windows) == (2, 2)


def test_the_id_is_the_same_in_every_replay_and_another_for_another_incident() -> None:
    first, again = (run("BGGB", rules()) for _ in range(2))
    assert first == again
    ids = [s.incident.id for s in first if s.incident is not None]
    assert ids[0] == ids[2] != ids[3]
    assert ids[0] == incident_id("m", START)
    assert ids[0].startswith("inc_")
    assert len(ids[0]) == len("inc_") + 12
    assert incident_id("other", START) != ids[0]


def test_words_of_an_id_do_not_run_together() -> None:
    assert stable_hex("ab", "c") != stable_hex("a", "bc")


def test_columns_and_checks_are_joined_and_the_cause_stays_the_one_that_was_told() -> None:
    first = step(None, window(0, result(0, Verdict.ALERT, column="x"), columns=("x",), headline="x moved"), rules())
    second = step(
        first.incident,
        window(1, result(1, Verdict.ALERT, Check.QUALITY, "y"), result(1, Verdict.OK, column="z"), columns=("y", "x"), headline="y"),
        rules(),
    )
    assert second.incident is not None
    assert second.incident.columns == ("x", "y")
    assert second.incident.checks == ("drift", "quality")
    assert second.incident.cause == "x moved"
    assert second.incident.severity is Verdict.ALERT
    assert second.incident.summary == "drift and quality alert on x, y"


def test_the_cause_of_a_pending_incident_is_its_latest_until_it_fires() -> None:
    bad = [window(n, result(n, Verdict.ALERT), headline=f"cause {n}") for n in range(3)]
    incident: Incident | None = None
    for judged in bad:
        incident = step(incident, judged, rules(open_after=2)).incident
    assert incident is not None
    assert incident.cause == "cause 1"


def test_a_summary_names_few_columns_and_counts_the_rest() -> None:
    columns = tuple(f"c{n}" for n in range(8))
    incident = step(None, window(0, result(0, Verdict.ALERT, column=None), columns=columns), rules()).incident
    assert incident is not None
    assert incident.summary == "drift alert on c0, c1, c2, c3, c4 and 3 more columns"


def test_a_whole_model_problem_names_the_model() -> None:
    incident = step(None, window(0, result(0, Verdict.ALERT, Check.VOLUME, None)), rules()).incident
    assert incident is not None
    assert incident.summary == "volume alert on the whole model"


def test_one_alert_among_many_results_makes_a_window_bad() -> None:
    results = (result(0, Verdict.OK), result(0, Verdict.INSUFFICIENT), result(0, Verdict.ALERT, column="y"))
    assert signal(results) is Signal.BAD


def test_a_window_is_good_when_other_checks_could_not_decide() -> None:
    assert signal((result(0, Verdict.OK), result(0, Verdict.SKIPPED, Check.QUALITY))) is Signal.GOOD


def test_too_few_rows_for_the_check_that_fired_do_not_count_as_health() -> None:
    fired = run("B", rules(resolve_after=1))[0].incident
    judged = window(1, result(1, Verdict.INSUFFICIENT), result(1, Verdict.OK, Check.VOLUME, None))
    assert step(fired, judged, rules(resolve_after=1)).incident == fired


def test_a_check_that_is_no_longer_run_does_not_keep_an_incident_open() -> None:
    fired = run("B", rules())[0].incident
    judged = window(1, result(1, Verdict.OK, Check.VOLUME, None))
    after = step(fired, judged, rules(resolve_after=1)).incident
    assert after is not None
    assert after.state is IncidentState.RESOLVED


def test_a_late_revision_of_an_older_window_does_not_turn_time_back() -> None:
    fired = run("BBB", rules())[-1].incident
    after = step(fired, window(0, result(0, Verdict.ALERT)), rules()).incident
    assert after is not None
    assert after.updated_at == START + 3 * DAY


def test_an_incident_that_labels_find_older_begins_with_its_first_bad_window() -> None:
    fired = step(None, window(3, result(3, Verdict.ALERT)), rules()).incident
    older = window(1, result(1, Verdict.ALERT, Check.PERFORMANCE, None))
    after = revise(fired, [result(1, Verdict.OK)], older, rules()).incident
    assert after is not None
    assert fired is not None
    assert (after.id, after.since, after.updated_at, after.bad_windows) == (fired.id, START + DAY, START + 4 * DAY, 2)


def test_a_window_of_an_earlier_incident_adds_nothing_to_this_one_unless_labels_tell_something_new() -> None:
    fired = step(None, window(5, result(5, Verdict.ALERT)), rules()).incident
    assert fired is not None
    known = result(1, Verdict.ALERT, column="city")
    same = revise(fired, [known], window(1, known, result(1, Verdict.OK, Check.PERFORMANCE, None)), rules())
    assert same.incident == fired
    worse = revise(fired, [known], window(1, known, result(1, Verdict.ALERT, Check.PERFORMANCE, None)), rules()).incident
    assert worse is not None
    assert (worse.checks, worse.since, worse.bad_windows) == (("drift", "performance"), fired.since, 1)


def test_a_bad_window_does_not_count_while_labels_have_not_told_of_the_one_between() -> None:
    """Snow on day 0 made predictions worse, day 1 was well as far as inputs tell, day 2 is odd in another way."""
    two = rules(open_after=2)
    pending = step(None, window(0, result(0, Verdict.ALERT), result(0, Verdict.ALERT, Check.PERFORMANCE, None)), two).incident
    estimate = replace(result(1, Verdict.OK, Check.PERFORMANCE, None), estimated=True, labelled=0)
    unsure = step(pending, window(1, result(1, Verdict.OK), estimate), two).incident
    odd = step(unsure, window(2, result(2, Verdict.ALERT)), two)
    assert odd.incident is not None
    assert (odd.incident.state, odd.incident.bad_windows, odd.notify) == (IncidentState.PENDING, 1, None)

    well = revise(odd.incident, [result(1, Verdict.OK), estimate], window(1, result(1, Verdict.OK, Check.PERFORMANCE, None)), two)
    assert well.incident is not None
    assert (well.incident.state, well.notify) == (IncidentState.RESOLVED, None)

    worse = revise(odd.incident, [result(1, Verdict.OK), estimate], window(1, result(1, Verdict.ALERT, Check.PERFORMANCE, None)), two)
    assert worse.notify is not None
    assert worse.notify.kind is NotifyKind.FIRING

    within = step(unsure, window(2, result(2, Verdict.ALERT)), replace(two, open_within=3))
    assert within.notify is not None, "2 of 3 asks for no row"


def test_an_acknowledged_incident_is_not_repeated_and_its_end_is_told() -> None:
    fired = run("B", rules())[0].incident
    assert fired is not None
    taken = acknowledge(fired, by="eve", at=WALL)
    assert taken.incident is not None
    assert (taken.incident.state, taken.incident.acknowledged_by) == (IncidentState.ACKNOWLEDGED, "eve")
    assert taken.notify == Notify(kind=NotifyKind.UPDATE, reason=TransitionReason.ACKNOWLEDGED_BY_PERSON)
    assert taken.events[0].at == WALL
    assert taken.events[0].detail == "by eve"
    quick = rules(resolve_after=1, repeat_after=DAY)
    still = step(taken.incident, window(1, result(1, Verdict.ALERT)), quick)
    assert still.notify is None
    over = step(still.incident, window(2, result(2, Verdict.OK)), quick)
    assert over.notify is not None
    assert over.notify.kind is NotifyKind.RESOLVED


@pytest.mark.parametrize("letters", ["B", "BGG"])
def test_only_a_firing_incident_can_be_acknowledged(letters: str) -> None:
    incident = run(letters, rules(open_after=2) if letters == "B" else rules())[-1].incident
    assert incident is not None
    with pytest.raises(UsageError, match=f"{incident.id} is {incident.state}: only a firing incident"):
        acknowledge(incident, by="eve", at=WALL)


def test_an_acknowledged_incident_cannot_be_acknowledged_again() -> None:
    fired = run("B", rules())[0].incident
    assert fired is not None
    taken = acknowledge(fired, by="eve", at=WALL).incident
    assert taken is not None
    with pytest.raises(UsageError, match="is acknowledged"):
        acknowledge(taken, by="bob", at=WALL)


def test_a_person_resolves_a_firing_incident_in_event_time_and_the_channel_hears_of_it() -> None:
    fired = run("B", rules())[0].incident
    assert fired is not None
    closed = resolve(fired, by="eve", at=WALL)
    assert closed.incident is not None
    assert closed.incident.resolved_at == START + DAY
    assert closed.notify is not None
    assert closed.notify.reason is TransitionReason.RESOLVED_BY_PERSON
    assert closed.events[0].at == WALL


def test_a_pending_incident_resolved_by_a_person_is_not_told() -> None:
    pending = run("B", rules(open_after=2))[0].incident
    assert pending is not None
    assert resolve(pending, by="eve", at=WALL).notify is None


def test_a_resolved_incident_cannot_be_resolved_again() -> None:
    incident = run("BGG", rules())[-1].incident
    assert incident is not None
    with pytest.raises(UsageError, match="resolved already, at 2013-07-04T00:00:00Z"):
        resolve(incident, by="eve", at=WALL)


def test_a_bad_window_after_a_resolution_opens_another_incident() -> None:
    fired = run("B", rules())[0].incident
    assert fired is not None
    closed = resolve(fired, by="eve", at=WALL).incident
    after = step(closed, window(1, result(1, Verdict.ALERT)), rules()).incident
    assert after is not None
    assert after.id != fired.id
    assert after.since == START + DAY


class Life(RuleBasedStateMachine):
    """Any windows and any people: what must hold whatever they do."""

    def __init__(self) -> None:
        super().__init__()
        self.rules = AlertRules(open_after=2, resolve_after=2, repeat_after=2 * DAY)
        self.n = 0
        self.incident: Incident | None = None
        self.told: list[tuple[str, NotifyKind, datetime]] = []
        self.ended: set[str] = set()

    def take(self, after: Step) -> None:
        if after.notify is not None:
            assert after.incident is not None
            self.told.append((after.incident.id, after.notify.kind, after.incident.updated_at))
        for event in after.events:
            assert event.incident == (after.incident and after.incident.id)
            assert event.before is not event.after or event.reason in TOLD_AGAIN
        if after.incident is not None and after.incident.state is IncidentState.RESOLVED:
            assert after.incident.id not in self.ended
            self.ended.add(after.incident.id)
        self.incident = after.incident if after.incident is not None and after.incident.state in OPEN else None

    @rule(letters=st.text(alphabet="BGWISE-", min_size=1, max_size=4))
    def windows(self, letters: str) -> None:
        for letter in letters:
            results = () if letter == "-" else (result(self.n, VERDICTS[letter]),)
            self.take(step(self.incident, window(self.n, *results), self.rules))
            self.n += 1

    @precondition(lambda self: self.incident is not None and self.incident.state is IncidentState.FIRING)
    @rule()
    def somebody_acknowledges(self) -> None:
        assert self.incident is not None
        self.take(acknowledge(self.incident, by="eve", at=WALL))

    @precondition(lambda self: self.incident is not None)
    @rule()
    def somebody_resolves(self) -> None:
        assert self.incident is not None
        self.take(resolve(self.incident, by="eve", at=WALL))

    @invariant()
    def nothing_is_told_twice(self) -> None:
        assert len(self.told) == len(set(self.told))
        by_incident: dict[str, list[NotifyKind]] = {}
        for incident, kind, _ in self.told:
            by_incident.setdefault(incident, []).append(kind)
        for kinds in by_incident.values():
            assert kinds[0] is NotifyKind.FIRING
            assert kinds.count(NotifyKind.FIRING) == 1
            assert kinds.count(NotifyKind.RESOLVED) <= 1
            assert NotifyKind.RESOLVED not in kinds[:-1]

    @invariant()
    def whoever_was_told_of_a_beginning_is_told_of_the_end_or_it_is_open(self) -> None:
        begun = {incident for incident, kind, _ in self.told if kind is NotifyKind.FIRING}
        over = {incident for incident, kind, _ in self.told if kind is NotifyKind.RESOLVED}
        still = {self.incident.id} if self.incident is not None else set()
        assert begun - over <= still
        assert over <= self.ended

    @invariant()
    def counters_are_sound(self) -> None:
        if self.incident is not None:
            assert self.incident.bad_windows >= 1
            assert (self.incident.state is IncidentState.PENDING) == (self.incident.bad_windows < self.rules.open_after)
            assert 0 <= self.incident.good_windows < self.rules.resolve_after


TestLife = Life.TestCase


def test_the_machine_would_notice_a_message_told_twice() -> None:
    life = Life()
    life.windows("BB")
    life.told.append(life.told[0])
    with pytest.raises(AssertionError):
        life.nothing_is_told_twice()


def test_an_incident_that_was_resolved_counts_as_none() -> None:
    incident = run("BGG", rules())[-1].incident
    assert incident is not None
    assert step(replace(incident), window(3, result(3, Verdict.OK)), rules()) == Step(incident=None)


def test_the_worst_slice_is_no_evidence_that_a_model_is_well() -> None:
    told = replace(result(0, Verdict.OK, Check.PERFORMANCE, None), metric="worst_slice(accuracy)")
    few = replace(told, metric="accuracy", verdict=Verdict.INSUFFICIENT)
    assert signal([told]) is Signal.SILENT
    assert signal([told, few]) is Signal.SILENT
    assert signal([told, few, result(0, Verdict.OK)]) is Signal.GOOD
