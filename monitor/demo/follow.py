"""Looks at the daemon's page while the flights go by, and tells each week as it is judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile

import httpx

from monitor.demo.page import JudgedDay, Page, SeenIncident, SeenRetraining
from monitor.demo.scenario import DAY, Scenario
from monitor.demo.story import Outcome, awaits_verdict, is_over, is_whole, weeks_of
from monitor.demo.terminal import Terminal


class Follower:
    """Remembers the judged days that it has seen. ``labels``: how many predictions of the scenario's days get one."""

    def __init__(self, page: Page, terminal: Terminal, scenario: Scenario, labels: int = 0) -> None:
        self._page = page
        self._terminal = terminal
        self._scenario = scenario
        self._labels = labels
        self._labelled = 0
        self._days: list[JudgedDay] = []
        self._told = 0
        self._incidents: Sequence[SeenIncident] = ()
        self._deliveries: Mapping[str, int] = {}
        self._retrainings: Sequence[SeenRetraining] = ()

    def look(self) -> None:
        """Take in what is new and tell the weeks that are complete. An answer that does not come is asked for again next time."""
        try:
            known = list(takewhile(lambda day: not day.awaits_labels, self._days))
            fresh = self._page.days_after(known[-1].start if known else None)
            self._days = known + [day for day in fresh if day.start < self._scenario.end]
            self._labelled = self._page.labelled()
            self._incidents = self._page.incidents()
            self._retrainings = self._page.retrainings()
            self._deliveries = self._page.deliveries()
        except httpx.TransportError:
            return
        self._tell_whole_weeks()

    @property
    def is_done(self) -> bool:
        """Every day judged, every label joined, every incident over, every new version compared, every message out."""
        return (
            bool(self._days)
            and self._days[-1].start + DAY >= self._scenario.end
            and not any(day.awaits_labels for day in self._days)
            and self._labelled >= self._labels
            and all(map(is_over, self._incidents))
            and not any(map(awaits_verdict, self._retrainings))
            and not self._deliveries.get("pending")
        )

    def standing(self) -> str:
        """How far it has come, for when it takes too long."""
        last = f"{self._days[-1].start:%-d %B}" if self._days else "none"
        still_open = [each.id for each in self._incidents if not is_over(each)]
        labels = f"{self._labelled:,} of {self._labels:,} labels"
        waiting = [each.id for each in self._retrainings if awaits_verdict(each)]
        waits = f"open incidents: {still_open}; without a verdict: {waiting}; deliveries: {dict(self._deliveries)}"
        return f"last judged day: {last}; {labels}; {waits}"

    def outcome(self, produced: int, unsigned_webhooks: int) -> Outcome:
        """What it came to. Asks the page once more."""
        return Outcome(
            scenario=self._scenario,
            produced=produced,
            days=tuple(day for day in self._page.days_after(None) if day.start < self._scenario.end),
            labels=self._labels,
            labelled=self._labelled,
            incidents=tuple(self._incidents),
            dead_deliveries=self._deliveries.get("dead", 0),
            retrainings=tuple(self._page.retrainings()),
            unsigned_webhooks=unsigned_webhooks,
        )

    def _tell_whole_weeks(self) -> None:
        weeks = list(weeks_of(self._days))
        for week in weeks[self._told :]:
            if not is_whole(week, self._scenario) or any(day.awaits_labels for day in week.days):
                return
            self._terminal.week(week, self._scenario)
            self._told += 1
