"""HTTP requests against the application over a real store: any method, path, query, header and body gets an answer, and never a 5xx."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote, unquote_to_bytes

from starlette.types import ASGIApp, Message, Scope

from monitor.core.incidents import IncidentEvent, IncidentState, TransitionReason
from monitor.health import Health, NotReady
from monitor.metrics import Metrics
from monitor.ports import Store
from monitor.web.app import build
from monitor.web.guards import LOOPBACK_NAMES
from monitor.web.parts import Parts
from tests.edges.web_story import FLIGHTS, LAST, MODELS, OPEN_ID, PAST_ID, tell
from tests.fuzz.target import Check, Target, require

LONGEST = 4_000
TOKEN = "correct-horse"
CLIENT, SERVER = ("127.0.0.1", 40000), ("127.0.0.1", 8765)
JSON_PATHS = ("/api/",)
READ = [
    "/", f"/models/{FLIGHTS.name}", "/livez?verbose", "/readyz", "/metrics", "/api/v1/openapi.json", "/api/v1/models",
    f"/api/v1/models/{FLIGHTS.name}/windows?since=2013-03-01&limit=5",
    "/api/v1/results?check=drift&verdict=warn,alert&limit=3&model=fare-price",
    "/api/v1/incidents?limit=1", f"/api/v1/incidents/{PAST_ID}", "/api/v1/retrainings?limit=2", "/api/v1/retrainings/ret-1",
    "/api/v1/references?model=bag-loss", "/api/v1/silences?which=all",
]  # fmt: skip
WRITTEN = [f"/api/v1/incidents/{OPEN_ID}/ack", f"/api/v1/incidents/{OPEN_ID}/resolve", f"/api/v1/incidents/{OPEN_ID}/silence",
           "/api/v1/silences"]
BODIES = ['{"by": "mara"}', '{"for": "1h", "model": "*", "column": "x"}', '{"until": "9999-12-31T23:59:59Z"}',
          "", "{}", '{"by": "\\u0000"}', "[1]", '{"by": "x", "more": [1]}']


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request read out of an input: a line of method and target, lines of headers, an empty line, a body."""

    method: str
    path: bytes
    query: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes


