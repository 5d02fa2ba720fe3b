"""Logging: one structured line per unit of work on stderr, as JSON or text, with every secret masked.

Every line of ours carries an ``action`` from the list below, so that ``grep action=window.judged`` finds all of a kind.
Use: ``log = logger(__name__)``, then ``log.info("window judged", action=Action.WINDOW_JUDGED, model=…, window=…)``.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from collections.abc import Mapping
from enum import StrEnum
from typing import IO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger


class Action(StrEnum):
    """What a log line is about; the one place where these names are made."""

    DAEMON_STARTED = "daemon.started"
    DAEMON_STOPPING = "daemon.stopping"
    DAEMON_STOPPED = "daemon.stopped"
    DAEMON_FAILED = "daemon.failed"
    RESOURCE_CLOSED = "resource.closed"
    CLOCK_JUMPED = "clock.jumped"
    CONFIG_ACCEPTED = "config.accepted"
    CONFIG_REFUSED = "config.refused"
    HEARTBEAT_FAILED = "heartbeat.failed"
    HEARTBEAT_WITHHELD = "heartbeat.withheld"

    INTAKE_ASSIGNED = "intake.assigned"
    INTAKE_UNREACHABLE = "intake.unreachable"
    INTAKE_BACK = "intake.back"
    INTAKE_GAP = "intake.gap"
    INTAKE_STUCK = "intake.stuck"
    TOPIC_RECREATED = "topic.recreated"
    MESSAGES_QUARANTINED = "messages.quarantined"
    VERSIONS_CROWDED = "versions.crowded"
    DEDUPE_FULL = "dedupe.full"

    CHECKPOINT_FENCED = "checkpoint.fenced"

    WINDOW_JUDGED = "window.judged"
    CHECK_FAILED = "check.failed"
    INCIDENT_CHANGED = "incident.changed"
    HISTORY_DELETED = "history.deleted"
    SILENCE_CHANGED = "silence.changed"
    REFERENCE_ADDED = "reference.added"
    REGISTRY_FAILED = "registry.failed"
    REFERENCE_DAMAGED = "reference.damaged"
    JUDGING_FAILED = "judging.failed"
    CONDITION_CHANGED = "condition.changed"
    RETRAINING_REQUESTED = "retraining.requested"
    RETRAINING_HELD = "retraining.held"
    RETRAINING_CHANGED = "retraining.changed"
    RETRAINING_JUDGED = "retraining.judged"
    LABELS_JOINED = "labels.joined"
    LABELLING_FAILED = "labelling.failed"
    WINDOW_REVISED = "window.revised"
    WORKER_DIED = "worker.died"
    INCIDENT_PAGE = "incident.page"
    INCIDENT_PICTURE = "incident.picture"

    DELIVERY_SENT = "delivery.sent"
    DELIVERY_POSTPONED = "delivery.postponed"
    DELIVERY_DEAD = "delivery.dead"
    RECEIVER_DISABLED = "receiver.disabled"
    DIGEST_TOLD = "digest.told"

    SLACK_CONNECTED = "slack.connected"
    SLACK_DISCONNECTED = "slack.disconnected"
    SLACK_CLICKED = "slack.clicked"

    JOB_FAILED = "job.failed"
    JOB_SKIPPED = "job.skipped"
    HTTP_STARTED = "http.started"
    HTTP_FAILED = "http.failed"


class LogFormat(StrEnum):
    """How a line is written."""

    JSON = "json"
    TEXT = "text"


FLOORS: Mapping[str, int] = {
    "kafka": logging.WARNING,        # narrates every reconnect at INFO
    "apscheduler": logging.WARNING,  # narrates every tick at INFO
    "slack_sdk": logging.INFO,       # prints message bodies and headers at DEBUG
    "httpx": logging.WARNING,        # prints URLs at INFO: a webhook's URL is a secret
    "httpcore": logging.INFO,        # prints headers at DEBUG
    "urllib3": logging.INFO,
    "sqlalchemy": logging.WARNING,   # prints statements and their values at INFO
    "alembic": logging.WARNING,
    "uvicorn": logging.WARNING,
    "asyncio": logging.WARNING,
    "websockets": logging.WARNING,   # prints frames at DEBUG
    "matplotlib": logging.WARNING,
}
"""Others' loggers never speak below these levels, whatever level is asked for."""

REPEAT_SECONDS = 30.0
"""The same line of a library is written at most this often: kafka-python repeats itself ten times a second while a broker is away."""
REMEMBERED_LINES = 256

