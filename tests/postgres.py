"""A real PostgreSQL for tests: the server named by DRIFTD_TEST_POSTGRES, else the installed binaries in a temporary folder."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import URL, make_url

GIVEN = "DRIFTD_TEST_POSTGRES"  # postgresql+psycopg://user:password@host:port/postgres, allowed to create databases
START_SECONDS = 60
SETTINGS = "-c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=60 -c unix_socket_directories="


def binaries() -> Path | None:
    """The folder of initdb, pg_ctl and postgres."""
    on_path = shutil.which("initdb")
    folders = [Path(on_path).resolve().parent] if on_path else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if all((folder / name).exists() for name in ("initdb", "pg_ctl", "postgres"))), None)


class PostgresServer:
    """A server on which databases can be made; ``url`` is that of its own database."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self._made: list[str] = []

    def create_database(self) -> str:
        """The URL of an empty database of its own, dropped at the end of the run at the latest."""
        name = f"driftd_{uuid.uuid4().hex[:12]}"
        self.run(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        self._made.append(name)
        return self.url.set(database=name).render_as_string(hide_password=False)

    def drop_databases(self) -> None:
        """Drop every database made here, whoever is still connected."""
        while self._made:
            self.run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(self._made.pop())))

    def run(self, statement: sql.Composed) -> None:
        """Run one statement outside of a transaction."""
        dsn = self.url.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(statement)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The server of this test run. Skips, saying so, where there is none."""
    with ExitStack() as stack:
        server = PostgresServer(_server(stack))
        stack.callback(server.drop_databases)
        yield server


def _server(stack: ExitStack) -> URL:
    if given := os.environ.get(GIVEN):
        return make_url(given)
    folder = binaries()
    if folder is None:
        pytest.skip(f"SQLite only: no PostgreSQL binaries found, and {GIVEN} is not set")
    try:
        return _start(folder, stack)
    except (OSError, subprocess.SubprocessError) as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"SQLite only: PostgreSQL in {folder} does not start: {error}")


def _start(folder: Path, stack: ExitStack) -> URL:
    """initdb and pg_ctl; as an unprivileged user where we are root, for PostgreSQL refuses to run as root."""
    data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="driftd-postgres-", ignore_cleanup_errors=True)))
    user = _unprivileged()
    if user is not None:
        os.chown(data, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    _as(user, folder / "initdb", "-D", data / "db", "-A", "trust", "-U", "driftd", "-E", "UTF8", "--locale=C", "--no-sync")
    port = _free_port()
    options = f"{SETTINGS} -p {port}"
    _as(user, folder / "pg_ctl", "-D", data / "db", "-l", data / "log", "-w", "-t", str(START_SECONDS), "-o", options, "start")
    stack.callback(_as, user, folder / "pg_ctl", "-D", data / "db", "-m", "immediate", "-w", "stop")
    return URL.create("postgresql+psycopg", username="driftd", host="127.0.0.1", port=port, database="postgres")


def _unprivileged() -> str | None:
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in names)


def _as(user: str | None, *command: str | Path) -> None:
    """Output goes to a file: the server inherits it, and a pipe would never end."""
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            command, user=user, group=None if user is None else pwd.getpwnam(user).pw_gid, extra_groups=None if user is None else [],
            cwd="/", stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, timeout=2 * START_SECONDS, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            output.seek(0)
            said = output.read().decode(errors="replace")
            raise subprocess.SubprocessError(f"{Path(command[0]).name} failed ({done.returncode}): {said}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
