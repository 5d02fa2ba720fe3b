"""Bodies of the API's writers about retraining, or a 400 that says what was expected."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request

from monitor.core.retraining import REPORTABLE, URL_PATTERN, Report, RetrainingState
from monitor.web.errors import bad_query
from monitor.web.query import MAX_NAME, NAME_PATTERN, is_name

MAX_VERSION, MAX_DETAIL, MAX_URL = 200, 1000, 2000
TEXT_PATTERN = r"[^\u0000]*"

_NAMED, _URL, _HALF = re.compile(NAME_PATTERN), re.compile(URL_PATTERN), re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a person asks for."""

    model: str
    by: str
    reason: str


async def wish(request: Request) -> Wish:
    """``{"model": "flight-delay", "by": "mara", "reason": "new airports"}``."""
    given = await _object(request, "model", "by", "reason")
    model = _named(given, "model")
    if model is None:
        raise bad_query('model: expected the name of a model, like {"model": "flight-delay"}')
    return Wish(model=model, by=_name(given) or "api", reason=_text(given, "reason", MAX_DETAIL))


async def report(request: Request) -> tuple[Report, str]:
    """``{"state": "succeeded", "version": "8", "detail": "…", "run_url": "https://…", "by": "ci"}``; who reports, empty where not named."""
    given = await _object(request, "state", "version", "detail", "run_url", "by")
    state = next((known for known in REPORTABLE if known == given.get("state")), None)
    if state is None:
        raise bad_query(f"state: expected one of {[str(known) for known in REPORTABLE]}")
    version = _named(given, "version")
    if state is RetrainingState.SUCCEEDED and not version:
        raise bad_query('version: succeeded needs the version that was trained, like {"state": "succeeded", "version": "8"}')
    found = Report(state=state, version=version, detail=_text(given, "detail", MAX_DETAIL), run_url=_url(given))
    return found, _name(given)


def is_text(text: str, longest: int) -> bool:
    """Whether it can be stored, and is no longer than that."""
    return len(text) <= longest and "\0" not in text and not _HALF.search(text)


def is_named(text: str) -> bool:
    """Whether a version or a model can be called so."""
    return is_text(text, MAX_VERSION) and _NAMED.fullmatch(text) is not None


def is_url(text: str) -> bool:
    """Whether it is a web address that can be shown."""
    return len(text) <= MAX_URL and _URL.fullmatch(text) is not None


async def _object(request: Request, *known: str) -> Mapping[str, object]:
    try:
        document = json.loads(await request.body())
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise bad_query(f"the body is no JSON object: expected one with {', '.join(known)}")
    strange = sorted(name for name in document if name not in known)
    if strange:
        raise bad_query(f"unknown key {strange[0][:50]!r}, known here: {sorted(known)}")
    return document


def _text(given: Mapping[str, object], name: str, longest: int) -> str:
    """Empty where it is missing or null."""
    value = given.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or not is_text(value, longest):
        raise bad_query(f"{name}: expected a text of at most {longest} characters")
    return value.strip()


def _named(given: Mapping[str, object], name: str) -> str | None:
    """What a version or a model is called; None where it is missing or null."""
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not is_named(value):
        raise bad_query(f"{name}: expected a name of 1 to {MAX_VERSION} printable characters")
    return value.strip()


def _name(given: Mapping[str, object]) -> str:
    by = given.get("by")
    if by is None:
        return ""
    if not isinstance(by, str) or not is_name(by):
        raise bad_query(f'by: expected a name of 1 to {MAX_NAME} printable characters, like {{"by": "mara"}}')
    return by.strip()


def _url(given: Mapping[str, object]) -> str | None:
    value = given.get("run_url")
    if value is None:
        return None
    if not isinstance(value, str) or not is_url(value):
        raise bad_query("run_url: expected an address like https://ci.example/runs/7")
    return value
