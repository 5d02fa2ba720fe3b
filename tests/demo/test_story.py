from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from monitor.core.results import Verdict
from monitor.demo.page import JudgedDay, Realised, SeenIncident, SeenRetraining, judged_day
from monitor.demo.scenario import DAY, flights_of_spring
from monitor.demo.story import Outcome, Week, awaits_verdict, is_whole, shortcomings, weeks_of, worst_performance
from monitor.demo.terminal import event_line, slack_lines, summary_lines, verdict_of

SPRING = flights_of_spring()
PER_DAY = 900


def day(start: datetime) -> JudgedDay:
    faulty = start in SPRING.fault_days()
    verdict, columns = (Verdict.ALERT, ("dep_delay", "p_late")) if faulty else (Verdict.OK, ())
    return JudgedDay(start=start, received=PER_DAY, counted=PER_DAY, verdict=verdict, columns=columns)


DAYS = tuple(map(day, SPRING.day_starts()))
INCIDENT = SeenIncident(
    id="i-1", state="resolved", columns=("dep_delay", "p_late"), since=datetime(2013, 4, 1, tzinfo=UTC),
    cause="dep_delay: mean 10.4 → 510, about ×60 (unit change)",
    fired_at=datetime(2013, 4, 2, tzinfo=UTC), resolved_at=datetime(2013, 4, 10, tzinfo=UTC),
)
RETRAINED = SeenRetraining(
    id="ret_1", state="succeeded", requested_at=datetime(2013, 4, 28, tzinfo=UTC), new_version="2013-05", helped="did not help",
    verdict="retraining did not help: roc_auc +0.00419 [-0.0111, 0.0195] over 14 windows, realised",
)
AS_ANNOUNCED = Outcome(
    scenario=SPRING, produced=PER_DAY * len(DAYS), days=DAYS, incidents=(INCIDENT,), dead_deliveries=0, retrainings=(RETRAINED,)
)


def test_the_story_as_announced_lacks_nothing() -> None:
    assert shortcomings(AS_ANNOUNCED) == []


@pytest.mark.parametrize(("change", "complaint"), [
    ({"days": DAYS[:-1], "produced": PER_DAY * 78}, "78 days were judged instead of 79"),
    ({"produced": PER_DAY * 79 + 1}, "71,100 flights were counted instead of the 71,101 produced"),
    ({"incidents": ()}, "the injected fault made 0 incidents instead of one"),
    ({"incidents": (INCIDENT, replace(INCIDENT, id="i-2", since=datetime(2013, 4, 4, tzinfo=UTC)))}, "made 2 incidents instead of one"),
    ({"incidents": (replace(INCIDENT, columns=("p_late", "dep_delay")),)}, "and not 'dep_delay' as its first cause"),
    ({"incidents": (replace(INCIDENT, cause="dep_delay moved"),)}, "does not say 'about ×60 (unit change)'"),
    ({"incidents": (replace(INCIDENT, state="firing"),)}, "the incident i-1 is still firing"),
    ({"labels": 54_800, "labelled": 54_799}, "54,799 flights were labelled instead of the 54,800 that arrived"),
    ({"retrainings": ()}, "0 new versions were trained instead of one"),
    ({"retrainings": (RETRAINED, RETRAINED)}, "2 new versions were trained instead of one"),
    ({"retrainings": (replace(RETRAINED, state="failed"),)}, "0 new versions were trained instead of one"),
    ({"retrainings": (replace(RETRAINED, requested_at=datetime(2013, 4, 4, tzinfo=UTC)),)}, "asked for on the injected fault, at 4 April"),
    ({"retrainings": (replace(RETRAINED, helped="", verdict=""),)}, "it was not told whether version 2013-05 helped: no verdict"),
    ({"dead_deliveries": 2}, "2 messages could not be delivered"),
    ({"unsigned_webhooks": 1}, "1 webhooks were not signed with the shared secret"),
])
def test_what_is_missing_is_named(change: dict[str, object], complaint: str) -> None:
    missing = shortcomings(replace(AS_ANNOUNCED, **change))  # type: ignore[arg-type]
    assert len(missing) == 1
    assert complaint in missing[0]


def test_a_new_version_waits_for_its_verdict_once_it_is_there() -> None:
    assert awaits_verdict(replace(RETRAINED, helped="", verdict=""))
    assert not awaits_verdict(RETRAINED)
    assert not awaits_verdict(replace(RETRAINED, state="failed", verdict=""))


