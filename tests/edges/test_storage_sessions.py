"""PostgreSQL whose role or database has settings of its own: what is written is what is read, or the person is told."""

from __future__ import annotations

import math
import time
from contextlib import closing
from dataclasses import replace

import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import make_url

from monitor.doubles.store import MemoryStore
from monitor.errors import Retryable, UsageError
from monitor.ports import Message, Store
from monitor.storage import look, open_store
from tests.contracts.store_story import NOW, TP0, advance, checkpoint, delta, incident, judgement, key, quarantined, result
from tests.postgres import PostgresServer

pytestmark = pytest.mark.postgres

ODD = "Zürich→☃ \\ ' %s"
THIRD = 0.1 + 0.2
SETTINGS = {
    "datestyle": "German, DMY",
    "intervalstyle": "sql_standard",
    "timezone": "Asia/Kathmandu",
    "extra_float_digits": "-15",
    "bytea_output": "escape",
    "client_encoding": "LATIN1",
    "standard_conforming_strings": "off",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "transform_null_equals": "on",
    "statement_timeout": "7s",
    "lock_timeout": "7s",
    "idle_in_transaction_session_timeout": "7s",
}
"""Every setting that changes what a session reads, writes or waits for."""


def database(postgres: PostgresServer, **settings: str) -> str:
    """The URL of an empty database with settings of its own."""
    url = postgres.create_database()
    name = sql.Identifier(str(make_url(url).database))
    for setting, value in settings.items():
        postgres.run(sql.SQL("ALTER DATABASE {} SET {} = {}").format(name, sql.Identifier(setting), sql.Literal(value)))
    return url


def told(store: Store) -> list[object]:
    """What a store says of all that is written here."""
    store.checkpoint(checkpoint(
        delta(key(version=ODD), 1 / 3, 2.0, late=3), delta(key(1), 5.0),
        advances=(advance(TP0, None, 4),), quarantined=(quarantined(0, detail=ODD), quarantined(1, detail="\\x41")),
    ))
    store.seal("m", key(1).end, None)
    message = Message(receiver="slack", kind="fired", dedupe=ODD, incident="inc_1", body={"text": ODD, "value": THIRD})
    store.record(replace(judgement(results=(
        result(column=ODD, value=THIRD, threshold=1e-300, p_value=1.7976931348623157e308, reason=ODD), result(value=math.inf),
    )), incident=replace(incident(), summary=ODD), messages=(message,), at=NOW))
    claimed = store.claim("slack", owner="a", lease=60.0, limit=9, now=NOW)
    return [
        store.window_accounts(), [store.windows("m", key(hour).start) for hour in (0, 1)], store.results(), store.incidents(),
        store.incident("inc_1"), store.positions([TP0]), store.progress("m"), [row.entry for row in store.quarantine()], claimed,
        store.latest_window("m"), store.disturbances("m", key(9).end), store.open_versions("m"),
    ]  # fmt: skip


@pytest.mark.parametrize("settings", [SETTINGS, {"datestyle": "SQL, DMY"}, {"client_encoding": "SQL_ASCII"}], ids=["all", "sql", "ascii"])
def test_settings_of_a_database_change_nothing_that_is_read(settings: dict[str, str], postgres: PostgresServer) -> None:
    with closing(open_store(database(postgres, **settings))) as store:
        assert told(store) == told(MemoryStore())


def test_settings_of_a_role_and_options_of_the_url_change_nothing_either_and_the_options_survive(postgres: PostgresServer) -> None:
    url = make_url(database(postgres))
    given = "-c datestyle=German -c extra_float_digits=0 -c client_encoding=LATIN1 -c work_mem=1234kB -c search_path=own"
    with psycopg.connect(url.set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True) as raw:
        raw.execute("CREATE SCHEMA own")
    opened = open_store(url.update_query_dict({"options": given, "client_encoding": "SQL_ASCII"}).render_as_string(hide_password=False))
    with closing(opened) as store:
        assert told(store) == told(MemoryStore())
        with store._db.read() as connection:
            shown = [connection.exec_driver_sql(f"SHOW {name}").scalar_one() for name in ("work_mem", "search_path", "statement_timeout")]
    assert shown == ["1234kB", "own", "30s"]


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_that_cannot_keep_every_text_is_refused(encoding: str, postgres: PostgresServer) -> None:
    url = make_url(postgres.create_database())
    name = sql.Identifier(str(url.database))
    postgres.run(sql.SQL("DROP DATABASE {}").format(name))
    made = sql.SQL("CREATE DATABASE {} ENCODING {} LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    postgres.run(made.format(name, sql.Literal(encoding)))
    for asked in (open_store, look):
        with pytest.raises(UsageError, match=f"has the encoding {encoding}, .* driftd needs UTF8: CREATE DATABASE … ENCODING 'UTF8'"):
            asked(url.render_as_string(hide_password=False))


@pytest.mark.parametrize(
    ("settings", "why"),
    [({"search_path": ""}, "no schema has been selected to create in"), ({"default_transaction_read_only": "on"}, "read-only transaction")],
)
def test_a_database_that_cannot_be_written_to_is_said_in_one_line(settings: dict[str, str], why: str, postgres: PostgresServer) -> None:
    with pytest.raises(Retryable, match=why):
        open_store(database(postgres, **settings))


def test_what_a_role_may_not_do_is_said_in_one_line_and_goes_on_once_it_may(postgres: PostgresServer) -> None:
    url = make_url(postgres.create_database())
    name = f"r_{url.database}"
    postgres.run(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
    theirs = url.set(username=name).render_as_string(hide_password=False)
    try:
        with psycopg.connect(url.set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True) as owner:
            with pytest.raises(Retryable, match=r"/driftd_[0-9a-f]*: permission denied for schema public$"):
                open_store(theirs)
            owner.execute(f"GRANT ALL ON SCHEMA public TO {name}")
            with closing(open_store(theirs)) as store:
                owner.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {name}")
                with pytest.raises(Retryable, match=r"permission denied for table progress$"):
                    store.ping()
                owner.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}")
                store.ping()
    finally:
        postgres.drop_databases()
        postgres.run(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def test_a_server_that_ends_idle_sessions_is_asked_anew(postgres: PostgresServer) -> None:
    with closing(open_store(database(postgres, idle_session_timeout="300ms"))) as store:
        time.sleep(1)
        assert store.results() == []
        time.sleep(1)
        store.ping()
