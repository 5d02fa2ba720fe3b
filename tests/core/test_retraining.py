"""When retraining is asked for: windows in a row, cooldown, and what a request says; the life of a request."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from monitor.core.incidents import Incident, IncidentState
from monitor.core.results import Check, Result, Verdict
from monitor.core.retrain_policy import RetrainingReason, Situation
from monitor.core.retrain_policy import consider as considered
from monitor.core.retraining import (
    REPORTED,
    Report,
    Retraining,
    RetrainingState,
    approve,
    begun,
    cancel,
    given_up,
    reported,
    retraining_id,
)
from monitor.core.rules import RetrainingRules
from monitor.errors import UsageError

START = datetime(2013, 7, 1, tzinfo=UTC)
DAY = timedelta(days=1)
VERDICTS = {"B": Verdict.ALERT, "G": Verdict.OK, "W": Verdict.WARN, "I": Verdict.INSUFFICIENT, "S": Verdict.SKIPPED, "E": Verdict.ERROR}


def result(n: int, verdict: Verdict, check: Check = Check.DRIFT, column: str | None = "x", **changes: object) -> Result:
    made = Result(
        model="m", version=f"v{n}", segment="*", window_start=START + n * DAY, window_end=START + (n + 1) * DAY, check=check, column=column,
        metric="psi", value=1.0, threshold=0.2, p_value=None, verdict=verdict, reason="", rows=1000,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def history(letters: str, check: Check = Check.DRIFT) -> tuple[Result, ...]:
    """One day a letter; ``-`` is a day without this check."""
    return tuple(result(n, VERDICTS[letter], check) for n, letter in enumerate(letters) if letter != "-")


def now(letters: str) -> datetime:
    return START + len(letters) * DAY


def rules(drift: int = 3, cooldown: timedelta = DAY, **when: int) -> RetrainingRules:
    return RetrainingRules(when={"drift": drift, **when}, cooldown=cooldown)


def consider(rules, model, history, incident, last, now):
    recent = () if last is None else (last,)
    return considered(rules, Situation(model=model, now=now, history=history, incident=incident, recent=recent))


def decide(rules, model, history, incident, last, now):
    return consider(rules, model, history, incident, last, now).retraining


def asked(at: datetime, state: RetrainingState = RetrainingState.SUCCEEDED) -> Retraining:
    return Retraining(
        id=retraining_id("m", at), model="m", version="v0", state=state, reason="", incident=None, columns=(), requested_at=at
    )


YES, NO = RetrainingReason.CHECK_KEEPS_ALERTING, RetrainingReason.NO_CHECK_KEEPS_ALERTING


@pytest.mark.parametrize(
    ("letters", "windows", "reason"),
    [
        ("", 1, NO),
        ("B", 1, YES),
        ("G", 1, NO),
        ("W", 1, NO),
        ("BB", 3, NO),
        ("BBB", 3, YES),
        ("BBBB", 3, YES),
        ("GBBB", 3, YES),
        ("BBGB", 3, NO),
        ("BBWB", 3, NO),
        ("BBBG", 3, NO),
        ("BIBB", 3, YES),
        ("BSEBB", 3, YES),
        ("B-B-B", 3, YES),
        ("III", 3, NO),
        ("BBI", 3, NO),
    ],
)
def test_a_check_must_alert_in_windows_in_a_row(letters: str, windows: int, reason: RetrainingReason) -> None:
    decision = consider(rules(windows), "m", history(letters), None, None, now(letters))
    assert decision.reason is reason
    assert (decision.retraining is not None) == (reason is YES)


@pytest.mark.parametrize(
    ("since", "cooldown", "reason"),
    [
        (timedelta(hours=12), DAY, RetrainingReason.COOLING_DOWN),
        (DAY, DAY, YES),
        (2 * DAY, DAY, YES),
        (6 * DAY, 7 * DAY, RetrainingReason.COOLING_DOWN),
        (timedelta(0), timedelta(0), RetrainingReason.NOTHING_NEW_SINCE_LAST_REQUEST),
    ],
)
def test_a_cooldown_runs_in_event_time(since: timedelta, cooldown: timedelta, reason: RetrainingReason) -> None:
    letters = "BBBBBBBB"
    last = asked(now(letters) - since)
    assert consider(rules(cooldown=cooldown), "m", history(letters), None, last, now(letters)).reason is reason


def test_a_cancelled_request_cools_down_too() -> None:
    last = asked(now("BBB") - timedelta(hours=1), RetrainingState.CANCELLED)
    assert consider(rules(), "m", history("BBB"), None, last, now("BBB")).reason is RetrainingReason.COOLING_DOWN


def test_after_the_cooldown_old_alerts_alone_do_not_ask_again() -> None:
    last = asked(now("BBB"))
    decision = consider(rules(), "m", history("BBBIIII"), None, last, now("BBBIIII"))
    assert decision.reason is RetrainingReason.NOTHING_NEW_SINCE_LAST_REQUEST


def test_a_request_says_who_what_and_why() -> None:
    incident = Incident(id="inc_1", model="m", state=IncidentState.FIRING, severity=Verdict.ALERT, since=START, updated_at=START + DAY)
    rows = (*history("BBB"), result(2, Verdict.ALERT, column="y"), result(2, Verdict.ALERT, column=None), result(2, Verdict.OK, column="z"))
    request = decide(rules(), "m", rows, incident, None, now("BBB"))
    assert request == Retraining(
        id=retraining_id("m", now("BBB")), model="m", version="v2", state=RetrainingState.REQUESTED,
        reason="drift alerted in 3 windows in a row", incident="inc_1", columns=("x", "y"), requested_at=now("BBB"),
    )


def test_several_checks_are_told_apart() -> None:
    rows = (*history("BBB"), *history("GGB", Check.PERFORMANCE), *history("GBB", Check.QUALITY))
    request = decide(rules(performance=1, quality=3), "m", rows, None, None, now("BBB"))
    assert request is not None
    assert request.reason == "drift alerted in 3 windows in a row; performance alerted in 1 window in a row"


def test_another_models_results_do_not_count() -> None:
    rows = tuple(replace(r, model="other") for r in history("BBB"))
    assert decide(rules(), "m", rows, None, None, now("BBB")) is None


def test_the_last_revision_of_a_result_counts() -> None:
    mended = result(2, Verdict.OK, revision=1)
    assert decide(rules(), "m", (*history("BBB"), mended), None, None, now("BBB")) is None
    worse = result(2, Verdict.ALERT, revision=1)
    assert decide(rules(), "m", (*history("BBG"), worse), None, None, now("BBB")) is not None


def test_the_id_is_stable_and_of_its_model_and_time() -> None:
    first, again = (decide(rules(), "m", history("BBB"), None, None, now("BBB")) for _ in range(2))
    assert first is not None
    assert first == again
    assert first.id.startswith("ret_")
    assert len(first.id) == len("ret_") + 12
    assert len({first.id, retraining_id("n", now("BBB")), retraining_id("m", now("BBBB"))}) == 3


def test_the_cooling_down_names_the_request_it_waits_for() -> None:
    last = asked(now("BBB") - timedelta(hours=1))
    decision = consider(rules(), "m", history("BBB"), None, last, now("BBB"))
    assert decision.detail == f"since 2013-07-03T23:00:00Z, {last.id}"


def test_the_worst_slice_does_not_break_a_row_of_windows_without_labels() -> None:
    alerts = [result(n, Verdict.ALERT, Check.PERFORMANCE, None, metric="accuracy") for n in range(3)]
    told = result(3, Verdict.OK, Check.PERFORMANCE, None, metric="worst_slice(accuracy)")
    asked = RetrainingRules(when={"performance": 3}, cooldown=DAY)
    assert decide(asked, "m", (*alerts, told), None, None, now("1234")) is not None
    assert decide(asked, "m", (*alerts, replace(told, metric="accuracy")), None, None, now("1234")) is None


# --- the life of a request -----------------------------------------------------------------------------------

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ALL = tuple(RetrainingState)


@pytest.mark.parametrize("before", ALL)
@pytest.mark.parametrize("after", ALL)
def test_a_trainer_may_say_what_the_table_allows_and_nothing_else(before: RetrainingState, after: RetrainingState) -> None:
    request = replace(asked(START, before), new_version="8" if before is RetrainingState.SUCCEEDED else None)
    report = Report(state=after, version="8" if after is RetrainingState.SUCCEEDED else None, detail="so", run_url="https://ci/7")
    if before is after:
        assert reported(request, report, by="ci", at=NOON) is None
        return
    if after not in REPORTED.get(before, ()):
        with pytest.raises(UsageError, match=f"is {before}.*cannot become {after}; allowed: "):
            reported(request, report, by="ci", at=NOON)
        return
    change = reported(request, report, by="ci", at=NOON)
    assert change is not None
    assert (change.event.before, change.event.after, change.event.by, change.event.at) == (before, after, "ci", NOON)
    assert (change.retraining.state, change.retraining.updated_at, change.retraining.detail) == (after, NOON, "so")
    assert (change.retraining.run_url, change.retraining.new_version) == ("https://ci/7", report.version)


def test_what_is_allowed_is_said() -> None:
    with pytest.raises(UsageError, match="allowed: succeeded or failed"):
        reported(asked(START, RetrainingState.RUNNING), Report(state=RetrainingState.ACCEPTED), by="ci", at=NOON)
    with pytest.raises(UsageError, match="allowed: nothing more"):
        reported(asked(START, RetrainingState.CANCELLED), Report(state=RetrainingState.RUNNING), by="ci", at=NOON)


@pytest.mark.parametrize("url", ["javascript:alert(1)", "ftp://ci/7", "https://ci/7\n", "https://", ""])
def test_what_is_no_address_is_no_link_on_the_page_whoever_reports_it(url: str) -> None:
    with pytest.raises(UsageError, match="the address of the run is none"):
        reported(asked(START, RetrainingState.REQUESTED), Report(state=RetrainingState.RUNNING, run_url=url), by="ann", at=NOON)


def test_a_success_needs_its_version_and_keeps_it() -> None:
    with pytest.raises(UsageError, match="needs the version"):
        reported(asked(START, RetrainingState.RUNNING), Report(state=RetrainingState.SUCCEEDED), by="ci", at=NOON)
    done = replace(asked(START, RetrainingState.SUCCEEDED), new_version="8")
    assert reported(done, Report(state=RetrainingState.SUCCEEDED), by="ci", at=NOON) is None
    with pytest.raises(UsageError, match="is succeeded with version 8: it cannot become succeeded"):
        reported(done, Report(state=RetrainingState.SUCCEEDED, version="9"), by="ci", at=NOON)


def test_what_is_said_again_with_the_version_that_is_known_by_now_changes_nothing() -> None:
    running = asked(START, RetrainingState.RUNNING)
    assert reported(running, Report(state=RetrainingState.RUNNING, version="8"), by="ci", at=NOON) is None
    named = replace(running, new_version="8")
    with pytest.raises(UsageError, match="is running with version 8: it cannot become running"):
        reported(named, Report(state=RetrainingState.RUNNING, version="9"), by="ci", at=NOON)


@pytest.mark.parametrize("state", ALL)
def test_only_a_proposal_is_approved_and_only_what_has_not_ended_is_cancelled(state: RetrainingState) -> None:
    request = asked(START, state)
    if state is RetrainingState.PROPOSED:
        change = approve(request, by="ann", at=NOON)
        assert (change.retraining.state, change.retraining.approved_by) == (RetrainingState.REQUESTED, "ann")
    else:
        with pytest.raises(UsageError, match=f"is {state}: only a proposed one"):
            approve(request, by="ann", at=NOON)
    if state in (RetrainingState.SUCCEEDED, RetrainingState.FAILED, RetrainingState.CANCELLED):
        with pytest.raises(UsageError, match="only one that has not ended"):
            cancel(request, by="ann", at=NOON)
    else:
        assert cancel(request, by="ann", at=NOON).event.after is RetrainingState.CANCELLED


def test_what_nobody_ends_is_given_up() -> None:
    run = given_up(asked(START, RetrainingState.RUNNING), at=NOON, after="7d")
    assert (run.retraining.state, run.event.detail) == (RetrainingState.FAILED, "timed out: no end was reported within 7d")
    proposal = given_up(asked(START, RetrainingState.PROPOSED), at=NOON, after="7d")
    assert (proposal.retraining.state, proposal.event.detail) == (RetrainingState.CANCELLED, "not approved within 7d")


def test_a_history_begins_with_why() -> None:
    first = begun(replace(asked(START, RetrainingState.REQUESTED), reason="drift"), at=NOON)
    assert (first.before, first.after, first.detail, first.by) == (None, RetrainingState.REQUESTED, "drift", "")


def test_a_persons_wish_has_a_name_of_its_own() -> None:
    assert len({retraining_id("m", START), retraining_id("m", START, by="ann"), retraining_id("m", START, by="bo")}) == 3
