"""Where a database is: the URLs that we can open, and how they are named to people."""

from __future__ import annotations

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from monitor.errors import UsageError

DRIVERS = {
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
}
"""How a database may be named, and the driver that it is opened with."""
EXPECTED_URL = "expected sqlite:///driftd.db or postgresql+psycopg://user:password@host/database"


def parse_url(url: str) -> URL:
    """The URL of a store that we can open; UsageError never shows more of it than the driver's name."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise UsageError(f"store: this is not a database URL; {EXPECTED_URL}") from None
    if "@" in (parsed.host or ""):
        raise UsageError(f"store: an @ is left over; in a password write @ as %40; {EXPECTED_URL}")
    driver = DRIVERS.get(parsed.drivername)
    if driver is None:
        raise UsageError(f"store: unknown database {parsed.drivername!r}; known are {sorted(DRIVERS)}")
    if driver == "sqlite" and (not parsed.database or parsed.database == ":memory:"):
        raise UsageError(f"store: SQLite needs a file, for what is in memory is lost at the end; {EXPECTED_URL}")
    return parsed.set(drivername=driver)


def place(url: URL) -> str:
    """Where the database is, without user, password and options."""
    if url.get_backend_name() == "sqlite":
        return f"sqlite:///{url.database}"
    return f"{url.drivername}://{url.host or 'localhost'}{f':{url.port}' if url.port else ''}/{url.database or ''}"


def without_secrets(text: str, url: URL) -> str:
    """A database's words with the URL's passwords masked."""
    for secret in (url.password, url.query.get("password"), url.query.get("sslpassword")):
        text = text.replace(str(secret), "***") if secret else text
    return text