@dataclass(slots=True)
class Answered:
    """What the application sent."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)


def seeds() -> Sequence[bytes]:
    host = "host: localhost:8765"
    read = [f"GET {path}\n{host}\naccept: application/openmetrics-text; version=1.0.0\n\n" for path in READ]
    bearer = f"authorization: Bearer {TOKEN}\ncontent-type: application/json"
    written = [f"POST {path}\n{host}\n{bearer}\n\n{body}" for path in WRITTEN for body in BODIES]
    return [text.encode() for text in (*read, *written, f"OPTIONS *\n{host}\n\n", "HEAD /\n\n", f"POST {WRITTEN[0]}\n{host}\n\n")]


def asked(data: bytes) -> Asked:
    head, _, body = data.partition(b"\n\n")
    first, *lines = head.split(b"\n")
    method, _, target = first.partition(b" ")
    path, _, query = target.partition(b"?")
    headers = [(name.strip().lower(), value.strip()) for name, colon, value in (line.partition(b":") for line in lines) if colon]
    return Asked(method=method.decode("latin-1").upper(), path=path, query=query, headers=headers, body=body)


def scope_of(request: Asked) -> Scope:
    """As uvicorn makes it."""
    return {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": request.method, "scheme": "http",
        "path": unquote(request.path.decode("latin-1")), "raw_path": request.path, "query_string": request.query, "root_path": "",
        "headers": request.headers, "client": CLIENT, "server": SERVER,
    }  # fmt: skip


async def answered(app: ASGIApp, request: Asked) -> Answered:
    """One call of the application, the body in two pieces."""
    answer, middle = Answered(), len(request.body) // 2
    pieces = [request.body[:middle], request.body[middle:]]

    async def receive() -> Message:
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)} if pieces else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in message["headers"]}
        else:
            answer.body += message.get("body", b"")

    await app(scope_of(request), receive, send)
    return answer


@contextmanager
def opened(folder: Path) -> Iterator[Check]:
    """The check of one request; an incident that a request changed is fired again."""
    store = tell(folder)
    health, metrics = Health(), Metrics()
    health.clear(NotReady.STARTING)
    metrics.declare(MODELS, ["slack"])
    app = build(Parts(store=store, health=health, metrics=metrics, models=MODELS, token=lambda: TOKEN, hosts=LOOPBACK_NAMES))
    loop = asyncio.new_event_loop()

    def check(data: bytes) -> None:
        request = asked(data)
        answer = loop.run_until_complete(answered(app, request))
        sound(request, answer)
        if answer.status == 200 and request.method == "POST" and unquote(request.path.decode("latin-1")).endswith(("/ack", "/resolve")):
            fire_again(store)

    try:
        yield check
    finally:
        with suppress(RuntimeError):
            loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
        store.close()


def sound(request: Asked, answer: Answered) -> None:
    """No 5xx, an answer of the kind that the path promises, and nothing of our insides in it."""
    require(200 <= answer.status < 500, f"status {answer.status}")
    require(b"Traceback" not in answer.body, "a traceback is shown")
    require("content-security-policy" in answer.headers and answer.headers.get("x-content-type-options") == "nosniff", "unguarded")
    told = [request.method.encode(), request.path, request.query, request.body, *(v for n, v in request.headers if n != b"authorization")]
    require(TOKEN.encode() not in answer.body or any(TOKEN.encode() in unquote_to_bytes(part) for part in told), "the token is shown")
    if unquote(request.path.decode("latin-1")).startswith(JSON_PATHS) and request.method != "HEAD":
        require(answer.headers.get("content-type") == "application/json", f"{answer.headers.get('content-type')} from the API")
        document = json.loads(answer.body)
        require(answer.status < 400 or set(document["error"]) >= {"code", "message"}, "an error without a code")


def fire_again(store: Store) -> None:
    incident = store.incident(OPEN_ID)
    require(incident is not None and incident.state is not IncidentState.FIRING, "a change that changed nothing")
    if incident is not None:
        reason = TransitionReason.OPEN_AFTER_REACHED
        event = IncidentEvent(incident=OPEN_ID, at=LAST, before=incident.state, after=IncidentState.FIRING, reason=reason, detail="again")
        require(store.save_incident(replace(incident, state=IncidentState.FIRING, acknowledged_by=None), event), "it does not fire again")


WORDS = [
    b"GET ", b"POST ", b"HEAD ", b"DELETE ", b"/api/v1/", b"/models/", b"results", b"incidents", b"/ack", b"/resolve", b"/report", b"?",
    b"&", b"=", b"%00", b"%2e%2e/", b"%",
    b"%ff", b"%2F", b"since=", b"limit=", b"model=", b"check=", b"verdict=", b"verbose", b"0", b"-1", b"99999999999999999999", b"1e3",
    b"\xc2\xb2", b"\xd9\xa3",
    b"0001-01-01T00:00:00%2B23:59", b"9999-12-31T23:59:59-23:59", b"2013-W01-1", b"content-length: ", b"content-length: \xb2",
    b"content-length: " + b"9" * 5000,
    b"host: [::1]", b"host: localhost", b"accept: application/openmetrics-text;version=2.0.0;escaping=", b"escaping=allow-utf-8",
    b"q=", b"version=", b"authorization: Bearer ",
    b"Bearer", b"content-type: ", b"\n", b"\n\n", b": ", b'"by"', b"\xff", b"\xed\xa0\x80", b"\0", b"<script>", b"//",
]  # fmt: skip
TARGETS = (Target(name="requests", inputs=80_000, short=2_000, longest=LONGEST, seeds=seeds, words=WORDS, opened=opened),)
