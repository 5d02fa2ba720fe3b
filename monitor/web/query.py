"""Values out of a query string or a body, or a 400 that says what was expected."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from starlette.requests import Request

from monitor.contract import parse_moment
from monitor.core.results import ALL_ROWS
from monitor.core.segments import segment_parts
from monitor.web.errors import bad_query
from monitor.web.parts import parts_of

DEFAULT_LIMIT = 1000
MAX_LIMIT = 10_000
MAX_NAME = 80
MAX_TEXT = 300
API = "api"
"""Who asks for a change where nobody is named."""
_ODD = r"\u007f-\u00a0\u00ad\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff\ufff0-\uffff"
NAME_PATTERN = rf" *[^\u0000-\u0020{_ODD}][^\u0000-\u001f{_ODD}]*"
"""What names a person: no control, format or blank characters but spaces, and not of spaces alone."""

_NAME = re.compile(NAME_PATTERN)

E = TypeVar("E", bound=StrEnum)


def only(request: Request, *known: str) -> None:
    """Refuse a parameter that nobody reads: a misspelt filter must not look like an answer."""
    for name in request.query_params:
        if name not in known:
            raise bad_query(f"unknown parameter {name!r}, known here: {sorted(known)}")


def since(request: Request) -> datetime | None:
    """``?since=2013-01-31T06:00:00Z``."""
    text = request.query_params.get("since")
    if text is None:
        return None
    try:
        return parse_moment(text)
    except ValueError as error:
        raise bad_query(f"since: {error}") from None


def limit(request: Request) -> int:
    """``?limit=100``: the newest so many."""
    text = request.query_params.get("limit", str(DEFAULT_LIMIT))
    if not (len(text) <= len(str(MAX_LIMIT)) and text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_LIMIT):
        raise bad_query(f"limit: {text[:50]!r} is not a whole number from 1 to {MAX_LIMIT}")
    return int(text)


def choice(request: Request, name: str, options: type[E]) -> E | None:
    """One of a closed set of words, or None where it is not asked for."""
    text = request.query_params.get(name)
    if text is None:
        return None
    return _one_of(name, text, options)


def choices(request: Request, name: str, options: type[E]) -> tuple[E, ...] | None:
    """Words of a closed set, by commas: ``?verdict=warn,alert``."""
    text = request.query_params.get(name)
    if text is None:
        return None
    return tuple(_one_of(name, word.strip(), options) for word in text.split(","))


def segment(request: Request) -> str | None:
    """``?segment=origin=JFK``, ``?segment=*`` for all rows; all segments where it is not asked for."""
    text = request.query_params.get("segment")
    columns = sorted({column for each in parts_of(request).models for column in each.segments})
    if text is not None and text != ALL_ROWS and not (segment_parts(text)[0] in columns and "=" in text):
        raise bad_query(f"segment: {text[:50]!r} is unknown, expected one of {[ALL_ROWS, *(f'{column}=…' for column in columns)]}")
    return text


def model(request: Request) -> str | None:
    """``?model=…``: a configured model. An unknown one is an error, as an empty list would look like health."""
    name = request.query_params.get("model")
    parts = parts_of(request)
    if name is not None and parts.model(name) is None:
        raise bad_query(f"model: {name!r} is not configured, known: {sorted(each.name for each in parts.models)}")
    return name


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the body of a request says: texts by key. ``by``: who asks for it."""

    by: str
    texts: Mapping[str, str]

    def text(self, key: str) -> str | None:
        """One of them; None where it is left out."""
        return self.texts.get(key)


async def said(request: Request, *known: str) -> Said:
    """A body of texts under some of the ``known`` keys. Another key is refused: a misspelt matcher would match more than was meant."""
    document = await _document(request)
    for key, value in document.items():
        if key not in known:
            raise bad_query(f"unknown key {key[:50]!r}, known here: {sorted(known)}")
        if key != "by" and not (isinstance(value, str) and is_name(value, MAX_TEXT)):
            raise bad_query(f"{key}: expected a text of 1 to {MAX_TEXT} printable characters")
    return Said(by=_by(document), texts={key: str(value) for key, value in document.items() if key != "by"})


async def person(request: Request) -> str:
    """Who asks for a change: ``{"by": "mara"}`` in the body; without a body, ``api``."""
    return _by(await _document(request))


def name(request: Request, key: str) -> str:
    """Who asks for a change, where the request has no body: ``?by=mara``; ``api`` where it is left out."""
    return _by({"by": request.query_params.get(key, API)})


async def _document(request: Request) -> Mapping[str, object]:
    body = await request.body()
    if not body.strip():
        return {}
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise bad_query('the body is no JSON: expected {"by": "your name"}') from None
    if not isinstance(document, dict):
        raise bad_query('by: expected an object, like {"by": "mara"}')
    return document


def _by(document: Mapping[str, object]) -> str:
    by = document.get("by", API)
    if not isinstance(by, str) or not is_name(by):
        raise bad_query(f'by: expected a name of 1 to {MAX_NAME} printable characters, like {{"by": "mara"}}')
    return by.strip()


def is_name(text: str, most: int = MAX_NAME) -> bool:
    """Whether it fits ``NAME_PATTERN``, and is text that can be stored: JSON may hold half a character."""
    return len(text) <= most and _NAME.fullmatch(text) is not None and not re.search("[\ud800-\udfff]", text)


def _one_of(name: str, text: str, options: Iterable[E]) -> E:
    for option in options:
        if option == text:
            return option
    raise bad_query(f"{name}: {text[:50]!r} is unknown, expected one of {sorted(map(str, options))}")
