"""What the page shows, as plain data: pure functions from what the store holds to what a template writes."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from monitor.core.incidents import Incident, IncidentState, MuteReason
from monitor.core.messages import moment
from monitor.core.results import ALL_ROWS, Account, Check, Result, Verdict
from monitor.core.silences import ANY_MODEL, Silence
from monitor.ports import StoredWindow, VerdictCount

WORST_FIRST = (Verdict.ALERT, Verdict.ERROR, Verdict.WARN, Verdict.INSUFFICIENT, Verdict.OK, Verdict.SKIPPED)
"""A window is shown as the worst of its results; one that could not be judged is never shown as ok."""


class Standing(StrEnum):
    """How a model stands, in one word."""

    WAITING = "waiting"
    OK = "ok"
    NOT_JUDGED = "not judged"
    INSUFFICIENT = "insufficient"
    WARN = "warn"
    ERROR = "error"
    PENDING = "pending"
    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"


TONES: Mapping[Standing, Verdict] = {
    Standing.WAITING: Verdict.SKIPPED,
    Standing.OK: Verdict.OK,
    Standing.NOT_JUDGED: Verdict.SKIPPED,
    Standing.INSUFFICIENT: Verdict.INSUFFICIENT,
    Standing.WARN: Verdict.WARN,
    Standing.ERROR: Verdict.ERROR,
    Standing.PENDING: Verdict.WARN,
    Standing.FIRING: Verdict.ALERT,
    Standing.ACKNOWLEDGED: Verdict.WARN,
}
"""The colour of a standing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One window of a strip: its worst verdict, and how many results came to each."""

    start: datetime
    end: datetime
    worst: Verdict
    counts: Mapping[Verdict, int]

    @property
    def said(self) -> str:
        """The counts in words: ``2 alert, 30 ok``."""
        return ", ".join(f"{self.counts[verdict]} {verdict}" for verdict in WORST_FIRST if self.counts.get(verdict))


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One window's value of a measure."""

    start: datetime
    value: float | None
    threshold: float | None
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One measure over the last windows; ``points`` oldest first, never empty."""

    check: str
    column: str | None
    metric: str
    points: tuple[Point, ...]
    reason: str

    @property
    def last(self) -> Point:
        """The newest point."""
        return self.points[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountLine:
    """The account of one window over all versions; ``share`` is its rows against the largest window shown, within [0, 1].

    ``incomplete``: some of its rows may have been lost before they could be read.
    """

    model: str
    start: datetime
    end: datetime
    account: Account
    share: float
    incomplete: bool = False


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of some verdicts; ``skipped`` where there is none."""
    return min(verdicts, key=WORST_FIRST.index, default=Verdict.SKIPPED)


def standing(incident: Incident | None, counts: Iterable[VerdictCount]) -> Standing:
    """An open incident speaks first, then the last judged window. An alert without an incident counts as pending."""
    if incident is not None and incident.state is not IncidentState.RESOLVED:
        return Standing(str(incident.state))
    last = cells(counts)[-1:]
    if not last:
        return Standing.WAITING
    by_verdict = {
        Verdict.OK: Standing.OK, Verdict.WARN: Standing.WARN, Verdict.ALERT: Standing.PENDING, Verdict.ERROR: Standing.ERROR,
        Verdict.INSUFFICIENT: Standing.INSUFFICIENT, Verdict.SKIPPED: Standing.NOT_JUDGED,
    }
    return by_verdict[last[0].worst]


def muted_words(incident: Incident, silences: Iterable[Silence]) -> str:
    """Why people hear nothing of an open incident, and until when: ``silenced until 2026-12-24 06:00 UTC by mara``; empty where they do.

    ``silences``: those in force. Of one that names a check or a column it is known only once it has held something back.
    """
    held = incident.muted == MuteReason.SILENCED
    found = [s for s in silences if s.model in (ANY_MODEL, incident.model) and s.incident in (None, incident.id)
             and (held or (s.check is None and s.column is None))]
    if found:
        last = max(found, key=lambda silence: silence.ends_at)
        return f"silenced until {moment(last.ends_at)} by {last.by}"
    words = {
        MuteReason.SILENCED: "nobody was told while it was silenced; the next bad window tells",
        MuteReason.OLD_WINDOW: "nobody was told: its windows are old",
        MuteReason.MAINTENANCE: "stands still in maintenance",
    }
    return next((said for why, said in words.items() if incident.muted == why), "")


