"""``/`` and ``/models/{model}``: written on the server, without scripts or outside assets; everything is escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from monitor import __version__
from monitor.core.incidents import Incident, IncidentState
from monitor.core.results import ALL_ROWS, BAD, Check, Result, Verdict
from monitor.core.retrain_policy import LEAST_REMEMBERED
from monitor.core.retraining import UNFINISHED, Retraining
from monitor.core.rules import Model
from monitor.ports import DeliveryRow, Store, StoredReference, StreamCount
from monitor.settings.durations import duration_text
from monitor.web.draw import SPARK_WINDOWS, STRIP_WINDOWS, Bar, Spark, spark, strip
from monitor.web.errors import not_found
from monitor.web.panel import Panel, performance_glance, performance_panel
from monitor.web.parts import Parts, parts_of
from monitor.web.performance import standing_findings
from monitor.web.view import TONES, AccountLine, Measure, Standing, account_lines, cells, measures, muted_words, standing

TEMPLATES = Path(__file__).parent / "templates"
REFRESH_SECONDS = 10
FINDINGS, ACCOUNTS, MODEL_ACCOUNTS, INCIDENTS, RETRAININGS, DEAD = 12, 10, 20, 20, 5, 5
"""Lines shown of each kind."""
MEASURES = 60
"""Sparklines on a page, the worst first: 200 of them would be a megabyte every ten seconds."""
ROWS_READ = 400
"""Window rows read for the accounts: versions and segments have rows of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One model at a glance. ``performance``: its first metric in a few words; empty where there is nothing to tell.

    ``muted``: why people hear nothing of its incident, and until when; empty where they do. ``asked``: the request to retrain that has
    not ended.
    """

    model: Model
    standing: Standing
    tone: Verdict
    bars: tuple[Bar, ...]
    last: AccountLine | None
    incident: Incident | None
    performance: str = ""
    muted: str = ""
    asked: Retraining | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """All that ``/`` shows; incidents and findings newest first."""

    cards: tuple[Card, ...]
    open: tuple[Incident, ...]
    past: tuple[Incident, ...]
    findings: tuple[Result, ...]
    accounts: tuple[AccountLine, ...]
    streams: tuple[StreamCount, ...]
    depth: Mapping[str, int]
    dead: tuple[DeliveryRow, ...]
    references: tuple[StoredReference, ...]
    reports: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureRow:
    """A measure with its sparkline."""

    measure: Measure
    drawing: Spark


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPage:
    """All that ``/models/{model}`` shows."""

    card: Card
    incidents: tuple[Incident, ...]
    retrainings: tuple[Retraining, ...]
    performance: Panel | None
    measures: tuple[MeasureRow, ...]
    more_measures: int
    accounts: tuple[AccountLine, ...]
    findings: tuple[Result, ...]
    in_segments: tuple[Result, ...]
    reports: frozenset[str]


def overview(request: Request) -> Response:
    """The page that stays open on the screen."""
    parts = parts_of(request)
    return _html("overview.html", parts, _overview(parts))


def model(request: Request) -> Response:
    """One model, column by column."""
    parts, name = parts_of(request), request.path_params["model"]
    found = parts.model(name)
    if found is None:
        raise not_found(f"no model {name!r} is configured, known: {sorted(each.name for each in parts.models)}")
    return _html("model.html", parts, _model_page(parts, found))


def _overview(parts: Parts) -> Overview:
    store = parts.store
    cards = tuple(replace(_card(parts, each), performance=performance_glance(store, each)) for each in parts.models)
    return Overview(
        cards=cards,
        open=(*store.open_conditions(), *(card.incident for card in cards if card.incident is not None)),
        past=tuple(each for each in reversed(store.incidents(newest=INCIDENTS)) if each.state is IncidentState.RESOLVED),
        findings=_findings(store),
        accounts=account_lines(store.window_accounts(segment=ALL_ROWS, newest=ROWS_READ), ACCOUNTS),
        streams=tuple(store.stream_counts()),
        depth=store.outbox_depth(),
        dead=tuple(reversed(store.deliveries(state="dead", newest=DEAD))),
        references=tuple(store.references()),
        reports=parts.reports(),
    )


def _model_page(parts: Parts, found: Model) -> ModelPage:
    store, name = parts.store, found.name
    shown = cells(store.verdict_counts(name, windows=SPARK_WINDOWS))
    results: Sequence[Result] = store.results(model=name, segment=ALL_ROWS, since=shown[0].start) if shown else ()
    found_measures = measures(result for result in results if result.check is not Check.PERFORMANCE)
    return ModelPage(
        card=_card(parts, found),
        incidents=tuple(reversed(store.incidents(model=name, newest=INCIDENTS))),
        retrainings=tuple(reversed(store.retrainings(model=name)[-RETRAININGS:])),
        performance=performance_panel(store, found),
        measures=tuple(MeasureRow(measure=each, drawing=spark(each)) for each in found_measures[:MEASURES]),
        more_measures=max(len(found_measures) - MEASURES, 0),
        accounts=account_lines(store.window_accounts(model=name, segment=ALL_ROWS, newest=ROWS_READ), MODEL_ACCOUNTS),
        findings=_findings(store, name),
        in_segments=_in_segments(store, found),
        reports=parts.reports(),
    )


def _findings(store: Store, model: str | None = None) -> tuple[Result, ...]:
    """The newest findings, newest first, without estimates that labels have proved wrong since."""
    found = store.results(model=model, verdicts=BAD, segment=ALL_ROWS, newest=2 * FINDINGS)
    of_performance = [result.window_start for result in found if result.check is Check.PERFORMANCE]
    known = store.results(model=model, check=Check.PERFORMANCE, segment=ALL_ROWS, since=min(of_performance), newest=ROWS_READ) \
        if of_performance else ()
    return tuple(reversed(standing_findings(found, known)))[:FINDINGS]


def _in_segments(store: Store, found: Model) -> tuple[Result, ...]:
    """The newest findings of segments, folded away below those of all rows."""
    if not found.segments:
        return ()
    newest = store.results(model=found.name, verdicts=BAD, newest=ROWS_READ)
    return tuple(result for result in reversed(newest) if result.segment != ALL_ROWS)[:FINDINGS]


def _card(parts: Parts, found: Model) -> Card:
    counts = parts.store.verdict_counts(found.name, windows=STRIP_WINDOWS)
    incident = parts.store.open_incident(found.name)
    recent = parts.store.recent_retrainings(found.name, LEAST_REMEMBERED)
    stands = standing(incident, counts)
    last = account_lines(parts.store.window_accounts(model=found.name, segment=ALL_ROWS, newest=ROWS_READ), 1)
    return Card(model=found, standing=stands, tone=TONES[stands], bars=strip(cells(counts)), last=next(iter(last), None),
                incident=incident, muted="" if incident is None else muted_words(incident, parts.store.silences(at=parts.now())),
                asked=next((each for each in recent if each.state in UNFINISHED), None))


def _html(template: str, parts: Parts, page: Overview | ModelPage) -> Response:
    ready, reasons = parts.health.ready()
    return HTMLResponse(_environment().get_template(template).render(
        page=page, ready=ready, reasons=reasons, now=parts.now(), version=__version__, refresh=REFRESH_SECONDS, style=Markup(style()),  # noqa: S704 - our own file
    ))


@lru_cache(maxsize=1)
def style() -> str:
    """The page's only style sheet, written into it."""
    return (TEMPLATES / "style.css").read_text(encoding="utf-8")


def policy() -> str:
    """The Content-Security-Policy: nothing is loaded from anywhere, no script runs, and of styles only ours by its hash."""
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    rules = ("default-src 'none'", f"style-src 'sha256-{digest}'", "img-src 'self' data:", "base-uri 'none'", "form-action 'none'",
             "frame-ancestors 'none'")
    return "; ".join(rules)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters |= {"when": when, "count": count, "number": number, "duration": duration_text}
    return environment


def when(moment: datetime) -> str:
    """A time as short as it can be said: ``2013-03-04``, ``2013-03-04 06:00``."""
    return f"{moment:%Y-%m-%d}" if moment.time() == datetime.min.time() else f"{moment:%Y-%m-%d %H:%M}"


def count(value: int) -> str:
    """``12 345``, with a narrow no-break space."""
    return f"{value:,}".replace(",", "\u202f")


def number(value: float | None) -> str:
    """Four digits; a dash where there is no number."""
    return "–" if value is None else f"{value:.4g}"
