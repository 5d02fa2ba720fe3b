"""How a model does, in a few facts: pure, from what the store holds. Names of models and columns are data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from monitor.core.decay import evidence_words, value_with_interval
from monitor.core.incidents import Incident, IncidentState
from monitor.core.messages import moment
from monitor.core.results import ALL_ROWS, Account, Check, Result, Verdict, latest, only_told
from monitor.core.retraining import Retraining
from monitor.core.rules import Model
from monitor.core.silences import Silence
from monitor.notify.slack_message import LOOKS, PLAIN, RESOLVED, account_line
from monitor.ports import StoredWindow, VerdictCount

ORDER = (Verdict.ALERT, Verdict.ERROR, Verdict.WARN, Verdict.INSUFFICIENT, Verdict.OK, Verdict.SKIPPED)
"""The order in which verdicts are told, the worst first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What is known of a model. ``counts``: of its last judged window; ``accounts``: of its newest windows, all rows, oldest first.

    ``performance``: results of performance over all rows. ``silence``: one in force, that ends last, of anything of the model.
    ``lag``: messages not read yet, None where this process reads none of them.
    """

    model: Model
    incident: Incident | None
    counts: tuple[VerdictCount, ...]
    accounts: tuple[StoredWindow, ...]
    performance: tuple[Result, ...]
    silence: Silence | None = None
    retraining: Retraining | None = None
    lag: int | None = None

    @property
    def sign(self) -> str:
        """How bad it is, at a glance."""
        if self.incident is not None and self.incident.state is not IncidentState.PENDING:
            return LOOKS.get(self.incident.severity, PLAIN).sign
        worst = next((verdict for verdict in ORDER if any(each.verdict is verdict for each in self.counts)), None)
        return RESOLVED.sign if worst is Verdict.OK else LOOKS[Verdict.WARN].sign if worst in LOOKS else PLAIN.sign


def headline(status: Status) -> str:
    """The state in one sentence."""
    incident = status.incident
    if incident is not None:
        who = f" by {incident.acknowledged_by}" if incident.acknowledged_by else ""
        return f"{incident.state}{who} since {moment(incident.since)}: {incident.cause or incident.summary}"
    return "no open incident" if status.counts else "nothing is judged yet"


def fact_pairs(status: Status) -> list[tuple[str, str]]:
    """Ten at most, as Slack takes no more in one section; what is not known is left out or said to be so."""
    return [
        ("Last window", _window(status.counts)),
        *([("Rows", _account(status.accounts))] if status.accounts else []),
        ("Performance", _performance(status.performance, status.model, estimated=False)),
        ("Estimated", _performance(status.performance, status.model, estimated=True)),
        *([("Incident", status.incident.id)] if status.incident is not None else []),
        *([("Silenced until", f"{moment(status.silence.ends_at)}, by {status.silence.by}")] if status.silence is not None else []),
        *([("Retraining", _retraining(status.retraining))] if status.retraining is not None else []),
        *([("Not read yet", f"{status.lag:,} messages")] if status.lag is not None else []),
    ]


def _window(counts: Sequence[VerdictCount]) -> str:
    if not counts:
        return "none is judged yet"
    sums = {verdict: sum(each.count for each in counts if each.verdict is verdict) for verdict in ORDER}
    told = ", ".join(f"{count} {verdict}" for verdict, count in sums.items() if count)
    return f"{_span(counts[-1].window_start, counts[-1].window_end)}: {told}"


def _account(windows: Sequence[StoredWindow]) -> str:
    """Of the newest window, over its versions."""
    newest = max(window.key.start for window in windows)
    whole = sum((window.account for window in windows if window.key.start == newest), Account())
    return f"{moment(newest)}: {account_line(whole).removeprefix('Rows of the window: ')}"


def _performance(results: Iterable[Result], model: Model, *, estimated: bool) -> str:
    """The most important metric in the newest window that knows it."""
    known = [r for r in latest(results).values() if r.check is Check.PERFORMANCE and r.segment == ALL_ROWS and not only_told(r)
             and r.value is not None and bool(r.estimated) is estimated]
    if not known:
        return "not known" if model.performance is not None else "not watched"
    end = max(result.window_end for result in known)
    named = model.performance.metrics if model.performance is not None else ()
    newest = [result for result in known if result.window_end == end]
    best = min(newest, key=lambda r: (named.index(r.metric) if r.metric in named else len(named), r.metric, r.version))
    return f"{best.metric} {value_with_interval(best)}, {evidence_words(best)}, window {moment(best.window_start)}"


def _retraining(asked: Retraining) -> str:
    told = f"{asked.state}, asked for {moment(asked.requested_at)}"
    return f"{told}; {asked.verdict}" if asked.verdict else told


def _span(start: datetime, end: datetime) -> str:
    return f"{moment(start)} to {moment(end)}"
