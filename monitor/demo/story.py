"""What has happened so far, week by week, and whether it is the story that the demo set out to tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from monitor.core.incidents import IncidentState
from monitor.core.performance.metrics import Better, metric_of
from monitor.core.results import Verdict
from monitor.core.retraining import RetrainingState
from monitor.demo.page import JudgedDay, Realised, SeenIncident, SeenRetraining
from monitor.demo.scenario import DAY, METRICS, Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """Judged days from a Monday on (the first and the last week may be shorter)."""

    days: tuple[JudgedDay, ...]

    @property
    def flights(self) -> int:
        """Predictions counted."""
        return sum(day.counted for day in self.days)

    @property
    def alerting(self) -> tuple[JudgedDay, ...]:
        """The days on which a check alerted."""
        return tuple(day for day in self.days if day.verdict is Verdict.ALERT)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that alerted, in the order in which they did."""
        return tuple(dict.fromkeys(column for day in self.days for column in day.columns))

    @property
    def span(self) -> str:
        """``1-7 April``, ``29 April - 5 May``."""
        first, last = self.days[0].start, self.days[-1].start
        if first.month == last.month:
            return f"{first.day}–{last.day} {last:%B}"
        return f"{first.day} {first:%B} – {last.day} {last:%B}"


def weeks_of(days: Iterable[JudgedDay]) -> Iterator[Week]:
    """Days in order, by calendar week."""
    for _, week in groupby(days, key=lambda day: _monday(day.start)):
        yield Week(days=tuple(week))


def is_whole(week: Week, scenario: Scenario) -> bool:
    """Whether nothing more is to come in this week."""
    last = week.days[-1].start + DAY
    return last >= scenario.end or _monday(last) > _monday(week.days[0].start)


def _monday(day: datetime) -> datetime:
    return day - timedelta(days=day.weekday())


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Everything that the summary tells. ``produced`` counts predictions that departed within the scenario's days.

    Of these ``labels`` get a label, and ``labelled`` have theirs.
    """

    scenario: Scenario
    produced: int
    days: Sequence[JudgedDay]
    incidents: Sequence[SeenIncident]
    dead_deliveries: int
    retrainings: Sequence[SeenRetraining]
    unsigned_webhooks: int = 0
    labels: int = 0
    labelled: int = 0

    @property
    def counted(self) -> int:
        """Predictions counted in the judged days."""
        return sum(day.counted for day in self.days)


def worst_performance(days: Iterable[JudgedDay]) -> list[tuple[JudgedDay, Realised]]:
    """Of every metric the day on which its labels told the worst."""
    told = [(day, realised) for day in days for realised in day.performance]
    by_metric = ([each for each in told if each[1].metric == metric] for metric in METRICS)
    return [max(seen, key=lambda each: _badness(each[1])) for seen in by_metric if seen]


def _badness(realised: Realised) -> float:
    return -realised.value if metric_of(realised.metric).better is Better.HIGHER else realised.value


def is_over(incident: SeenIncident) -> bool:
    """Whether an incident has come to its end."""
    return incident.state == IncidentState.RESOLVED


def was_told(incident: SeenIncident) -> bool:
    """Whether people were told: one that recovers while it is pending makes no message."""
    return incident.fired_at is not None


def awaits_verdict(retraining: SeenRetraining) -> bool:
    """Whether its new version is still to be compared with the old one."""
    return retraining.state == RetrainingState.SUCCEEDED and not retraining.verdict


def is_injected(incident: SeenIncident, scenario: Scenario) -> bool:
    """Whether an incident began on a day of the injected fault."""
    return incident.since in scenario.fault_days()


def shortcomings(outcome: Outcome) -> list[str]:
    """What is missing from the story; empty when all went as announced."""
    missing = []
    if len(outcome.days) != outcome.scenario.days:
        missing.append(f"{len(outcome.days)} days were judged instead of {outcome.scenario.days}")
    if outcome.counted != outcome.produced:
        missing.append(f"{outcome.counted:,} flights were counted instead of the {outcome.produced:,} produced")
    if outcome.labelled != outcome.labels:
        missing.append(f"{outcome.labelled:,} flights were labelled instead of the {outcome.labels:,} that arrived")
    missing += _about_the_fault(outcome)
    missing += _about_retraining(outcome)
    missing += [f"the incident {each.id} is still {each.state}" for each in outcome.incidents if not is_over(each)]
    if outcome.dead_deliveries:
        missing.append(f"{outcome.dead_deliveries} messages could not be delivered")
    if outcome.unsigned_webhooks:
        missing.append(f"{outcome.unsigned_webhooks} webhooks were not signed with the shared secret")
    return missing


def _about_retraining(outcome: Outcome) -> list[str]:
    """Nobody is to retrain on the fault; of the real decay one request is to come, a new version, and a verdict on it."""
    if outcome.scenario.go_live is None:
        return []
    faulty = outcome.scenario.fault_days()
    of_fault = [each for each in outcome.retrainings if each.requested_at - DAY in faulty]
    if of_fault:
        return [f"retraining was asked for on the injected fault, at {each.requested_at:%-d %B}" for each in of_fault]
    done = [each for each in outcome.retrainings if each.state == RetrainingState.SUCCEEDED]
    if len(done) != 1:
        return [f"{len(done)} new versions were trained instead of one"]
    if not done[0].helped:
        return [f"it was not told whether version {done[0].new_version} helped: {done[0].verdict or 'no verdict'}"]
    return []


def _about_the_fault(outcome: Outcome) -> list[str]:
    fault = outcome.scenario.fault
    if fault is None:
        return []
    of_fault = [each for each in outcome.incidents if is_injected(each, outcome.scenario) and was_told(each)]
    if len(of_fault) != 1:
        return [f"the injected fault made {len(of_fault)} incidents instead of one"]
    if of_fault[0].columns[:1] != (fault.column,):
        return [f"the incident names {list(of_fault[0].columns)} and not {fault.column!r} as its first cause"]
    if fault.words not in of_fault[0].cause:
        return [f"the incident's cause is {of_fault[0].cause!r} and does not say {fault.words!r}"]
    return []
