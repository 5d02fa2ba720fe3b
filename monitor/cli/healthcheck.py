"""``driftd healthcheck``: is a daemon on this machine alive? For container health checks, where there is no curl."""

from __future__ import annotations

import http.client
import urllib.parse
from typing import Annotated

import typer

from monitor.errors import UsageError

DEFAULT_URL = "http://127.0.0.1:8765/livez"
TIMEOUT_SECONDS = 4.0
SHOWN_BYTES = 2000


def command(
    url: Annotated[str, typer.Option(help="What to ask; /readyz says more.", envvar="DRIFTD_HEALTHCHECK_URL")] = DEFAULT_URL,
) -> None:
    """Ask a running daemon whether it is alive: exit 0 when it says so, 1 when not."""
    status, text = ask(url)
    if status != http.client.OK:
        raise UsageError(f"{url} says {status}: {text}")
    typer.echo(text)


def ask(url: str) -> tuple[int, str]:
    """Status and beginning of the body of a GET; no proxy, no redirect. Raises UsageError where nothing answers in time."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise UsageError(f"url {url!r}: expected one like {DEFAULT_URL}")
    connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}")
        answer = connection.getresponse()
        return answer.status, answer.read(SHOWN_BYTES).decode("utf-8", errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        raise UsageError(f"{url}: {error or type(error).__name__}") from None
    finally:
        connection.close()
