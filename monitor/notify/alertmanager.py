"""Incidents as alerts of Prometheus Alertmanager, by its API v2.

An alert is its labels: with another label it would be another alert, so they are what the incident's first message had. What may
change stands in the annotations. An alert that is firing ends in ten years, and is ended by the message of its end: driftd tells of an
incident a few times in its life, where Prometheus repeats itself every minute, and an alert without an end, or with an early one,
would resolve by itself (after ``resolve_timeout``) while the model is still bad.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import datetime, timedelta

from monitor import __version__
from monitor.core.incidents import NotifyKind
from monitor.core.messages import IncidentMessage
from monitor.core.results import Verdict
from monitor.core.schema import rfc3339
from monitor.errors import Permanent
from monitor.notify.plain import cut, is_incident, message_of
from monitor.notify.transport import Limits, demand_success, get, post
from monitor.ports import Clock, Delivery, Receipt, Receiver
from monitor.settings.targets import AlertmanagerSettings

FAR = timedelta(days=3650)
"""After its start an alert that nobody resolves ends."""
SEVERITIES = {Verdict.WARN: "warning", Verdict.ALERT: "critical"}
"""Alertmanager has no words of its own; these are the usual ones."""
MAX_TEXT = 1000
"""Characters of an annotation."""


class Alertmanager:
    """Posts one alert for each message."""

    def __init__(self, name: str, settings: AlertmanagerSettings, clock: Clock) -> None:
        self.name = name
        self._settings = settings
        self._clock = clock

    def send(self, delivery: Delivery) -> Receipt:
        """Post it once. Doing it twice is as doing it once. Raises Retryable or Permanent; neither tells a secret."""
        if not is_incident(delivery):
            return Receipt(detail="not sent: Alertmanager takes incidents alone")
        message = message_of(delivery)
        severity, starts = first_of(delivery.thread) or (severity_of(message), delivery.created_at)
        content = json.dumps([alert_of(message, severity, starts, delivery.created_at)]).encode()
        headers = {"content-type": "application/json", "user-agent": f"driftd/{__version__}", **login(self._settings)}
        answer = post(address(self._settings, "/api/v2/alerts"), content=content, headers=headers, limits=limits_of(self._settings))
        demand_success(answer, f"the Alertmanager {self.name}", self._clock.now())
        return Receipt(thread=f"{severity} {rfc3339(starts)}", detail=f"answered {answer.status}")

    def close(self) -> None:
        """Nothing is held open between messages."""


def made(name: str, settings: AlertmanagerSettings, clock: Clock) -> Receiver:
    """From its settings."""
    return Alertmanager(name, settings, clock)


def ask(settings: AlertmanagerSettings, clock: Clock) -> str:
    """Whether it is ready, without an alert. Raises Retryable or Permanent."""
    answer = get(address(settings, "/-/ready"), headers=login(settings), limits=limits_of(settings))
    demand_success(answer, "the Alertmanager", clock.now())
    return "the Alertmanager is ready"


def alert_of(message: IncidentMessage, severity: str, starts: datetime, at: datetime) -> Mapping[str, object]:
    """The alert. ``starts``: when the first message was made, by the wall clock, as Alertmanager's waits go by it; ``at``: this one's."""
    over = message.kind is NotifyKind.RESOLVED
    ends = max(at, starts) if over else max(at, starts) + FAR
    alert: dict[str, object] = {
        "labels": labels_of(message, severity),
        "annotations": annotations_of(message),
        "startsAt": rfc3339(starts),
        "endsAt": rfc3339(ends),
    }
    return {**alert, "generatorURL": message.url} if message.url else alert


def labels_of(message: IncidentMessage, severity: str) -> Mapping[str, str]:
    """All of them stay as they are for as long as the incident lasts."""
    labels = {
        "alertname": "DriftdCondition" if message.condition else "DriftdIncident",
        "service": "driftd",
        "model": message.model,
        "severity": severity,
        "incident": message.incident,
    }
    return {**labels, "condition": message.condition} if message.condition else labels


def annotations_of(message: IncidentMessage) -> Mapping[str, str]:
    """What people read; none of it is empty, for Alertmanager drops such."""
    columns = ", ".join(line.column for line in message.columns)
    found = {
        "summary": message.sentence,
        "description": ". ".join(text for text in (message.cause, message.evidence) if text),
        "columns": columns + (f" and {message.more_columns} more" if message.more_columns else ""),
        "checks": ", ".join(message.checks),
        "performance": message.performance,
        "since": rfc3339(message.since),
        "until": rfc3339(message.until),
        "reason": message.reason,
    }
    return {name: short for name, text in found.items() if (short := cut(text, MAX_TEXT))}


def severity_of(message: IncidentMessage) -> str:
    """The label of a first message."""
    return SEVERITIES.get(message.severity, "info")


def first_of(thread: str | None) -> tuple[str, datetime] | None:
    """Severity and start, as the incident's first message had them; None where this is the first one."""
    severity, _, starts = (thread or "").partition(" ")
    return (severity, datetime.fromisoformat(starts)) if severity and starts else None


def address(settings: AlertmanagerSettings, path: str) -> str:
    """A place of the Alertmanager's, below the prefix under which it may be."""
    return settings.url.rstrip("/") + path


def limits_of(settings: AlertmanagerSettings) -> Limits:
    """Its patience."""
    timeout = settings.timeout.total_seconds()
    return Limits(read=timeout, total=timeout, link_local=settings.allow_link_local)


def login(settings: AlertmanagerSettings) -> Mapping[str, str]:
    """The header that says who we are, where one is asked for. Secrets are read at each use. Raises Retryable, and Permanent."""
    if settings.token is not None:
        return {"authorization": f"Bearer {_header(settings.token.read(), 'token')}"}
    if settings.username is None or settings.password is None:
        return {}
    pair = f"{settings.username}:{settings.password.read()}".encode("utf-8", "surrogateescape")
    return {"authorization": "Basic " + base64.b64encode(pair).decode()}


def _header(text: str, what: str) -> str:
    if not (text.isascii() and text.isprintable()):
        raise Permanent(f"the Alertmanager's {what} has characters that no header may have")
    return text
