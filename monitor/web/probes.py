"""``/livez``, ``/readyz`` and ``/metrics``. The first two touch memory only: a slow database kills no healthy process."""

from __future__ import annotations

import re
import time

from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from monitor.errors import Retryable, UsageError
from monitor.web.parts import Parts, parts_of

_ODD_VERSION = re.compile(r"version=(?!\d{1,4}\.\d{1,4}\.\d{1,4}\s*(?:;|$))", re.ASCII)


async def livez(request: Request) -> Response:
    """200 while every loop comes round; a broker or database that is away is no reason to be restarted."""
    alive, lines = parts_of(request).health.live()
    return _probe(alive, lines, "verbose" in request.query_params, [f"loop {n}: {age:.1f} s ago" for n, age in _loops(request)])


async def readyz(request: Request) -> Response:
    """503 with the named reasons while work cannot be taken."""
    ready, lines = parts_of(request).health.ready()
    return _probe(ready, lines, "verbose" in request.query_params, parts_of(request).health.told())


def _loops(request: Request) -> list[tuple[str, float]]:
    return list(parts_of(request).health.loops().items())


def _probe(good: bool, lines: list[str], verbose: bool, more: list[str]) -> Response:
    body = ["ok"] if good else lines
    return PlainTextResponse("\n".join(body + (more if verbose else [])) + "\n", 200 if good else 503)


def metrics(request: Request) -> Response:
    """Prometheus text, or OpenMetrics where ``Accept`` asks for it."""
    parts = parts_of(request)
    _refresh(parts)
    encode, media_type = choose_encoder(_accepted(request.headers.get("accept", "")))
    return Response(encode(parts.metrics.registry), media_type=media_type)


def _accepted(accept: str) -> str:
    """Without what asks for a version that is none: the library raises on those."""
    return ",".join(part for part in accept.split(",") if not _ODD_VERSION.search(part))


def _refresh(parts: Parts) -> None:
    """Bring up to date what is known only at the moment of a scrape."""
    parts.metrics.ready.set(parts.health.ready()[0])
    now = time.time()
    for loop, age in parts.health.loops().items():
        parts.metrics.heartbeat.labels(loop).set(now - age)
    try:
        for state, depth in parts.store.outbox_depth().items():
            parts.metrics.outbox.labels(state).set(depth)
        parts.metrics.set_outbox_oldest(parts.store.outbox_oldest())
        for model in parts.models:
            incident = parts.store.open_incident(model.name)
            parts.metrics.set_incident(model.name, None if incident is None else incident.state)
            if model.performance is not None:
                parts.metrics.set_labels_waiting(model.name, parts.store.label_account(model.name).waiting)
        parts.metrics.store_up.set(1)
    except (Retryable, UsageError):
        parts.metrics.store_up.set(0)