def test_what_came_of_retraining_is_in_the_summary() -> None:
    told = list(summary_lines(AS_ANNOUNCED))
    at = told.index("1 retraining asked for")
    assert [line.strip() for line in told[at + 1 :]] == ["asked on 27 April: succeeded, version 2013-05", RETRAINED.verdict]


def test_an_incident_of_the_real_data_is_told_and_not_held_against_the_story() -> None:
    snow = replace(INCIDENT, id="i-0", since=datetime(2013, 3, 8, tzinfo=UTC), cause="dep_delay moved")
    outcome = replace(AS_ANNOUNCED, incidents=(snow, INCIDENT))
    assert shortcomings(outcome) == []
    told = list(summary_lines(outcome))
    at = told.index("incident from 8 March, resolved by 9 April (not injected: something in the real data)")
    assert told[at + 1].strip() == "dep_delay moved"


def test_an_incident_that_nobody_was_told_of_says_so() -> None:
    snow = replace(INCIDENT, since=datetime(2013, 3, 8, tzinfo=UTC), fired_at=None, resolved_at=datetime(2013, 3, 10, tzinfo=UTC))
    told = list(summary_lines(replace(AS_ANNOUNCED, incidents=(snow, INCIDENT))))
    assert [line for line in told if line.startswith("incident from 8 March, over before anybody was told, by 9 March (not injected")]


def test_what_labels_say_of_the_fault_after_its_end_and_nobody_was_told_of_is_no_second_incident() -> None:
    late = replace(INCIDENT, id="i-2", since=datetime(2013, 4, 7, tzinfo=UTC), fired_at=None, cause="log_loss rose")
    assert shortcomings(replace(AS_ANNOUNCED, incidents=(INCIDENT, late))) == []


def test_without_a_fault_no_incident_is_asked_for() -> None:
    quiet = flights_of_spring(fault=False)
    assert shortcomings(replace(AS_ANNOUNCED, scenario=quiet, incidents=())) == []


def test_weeks_begin_on_monday_and_the_fault_fills_one() -> None:
    weeks = list(weeks_of(DAYS))
    assert [len(week.days) for week in weeks] == [3, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 6]
    assert [week.span for week in weeks if week.alerting] == ["1–7 April"]
    assert weeks[4].span == "25–31 March"


def test_a_week_across_two_months_names_both() -> None:
    start = datetime(2013, 4, 29, tzinfo=UTC)
    assert Week(days=tuple(day(start + DAY * n) for n in range(7))).span == "29 April – 5 May"


def test_a_week_is_whole_on_its_sunday_or_at_the_end_of_the_scenario() -> None:
    monday = datetime(2013, 3, 4, tzinfo=UTC)
    assert not is_whole(Week(days=tuple(day(monday + DAY * n) for n in range(6))), SPRING)
    assert is_whole(Week(days=tuple(day(monday + DAY * n) for n in range(7))), SPRING)
    assert is_whole(Week(days=DAYS[-2:]), SPRING)


def test_a_week_says_how_many_days_alert_and_which_columns() -> None:
    weeks = {week.span: week for week in weeks_of(DAYS)}
    assert verdict_of(weeks["1–7 April"]).plain == "7 days alert: dep_delay, p_late"
    assert verdict_of(weeks["4–10 March"]).plain == "quiet"
    insufficient = replace(DAYS[0], verdict=Verdict.INSUFFICIENT)
    assert verdict_of(Week(days=(insufficient, *DAYS[1:3]))).plain == "quiet, as far as so few rows of each version tell"
    whole_model = replace(DAYS[0], verdict=Verdict.ALERT)
    assert verdict_of(Week(days=(whole_model,))).plain == "1 day alerts: the whole model"


def test_the_worst_verdict_of_a_day_counts_and_only_alerting_columns_are_named() -> None:
    account = {"window_start": "2013-04-01T00:00:00Z", "received": 10, "counted": 9}
    results = [
        {"verdict": "ok", "column": "carrier"}, {"verdict": "alert", "column": "dep_delay"}, {"verdict": "warn", "column": "hour"},
        {"verdict": "alert", "column": None}, {"verdict": "alert", "column": "dep_delay"},
    ]
    told = judged_day(account, results)
    assert (told.start, told.received, told.counted) == (datetime(2013, 4, 1, tzinfo=UTC), 10, 9)
    assert (told.verdict, told.columns) == (Verdict.ALERT, ("dep_delay",))
    assert judged_day(account, results[:1]).verdict is Verdict.OK
    assert judged_day(account, [results[2]]).verdict is Verdict.WARN