def cells(counts: Iterable[VerdictCount]) -> tuple[Cell, ...]:
    """One cell a window, oldest first."""
    windows: dict[tuple[datetime, datetime], list[VerdictCount]] = defaultdict(list)
    for each in counts:
        windows[each.window_start, each.window_end].append(each)
    return tuple(_cell(start, end, found) for (start, end), found in sorted(windows.items()))


def _cell(start: datetime, end: datetime, found: Sequence[VerdictCount]) -> Cell:
    """Ok it is only where drift was looked at: a window without anything to compare with is no healthy one."""
    sums: dict[Verdict, int] = defaultdict(int)
    for each in found:
        sums[each.verdict] += each.count
    drift = {each.verdict for each in found if each.check is Check.DRIFT}
    shown = worst(sums)
    return Cell(start=start, end=end, worst=Verdict.SKIPPED if shown is Verdict.OK and drift == {Verdict.SKIPPED} else shown, counts=sums)


def measures(results: Iterable[Result]) -> tuple[Measure, ...]:
    """Over all rows, the measures that have been held against a limit: the worst now first, then the worst lately."""
    latest: dict[tuple[str, str | None, str], dict[datetime, Result]] = defaultdict(dict)
    for result in results:
        if result.segment == ALL_ROWS:
            series = latest[str(result.check), result.column, result.metric]
            known = series.get(result.window_start)
            if known is None or (result.revision, result.version) >= (known.revision, known.version):
                series[result.window_start] = result
    found = (_measure(key, [series[at] for at in sorted(series)]) for key, series in latest.items())
    return tuple(sorted((m for m in found if any(p.threshold is not None for p in m.points)), key=_rank))


def _measure(key: tuple[str, str | None, str], series: Sequence[Result]) -> Measure:
    points = tuple(Point(start=r.window_start, value=r.value, threshold=r.threshold, verdict=r.verdict) for r in series)
    return Measure(check=key[0], column=key[1], metric=key[2], points=points, reason=series[-1].reason)


def _rank(measure: Measure) -> tuple[int, int, float, str, str, str]:
    last = measure.last
    bad = sum(point.verdict in (Verdict.ALERT, Verdict.WARN, Verdict.ERROR) for point in measure.points)
    beyond = last.value / last.threshold if last.value is not None and last.threshold else 0.0
    beyond = -beyond if math.isfinite(beyond) else 0.0
    return WORST_FIRST.index(last.verdict), -bad, beyond, measure.check, measure.column or "", measure.metric


def account_lines(windows: Iterable[StoredWindow], limit: int) -> tuple[AccountLine, ...]:
    """The last ``limit`` windows over all rows, newest first; versions are added up."""
    sums: dict[tuple[str, datetime, datetime], Account] = {}
    incomplete: set[tuple[str, datetime, datetime]] = set()
    for window in windows:
        key = window.key
        if window.incomplete:
            incomplete.add((key.model, key.start, key.end))
        if key.segment == ALL_ROWS:
            sums[key.model, key.start, key.end] = sums.get((key.model, key.start, key.end), Account()) + window.account
    newest = sorted(sums.items(), key=lambda item: (item[0][1], item[0][0]), reverse=True)[:limit]
    largest = max((account.received for _, account in newest), default=0) or 1
    return tuple(
        AccountLine(model=model, start=start, end=end, account=account, share=account.received / largest,
                    incomplete=(model, start, end) in incomplete)
        for (model, start, end), account in newest
    )
