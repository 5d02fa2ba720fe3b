"""What the demo knows of the daemon: the answers of its HTTP API, the same that scripts use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from monitor.contract import parse_moment
from monitor.core.results import ALL_ROWS, Check, Verdict
from monitor.demo.scenario import DAY

ANSWER_WITHIN = 5.0
"""Seconds for one answer."""

MOST = 10_000
WAITING = "driftd_outbox_deliveries"
WORST_FIRST = (Verdict.ALERT, Verdict.ERROR, Verdict.WARN, Verdict.INSUFFICIENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Realised:
    """A metric of performance as the labels of one day tell it."""

    metric: str
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedDay:
    """A closed daily window: its rows and what the checks made of it.

    ``columns`` are those that alert, and metrics of performance that do, the worst check first. ``awaits_labels``: performance is
    watched and no label has told of it yet.
    """

    start: datetime
    received: int
    counted: int
    verdict: Verdict
    columns: tuple[str, ...]
    performance: tuple[Realised, ...] = ()
    awaits_labels: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenIncident:
    """An incident as far as the demo tells of it."""

    id: str
    state: str
    columns: tuple[str, ...]
    cause: str
    since: datetime
    fired_at: datetime | None
    resolved_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRetraining:
    """A request to retrain as far as the demo tells of it. ``helped``: empty until it is told."""

    id: str
    state: str
    requested_at: datetime
    new_version: str | None
    helped: str
    verdict: str


class Page:
    """The daemon's HTTP interface on this machine. Every method may raise ``httpx.TransportError`` while it is not up."""

    def __init__(self, port: int, model: str) -> None:
        self.url = f"http://127.0.0.1:{port}/"
        self._model = model
        self._http = httpx.Client(base_url=self.url, timeout=ANSWER_WITHIN, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def ready(self) -> bool:
        """Whether the daemon takes work."""
        return self._http.get("/readyz").status_code == httpx.codes.OK

    def days_after(self, known: datetime | None) -> Sequence[JudgedDay]:
        """The judged days after the last one known, in order."""
        since = {} if known is None else {"since": (known + DAY).isoformat()}
        results = self._list("results", "/api/v1/results", {"model": self._model, "limit": MOST, **since})
        windows = self._list("windows", f"/api/v1/models/{self._model}/windows", {"limit": MOST, **since})
        by_day: dict[str, dict[tuple[str, ...], Mapping[str, Any]]] = {}
        for result in sorted(results, key=lambda result: result["revision"]):  # a later revision takes the place of an earlier one
            if result["segment"] == ALL_ROWS:
                place = (result["version"], result["check"], result["column"] or "", result["metric"])
                by_day.setdefault(result["window_start"], {})[place] = result
        accounts = accounts_of(windows)
        return [judged_day(accounts[start], list(by_day[start].values())) for start in sorted(by_day) if start in accounts]

    def incidents(self) -> Sequence[SeenIncident]:
        """All incidents of the model, oldest first."""
        return [_incident(each) for each in self._list("incidents", "/api/v1/incidents", {"model": self._model})]

    def retrainings(self) -> Sequence[SeenRetraining]:
        """All requests to retrain the model, oldest first."""
        return [_retraining(each) for each in self._list("retrainings", "/api/v1/retrainings", {"model": self._model})]

    def labelled(self) -> int:
        """How many predictions have their label."""
        answer = self._http.get(f"/api/v1/models/{self._model}/labels")
        answer.raise_for_status()
        return int(answer.json()["matched"])

    def deliveries(self) -> Mapping[str, int]:
        """Messages in the outbox by state: pending, sent, dead."""
        answer = self._http.get("/metrics")
        answer.raise_for_status()
        families = text_string_to_metric_families(answer.text)
        return {s.labels["state"]: int(s.value) for family in families for s in family.samples if s.name == WAITING}

    def _list(self, noun: str, path: str, asked: Mapping[str, str | int]) -> list[dict[str, Any]]:
        answer = self._http.get(path, params=asked)
        answer.raise_for_status()
        listed: list[dict[str, Any]] = answer.json()[noun]
        return listed


def accounts_of(windows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """By start, the rows of all versions together."""
    found: dict[str, dict[str, Any]] = {}
    for window in windows:
        if window["segment"] == ALL_ROWS:
            known = found.setdefault(window["window_start"], {"window_start": window["window_start"], "received": 0, "counted": 0})
            known["received"] += window["received"]
            known["counted"] += window["counted"]
    return found


def _retraining(seen: Mapping[str, Any]) -> SeenRetraining:
    return SeenRetraining(
        id=seen["id"], state=seen["state"], requested_at=parse_moment(seen["requested_at"]), new_version=seen["new_version"],
        helped=seen["helped"] or "", verdict=seen["verdict"],
    )


def judged_day(account: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> JudgedDay:
    """The account of a window and its results, told in one line."""
    verdicts = {result["verdict"] for result in results}
    performance = [result for result in results if result.get("check") == Check.PERFORMANCE]
    realised = [result for result in performance if result["estimated"] is False]
    alerting = [result["column"] or result["metric"] for result in results
                if result["verdict"] == Verdict.ALERT and (result["column"] or result in performance)]
    return JudgedDay(
        start=parse_moment(account["window_start"]),
        received=account["received"],
        counted=account["counted"],
        verdict=next((worst for worst in WORST_FIRST if worst in verdicts), Verdict.OK),
        columns=tuple(dict.fromkeys(alerting)),
        performance=tuple(Realised(metric=each["metric"], value=each["value"], low=each["ci_low"], high=each["ci_high"])
                          for each in realised if each["value"] is not None),
        awaits_labels=bool(performance) and not realised,
    )


def _incident(seen: Mapping[str, Any]) -> SeenIncident:
    return SeenIncident(
        id=seen["id"],
        state=seen["state"],
        columns=tuple(seen["columns"]),
        cause=seen["cause"],
        since=parse_moment(seen["since"]),
        fired_at=seen["fired_at"] and parse_moment(seen["fired_at"]),
        resolved_at=seen["resolved_at"] and parse_moment(seen["resolved_at"]),
    )