def performed(metric: str, value: float | None, *, estimated: bool, verdict: str = "ok") -> dict[str, object]:
    return {"check": "performance", "column": None, "metric": metric, "verdict": verdict, "value": value, "ci_low": None, "ci_high": None,
            "estimated": estimated}


def test_a_metric_that_alerts_is_named_like_a_column_and_a_day_waits_until_labels_have_told() -> None:
    account = {"window_start": "2013-04-22T00:00:00Z", "received": 10, "counted": 9}
    before = judged_day(account, [performed("roc_auc", 0.9, estimated=True), performed("log_loss", 0.3, estimated=True)])
    assert (before.awaits_labels, before.performance) == (True, ())
    after = judged_day(account, [performed("roc_auc", None, estimated=False), performed("log_loss", 0.6, estimated=False, verdict="alert")])
    assert (after.awaits_labels, after.columns) == (False, ("log_loss",))
    assert after.performance == (Realised(metric="log_loss", value=0.6, low=None, high=None),)
    assert not judged_day(account, [{"verdict": "ok", "column": "carrier"}]).awaits_labels, "performance is not watched"


def test_the_worst_day_of_each_metric_is_the_lowest_auc_and_the_highest_loss() -> None:
    def told(n: int, roc_auc: float, log_loss: float) -> JudgedDay:
        pairs = (("calibration_error", 0.5), ("log_loss", log_loss), ("roc_auc", roc_auc))
        return replace(DAYS[n], performance=tuple(Realised(metric=m, value=v, low=v - 0.1, high=v + 0.1) for m, v in pairs))

    days = (told(0, 0.9, 0.3), told(31, 0.8, 0.4), told(52, 0.85, 0.66), *DAYS[53:])
    assert [(day.start, worst.metric, worst.value) for day, worst in worst_performance(days)] == [
        (DAYS[31].start, "roc_auc", 0.8), (DAYS[52].start, "log_loss", 0.66),
    ]
    lines = list(summary_lines(replace(AS_ANNOUNCED, days=days, labels=54_000, labelled=54_000)))
    assert any(line.startswith("54,000 of ") for line in lines)
    assert "    worst roc_auc: 0.80 [0.70, 0.90] on 1 April (the injected fault)" in lines
    assert "    worst log_loss: 0.66 [0.56, 0.76] on 22 April (not injected)" in lines


def test_what_is_known_of_an_alerting_day_is_told_with_its_days() -> None:
    snow, _, furlough = SPRING.real_events
    assert event_line(snow) == "8 March: snow over New York (real, not injected); one odd day opens no incident"
    assert event_line(furlough).startswith("21–27 April: air-traffic controllers on furlough")
    assert event_line(replace(furlough, days=14)).startswith("21 April–4 May: ")


def test_a_slack_message_reads_from_header_to_attachment() -> None:
    message = {
        "text": "fallback",
        "blocks": [{"type": "header", "text": {"type": "plain_text", "text": "Alert: flight-delay"}}],
        "attachments": [{"blocks": [
            {"type": "section", "text": {"type": "plain_text", "text": "line 1\nline 2"}},
            {"type": "section", "fields": [{"type": "plain_text", "text": "Since: 1 April"}]},
            {"type": "context", "elements": [{"type": "plain_text", "text": "Rows: 900"}]},
            {"type": "section", "text": {"type": "mrkdwn", "text": "<http://127.0.0.1:8765/a|Open driftd>"}},
        ]}],
    }
    assert slack_lines(message) == ["Alert: flight-delay", "line 1", "line 2", "Since: 1 April", "Rows: 900", "Open driftd: http://127.0.0.1:8765/a"]
    assert slack_lines({"text": "only text"}) == ["only text"]


def test_the_summary_counts_faulty_days_apart_from_the_others() -> None:
    assert "7 of 7 faulty days alert, 0 of the 72 others" in summary_lines(AS_ANNOUNCED)
    assert timedelta(days=79) == SPRING.end - SPRING.start
