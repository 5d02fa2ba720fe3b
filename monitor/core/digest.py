"""The daily digest: what was not worth a message of its own. Warnings by model and column, incidents held back, messages given up.

A warning counts as its window stands now: the last revision of each result. Where labels make results anew long after, those revisions
are told once their window gets no more labels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo

from monitor.core.incidents import Incident
from monitor.core.messages import model_url, moment
from monitor.core.results import ALL_ROWS, Check, Result, Verdict, only_told
from monitor.core.schema import rfc3339
from monitor.core.severity import ONLY

DIGEST = "digest"
"""The kind of a delivery that is one."""
TOLD = (Verdict.WARN, Verdict.ERROR)
"""What a digest tells: what alerts has a message of its own."""
DAY = timedelta(days=1)

MAX_MODELS = 20
"""Models that a digest describes; the others are counted."""
MAX_LINES = 5
"""Lines of one model; the others are counted."""
MAX_HELD = 20
"""Incidents held back that are named."""
MAX_TEXT = 200
"""Characters of one line; column names come from logs and may be of any length."""

WORDS: Mapping[Check, str] = {
    Check.DRIFT: "drifted a little",
    Check.QUALITY: "quality warned",
    Check.PERFORMANCE: "performance warned",
    Check.VOLUME: "volume warned",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Windows of a model that start within ``[after, until)``, event time; ``after`` None: from the first one on.

    ``least_revision``, ``most_revision``: only results whose last revision is within these; None: any.
    """

    model: str
    after: datetime | None
    until: datetime
    least_revision: int = 0
    most_revision: int | None = None

    def holds(self, result: Result) -> bool:
        """Whether a result, in its last revision, belongs here."""
        begun = self.after is None or result.window_start >= self.after
        last = self.most_revision is None or result.revision <= self.most_revision
        return result.model == self.model and begun and result.window_start < self.until and self.least_revision <= result.revision and last


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """What a span holds: how many windows were judged, and the results to tell of, in their last revision."""

    windows: int = 0
    results: tuple[Result, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a receiver's last digest told: until when by the wall clock, and by model up to which end of a window."""

    receiver: str
    told_until: datetime
    judged: Mapping[str, datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPart:
    """What is told of one model: a line each, the most frequent first."""

    model: str
    windows: int
    lines: tuple[str, ...]
    more: int
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """One digest, the same for every receiver. ``since`` and ``until``: the wall clock's."""

    since: datetime
    until: datetime
    models: tuple[ModelPart, ...]
    more_models: int
    held: tuple[str, ...]
    more_held: int
    dead: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """Everything that a digest is made of. ``dead``: by receiver, how many messages were given up."""

    since: datetime
    until: datetime
    warned: Mapping[str, Sequence[Warned]]
    held: Sequence[Incident] = ()
    dead: Mapping[str, int] | None = None
    page_url: str | None = None


def digest_of(news: News) -> Digest | None:
    """The digest; None where there is nothing to tell."""
    parts = [part for model, spans in sorted(news.warned.items()) if (part := _part(model, spans, news.page_url)) is not None]
    parts.sort(key=lambda part: -(len(part.lines) + part.more))
    dead = tuple(f"{count} {'message' if count == 1 else 'messages'} to {receiver} {'was' if count == 1 else 'were'} given up"
                 for receiver, count in sorted((news.dead or {}).items()) if count)
    held = [_held(incident) for incident in news.held]
    if not (parts or held or dead):
        return None
    return Digest(since=news.since, until=news.until, models=tuple(parts[:MAX_MODELS]), more_models=max(len(parts) - MAX_MODELS, 0),
                  held=tuple(held[:MAX_HELD]), more_held=max(len(held) - MAX_HELD, 0), dead=dead)


def last_slot(now: datetime, at: time, zone: tzinfo) -> datetime:
    """The last moment, up to now, at which a digest was due: ``at`` on the clock of that zone, every day. UTC."""
    local = now.astimezone(zone)
    days = (local.date(), local.date() - DAY)
    slots = (datetime.combine(day, at, tzinfo=zone).astimezone(UTC) for day in days)
    return max((slot for slot in slots if slot <= now), default=now - DAY)


def is_due(told_until: datetime, slot: datetime, now: datetime) -> bool:
    """Whether a digest is owed. One that seems to have been told a day ahead was told by a clock that was set back since."""
    return told_until < slot or told_until - now > DAY


def digest_dedupe(receiver: str, slot: datetime) -> str:
    """What makes a digest unique: made again, by another replica, it is the same one."""
    return f"{receiver}:{DIGEST}:{rfc3339(slot)}"


def headline(digest: Digest) -> str:
    """``Digest: 3 models warned, 1 incident held back``."""
    models, held, dead = len(digest.models) + digest.more_models, len(digest.held) + digest.more_held, len(digest.dead)
    parts = [
        *([f"{models} {'model' if models == 1 else 'models'} warned"] if models else []),
        *([f"{held} {'incident' if held == 1 else 'incidents'} held back"] if held else []),
        *(["messages given up"] if dead else []),
    ]
    return f"Digest: {', '.join(parts)}"


def _part(model: str, spans: Sequence[Warned], page_url: str | None) -> ModelPart | None:
    lines = [line for span in spans for line in _lines(span)]
    if not lines:
        return None
    return ModelPart(model=_cut(model), windows=max(span.windows for span in spans), lines=tuple(lines[:MAX_LINES]),
                     more=max(len(lines) - MAX_LINES, 0), url=model_url(page_url, model))


Topic = tuple[Check, str, str, Verdict]
"""Check, column ("" for the whole model), metric and verdict."""


def _lines(span: Warned) -> list[str]:
    """One for each check, column and metric, those of most windows first."""
    topics: dict[Topic, list[Result]] = {}
    for result in span.results:
        if not only_told(result):
            topics.setdefault((result.check, result.column or "", result.metric, result.verdict), []).append(result)
    ordered = sorted(topics.items(), key=lambda item: (-_windows(item[1]), item[0]))
    return [_cut(_line(topic, found, span.windows)) for topic, found in ordered]


def _line(topic: Topic, found: Sequence[Result], windows: int) -> str:
    """``dest drifted a little in 3 of 24 windows (largest tvd 0.04, limit 0.03)``."""
    check, column, _, verdict = topic
    worst = max(found, key=_excess)
    what = "could not be judged" if verdict is Verdict.ERROR else WORDS[check]
    seen = _windows(found)
    return (f"{column or 'the whole model'}: {what} in {seen} of {max(windows, seen)} {'window' if max(windows, seen) == 1 else 'windows'}"
            f"{_where(found)} ({_numbers(worst)})")


def _numbers(worst: Result) -> str:
    """The numbers of the worst of them; where there are none, its reason."""
    if worst.value is None or not math.isfinite(worst.value) or worst.verdict is Verdict.ERROR:
        return worst.reason
    limit = "" if worst.threshold is None else f", limit {worst.threshold:.3g}"
    held = f"; {worst.reason.partition(ONLY)[2]}" if ONLY in worst.reason else ""
    return f"most {worst.metric} {worst.value:.3g}{limit}{held}"


def _where(found: Iterable[Result]) -> str:
    """Empty where all rows show it; else the segments that do."""
    segments = sorted({result.segment for result in found})
    if ALL_ROWS in segments:
        return ""
    return f", only in {segments[0]}" if len(segments) == 1 else f", only in {len(segments)} segments"


def _excess(result: Result) -> float:
    """How far from its limit, whatever side is the bad one; what has no numbers is the least."""
    if not result.value or not result.threshold or not math.isfinite(result.value) or not math.isfinite(result.threshold):
        return 0.0
    return abs(math.log(abs(result.value)) - math.log(abs(result.threshold)))


def _windows(found: Iterable[Result]) -> int:
    return len({result.window_start for result in found})


def _held(incident: Incident) -> str:
    return _cut(f"{incident.model}: {incident.summary}, since {moment(incident.since)}, held back: {incident.muted}")


def _cut(text: str) -> str:
    """Short enough, and writable as UTF-8: a log may hold lone surrogates."""
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