MASK = "***"
_SECRET_KEYS = re.compile(r"(?:^|_)(?:password|passwd|secret|token|authorization|signature|api_?key)$", re.IGNORECASE)
_SECRET_SHAPES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(https?://[^\s/]+/services/)[^\s\"'<>]+"), rf"\g<1>{MASK}"),           # Slack's incoming webhook, any host
    (re.compile(r"(https?://[^\s/]+/(?:triggers|workflows)/)[^\s\"'<>]+"), rf"\g<1>{MASK}"),  # its workflow kin
    (re.compile(r"\b(xox[a-z]|xapp|xwfp)-[A-Za-z0-9-]+"), rf"\g<1>-{MASK}"),             # Slack's tokens
    (re.compile(r"\b(wh(?:sec|sk)_)[A-Za-z0-9+/=_-]+"), rf"\g<1>{MASK}"),                # Standard Webhooks' keys
    (re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE), rf"\g<1> {MASK}"),
    (re.compile(r"(://[^\s/:@]*:)[^\s/@]+@"), rf"\g<1>{MASK}@"),                         # user:password@host
)

_known: set[str] = set()
_lock = threading.Lock()


def hide(*secrets: str) -> None:
    """Mask these texts wherever they turn up. Texts under four characters are left alone: they would mask half of every line."""
    with _lock:
        _known.update(secret for secret in secrets if len(secret) >= 4)


def redact(text: str) -> str:
    """The text with known secrets, and what looks like one, masked. For error messages that people will see, too."""
    with _lock:
        known = sorted(_known, key=len, reverse=True)
    for shape, masked in _SECRET_SHAPES:
        text = shape.sub(masked, text)
    for secret in known:
        text = text.replace(secret, MASK)
    return text


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger that takes fields: ``log.info("what happened", action=Action.…, model=…)``."""
    return structlog.stdlib.get_logger(name)


def configure(*, level: str = "info", form: str = LogFormat.TEXT, stream: IO[str] | None = None) -> None:
    """Send every logger of the process to ``stream`` (stderr where None); may be called again. Raises ValueError on an unknown level."""
    known = logging.getLevelNamesMapping()
    if level.upper() not in known:
        raise ValueError(f"unknown log level {level!r}, expected one of {sorted(name.lower() for name in known)}")
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(_formatter(LogFormat(str(form))))
    handler.addFilter(_Repeats())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(known[level.upper()])
    for name, floor in FLOORS.items():
        logging.getLogger(name).setLevel(max(floor, known[level.upper()]))
    logging.captureWarnings(True)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *_common(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,  # a second configure() must reach loggers made before it
    )


def _common() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _formatter(form: LogFormat) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_common(),
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            _mask,
            structlog.processors.JSONRenderer(ensure_ascii=False, default=str) if form is LogFormat.JSON else _text,
        ],
    )


def _mask(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {key: MASK if _SECRET_KEYS.search(key) and value else _masked(value) for key, value in event.items()}


def _masked(value: object) -> object:
    match value:
        case str():
            return redact(value)
        case None | bool() | int() | float():
            return value
        case Mapping():
            return _mask(None, "", {str(key): inner for key, inner in value.items()})
        case list() | tuple() | set() | frozenset():
            return [_masked(inner) for inner in value]
        case _:
            return redact(str(value))


def _text(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """``time level message key=value …``; a traceback follows on lines of its own."""
    fields = dict(event)
    head = " ".join((str(fields.pop("timestamp", "")), f"{fields.pop('level', '')!s:<7}", _one_line(str(fields.pop("event", "")))))
    blocks = [str(block) for block in (fields.pop("exception", None), fields.pop("stack", None)) if block]
    pairs = (f"{key}={_quoted(value)}" for key, value in fields.items() if value is not None)
    return "\n".join([" ".join([head, *pairs]), *blocks])


def _one_line(text: str) -> str:
    """A message cannot forge a second line, whatever came in from a topic."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _quoted(value: object) -> str:
    text = _one_line(str(value))
    return text if text and not re.search(r"[\s=\"]", text) else '"' + text.replace('"', '\\"') + '"'


class _Repeats(logging.Filter):
    """Lets a library's line through once per ``REPEAT_SECONDS`` and says then how many were held back. Ours always pass."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[tuple[str, int, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Called under the handler's lock-free path; a lost count in a race is no harm."""
        if record.name.split(".", 1)[0] not in FLOORS:
            return True
        key = (record.name, record.levelno, str(record.msg))
        at, held = self._last.get(key, (-REPEAT_SECONDS, 0))
        if 0 <= record.created - at < REPEAT_SECONDS:  # less than nothing: the clock was set back
            self._last[key] = (at, held + 1)
            return False
        if len(self._last) >= REMEMBERED_LINES:
            self._last.clear()
        self._last[key] = (record.created, 0)
        if held:
            record.msg = f"{record.msg} ({held} more like it since)"
        return True
