"""The connection to PostgreSQL is lost in the middle of a COMMIT: whatever became of it, doing the same again makes it exactly once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from sqlalchemy.engine import make_url

from monitor.core.incidents import IncidentState
from monitor.errors import Fenced, StoreUnavailable
from monitor.notify import Dispatcher
from monitor.ports import Delivery, LabelAccount, Receipt
from monitor.storage import Limits, SqlStore, open_store
from tests.contracts.label_story import applied, joining, labels, performance, revision, settled_window
from tests.contracts.store_story import NOW, TP0, advance, checkpoint, delta, event, incident, judgement, key, message, reference, result
from tests.faults.proxy import Cut, Moment, Proxy, proxy
from tests.postgres import PostgresServer

pytestmark = [pytest.mark.postgres, pytest.mark.fault(8)]
COMMIT = b"COMMIT\x00"
LIMITS = Limits(answer=1.0, pool=0.5)


@dataclass
class Far:
    """A store behind a proxy, and the same one without."""

    way: Proxy
    store: SqlStore
    near: SqlStore


@pytest.fixture
def far(postgres: PostgresServer) -> Iterator[Far]:
    url = make_url(postgres.create_database())
    with proxy(url.host or "", url.port or 0) as way:
        through = url.set(port=way.port, password="hush").update_query_dict({"connect_timeout": "2"})
        store = open_store(through.render_as_string(hide_password=False), limits=LIMITS)
        near = open_store(url.render_as_string(hide_password=False))
        yield Far(way=way, store=store, near=near)
        for each in (store, near):
            each.close()


@pytest.fixture(params=list(Moment))
def moment(request: pytest.FixtureRequest) -> Moment:
    return request.param


def lost(far: Far, moment: Moment, verb: Callable[[], object]) -> bool:
    """Call a verb whose COMMIT is cut; whether the server committed, once it has made up its mind."""
    cut = far.way.cut(Cut(pattern=COMMIT, moment=moment))
    with pytest.raises(StoreUnavailable) as caught:
        verb()
    assert cut is not None
    assert cut.done == 1
    assert "hush" not in str(caught.value)
    until_nobody_commits(far)
    return moment is not Moment.BEFORE


def until_nobody_commits(far: Far) -> None:
    """A server that was sent COMMIT goes on with it when its client is gone."""
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'"
    deadline = time.monotonic() + 10
    while True:
        with far.near._db.read() as connection:
            if connection.exec_driver_sql(others).scalar_one() == 0:
                return
        assert time.monotonic() < deadline


def test_a_checkpoint(far: Far, moment: Moment) -> None:
    mine = checkpoint(delta(key(), 1.0, 2.0), advances=(advance(TP0, None, 7),))
    written = lost(far, moment, lambda: far.store.checkpoint(mine))
    assert (TP0 in far.store.positions([TP0])) is written  # what the reader looks at before it writes again
    if written:
        with pytest.raises(Fenced):  # and if it did not look
            far.store.checkpoint(mine)
    else:
        far.store.checkpoint(mine)
    assert [window.account.counted for window in far.near.window_accounts()] == [2]


def test_sealing(far: Far, moment: Moment) -> None:
    written = lost(far, moment, lambda: far.store.seal("m", key().end, None))
    assert far.store.progress("m").sealed_until == (key().end if written else None)
    assert far.store.seal("m", key().end, None) is not written
    assert far.near.progress("m").sealed_until == key().end


def test_a_judgement_with_its_incident_and_its_messages(far: Far, moment: Moment) -> None:
    mine = judgement(results=(result(),), incident=incident(), events=(event(None, IncidentState.FIRING),), messages=(message("a"),))
    written = lost(far, moment, lambda: far.store.record(mine))
    assert far.store.record(mine) is not written
    assert len(far.near.results()) == len(far.near.incidents()) == len(far.near.incident_events("inc_1")) == len(far.near.deliveries()) == 1
    assert far.near.progress("m").judged_until == key().end


def test_a_round_of_labels_and_a_revision(far: Far, moment: Moment) -> None:
    where = settled_window(far.near, 1, 2)
    done = joining(1, applied=(applied(far.near, where, [0], labels((1, "yes", 5))),), account=LabelAccount(matched=1))
    written = lost(far, moment, lambda: far.store.record_join(done))
    assert far.store.record_join(done) is not written
    assert (far.near.join_number("m"), far.near.label_account("m")) == (2, LabelAccount(matched=1))
    mine = revision(where, None, 1, results=(performance(),), messages=(message("a"),))
    written = lost(far, moment, lambda: far.store.record_revision(mine))
    assert far.store.record_revision(mine) is not written
    assert len(far.near.results()) == len(far.near.deliveries()) == 1


def test_an_empty_window_and_a_reference(far: Far, moment: Moment) -> None:
    lost(far, moment, lambda: far.store.add_empty_window(key()))
    far.store.add_empty_window(key())
    assert len(far.near.window_accounts()) == 1
    lost(far, moment, lambda: far.store.add_reference(reference(1.0), activate=True, at=NOW))
    assert far.store.add_reference(reference(1.0), activate=True, at=NOW).number == 1
    assert len(far.near.references()) == 1


def test_a_persons_word_on_an_incident(far: Far, moment: Moment) -> None:
    far.near.record(judgement(incident=incident(), events=(event(None, IncidentState.FIRING),)))
    acked = incident(IncidentState.ACKNOWLEDGED)
    change = event(IncidentState.FIRING, IncidentState.ACKNOWLEDGED)
    written = lost(far, moment, lambda: far.store.save_incident(acked, change, (message("acked"),)))
    assert far.store.save_incident(acked, change, (message("acked"),)) is not written
    assert len(far.near.deliveries()) == 1
    assert len(far.near.incident_events("inc_1")) == 2


def test_a_claim_comes_back_when_its_lease_has_run_out(far: Far, moment: Moment) -> None:
    far.near.record(judgement(messages=(message("a", about=None),)))

    def claim(after: float) -> int:
        return len(far.store.claim("slack", owner="o", lease=60, limit=1, now=NOW + timedelta(seconds=after)))

    written = lost(far, moment, lambda: claim(0))
    assert claim(30) == (0 if written else 1)
    assert claim(91) == 1


class Counting:
    """A receiver that takes everything."""

    name = "slack"

    def __init__(self) -> None:
        self.got: list[str] = []

    def send(self, delivery: Delivery) -> Receipt:
        self.got.append(delivery.id)
        return Receipt(thread="t")

    def close(self) -> None:
        """Nothing to close."""


class Later:
    """A clock of the wall that is moved by hand."""

    def __init__(self) -> None:
        self.passed = timedelta()

    def now(self) -> datetime:
        return NOW + self.passed

    def monotonic(self) -> float:
        return time.monotonic()


def test_a_message_that_was_sent_and_could_not_be_marked_is_not_sent_again_by_this_process(far: Far, moment: Moment) -> None:
    far.near.record(judgement(messages=(message("a", about=None), message("b", about=None))))
    receiver, clock = Counting(), Later()
    dispatcher = Dispatcher(far.store, [receiver], clock, "o")
    far.way.cut(Cut(pattern=COMMIT, moment=moment, at=2))  # the first is that of the claim
    with pytest.raises(StoreUnavailable):
        dispatcher.dispatch("slack")
    assert len(receiver.got) == 1
    far.way.away()  # and while it is noted here alone, the lease runs out
    clock.passed = timedelta(hours=1)
    with pytest.raises(StoreUnavailable):
        dispatcher.dispatch("slack")
    far.way.back()
    dispatcher.dispatch("slack")
    assert [row.state for row in far.near.deliveries()] == ["sent", "sent"]
    assert len(receiver.got) == len(set(receiver.got)) == 2


@pytest.mark.parametrize("moment", [Moment.BEFORE, Moment.ANSWERED])
@pytest.mark.parametrize("outcome", ["postponed", "dead"])
def test_a_failed_attempt_whose_note_is_lost_is_noted_at_the_next(far: Far, moment: Moment, outcome: str) -> None:
    far.near.record(judgement(messages=(message("a", about=None),)))
    [claimed] = far.store.claim("slack", owner="o", lease=60, limit=1, now=NOW)
    note = {"postponed": far.store.postponed, "dead": far.store.dead}[outcome]
    lost(far, moment, lambda: note(claimed, "no", NOW))
    note(claimed, "no", NOW)
    [row] = far.near.deliveries()
    assert (row.state, row.error, row.attempts) == ({"postponed": "pending", "dead": "dead"}[outcome], "no", 1)


# --- no wait is endless --------------------------------------------------------------------------------------


def test_a_server_that_stands_still_is_given_up_and_the_next_try_after_it_goes_on_is_well(far: Far) -> None:
    far.store.ping()

    def interrupted() -> None:
        with far.store._db.write() as connection:
            far.way.freeze()
            connection.exec_driver_sql("SELECT 1")

    began = time.monotonic()
    with pytest.raises(StoreUnavailable, match="the server gave no answer within 1 s") as caught:
        interrupted()
    assert time.monotonic() - began < 4.0
    assert "hush" not in str(caught.value)
    with pytest.raises(StoreUnavailable, match="timeout"):  # and a new connection
        far.store.ping()
    assert time.monotonic() - began < 8.0
    far.way.thaw()
    far.store.ping()


def test_a_server_that_stands_still_at_the_first_word_is_given_up(far: Far) -> None:
    far.way.freeze()
    began = time.monotonic()
    with pytest.raises(StoreUnavailable, match="timeout"):
        open_store(far.store._db.url.render_as_string(hide_password=False))
    assert time.monotonic() - began < 8.0


def test_threads_that_wait_for_a_server_that_stands_still_do_not_pile_up(far: Far) -> None:
    far.store.ping()
    far.way.freeze()
    pool, told = far.store._db.engine.pool, []

    def ask() -> None:
        with pytest.raises(StoreUnavailable) as caught:
            far.store.ping()
        told.append(str(caught.value))

    threads = [threading.Thread(target=ask) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(told) == 30
    assert any("no free connection" in text for text in told)
    far.way.thaw()
    far.store.ping()
    assert pool.checkedout() == 0  # type: ignore[attr-defined]


def test_an_answer_that_stops_in_the_middle_is_a_lost_connection(far: Far) -> None:
    far.near.record(judgement(messages=tuple(message(str(n), about=None) for n in range(50))))
    far.store.ping()
    far.way.cut_after(2_000)
    with pytest.raises(StoreUnavailable):
        far.store.deliveries()
    assert len(far.store.deliveries()) == 50
