"""When retraining is asked for: windows in a row, cooldown, and what a request says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from monitor.core.incidents import Incident, IncidentState
from monitor.core.results import Check, Result, Verdict
from monitor.core.retraining import Retraining, RetrainingReason, RetrainingState, consider, decide, retraining_id
from monitor.core.rules import RetrainingRules

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


def asked(at: datetime, state: RetrainingState = RetrainingState.REQUESTED) -> Retraining:
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


def test_decide_gives_the_request_alone() -> None:
    whole = consider(rules(), "m", history("BBB"), None, None, now("BBB"))
    assert decide(rules(), "m", history("BBB"), None, None, now("BBB")) == whole.retraining
    assert decide(rules(), "m", history("GGG"), None, None, now("GGG")) is None


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
