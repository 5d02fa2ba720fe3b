from __future__ import annotations

import io
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console

from monitor.core.results import Verdict
from monitor.demo.follow import Follower
from monitor.demo.page import Page, accounts_of
from monitor.demo.scenario import Scenario
from monitor.demo.terminal import Terminal
from monitor.health import Health
from monitor.metrics import Metrics
from monitor.settings.service import HttpSettings
from monitor.web import WebServer
from tests.edges.web_story import DAY, DAYS, FIRST, FLIGHTS, LAST, MODELS, OLD_FAULT_DAYS, OPEN_ID, PAST_ID, tell

STORY = Scenario(reference_start=FIRST - 30 * DAY, start=FIRST, end=FIRST + DAYS * DAY, fault=None)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    store = tell(Path(tmp_path_factory.mktemp("story")))
    server = WebServer(store=store, health=Health(), metrics=Metrics(), http=HttpSettings(port=0))
    server.show(MODELS)
    server.start()
    page = Page(server.port, FLIGHTS.name)
    yield page
    page.close()
    server.stop()
    store.close()


def follower(page: Page, scenario: Scenario = STORY, labels: int = 0) -> tuple[Follower, io.StringIO]:
    out = io.StringIO()
    return Follower(page, Terminal(Console(file=out, width=120)), scenario, labels), out


def test_every_judged_day_is_read_with_its_rows_and_its_alerting_columns(page: Page) -> None:
    days = page.days_after(None)
    assert [day.start for day in days] == [FIRST + n * DAY for n in range(DAYS)]
    faulty = days[OLD_FAULT_DAYS[0]]
    assert (faulty.verdict, faulty.columns) == (Verdict.ALERT, ("dep_delay",))
    assert days[0].verdict is Verdict.OK
    assert 700 < days[0].counted == days[0].received < 1000


def test_the_rows_of_all_versions_of_a_day_are_told_together() -> None:
    rows = [{"window_start": "2013-05-01", "segment": segment, "received": n, "counted": n - 1}
            for segment, n in (("*", 10), ("*", 20), ("origin=JFK", 5))]
    assert accounts_of(rows) == {"2013-05-01": {"window_start": "2013-05-01", "received": 30, "counted": 28}}


def test_only_what_comes_after_the_last_known_day_is_asked_for(page: Page) -> None:
    assert [day.start for day in page.days_after(LAST - 2 * DAY)] == [LAST - DAY, LAST]
    assert page.days_after(LAST) == []


def test_incidents_retrainings_and_deliveries_are_read(page: Page) -> None:
    incidents = {each.id: each for each in page.incidents()}
    assert incidents[PAST_ID].state == "resolved"
    assert incidents[OPEN_ID].state == "firing"
    assert incidents[OPEN_ID].columns[0] == "dep_delay"
    assert incidents[OPEN_ID].resolved_at is None
    [asked] = page.retrainings()
    assert (asked.id, asked.state, asked.new_version, asked.helped, asked.verdict) == ("ret-1", "requested", None, "", "")
    deliveries = page.deliveries()
    assert deliveries["dead"] == 1
    assert deliveries["pending"] >= 1


def test_a_model_without_labels_has_none(page: Page) -> None:
    assert page.labelled() == 0


def test_labels_that_have_not_come_keep_the_end_away(page: Page) -> None:
    following, _ = follower(page, labels=3)
    following.look()
    assert "0 of 3 labels" in following.standing()
    assert not following.is_done
    assert following.outcome(produced=1, unsigned_webhooks=0).labels == 3


def test_a_daemon_that_has_not_been_given_its_partitions_is_not_ready(page: Page) -> None:
    assert not page.ready()


def test_each_week_is_told_once_and_an_open_incident_keeps_the_end_away(page: Page) -> None:
    following, out = follower(page)
    following.look()
    following.look()
    told = out.getvalue().splitlines()
    assert len(told) == 11  # 1 March 2013 was a Friday: 3 days, nine weeks, 4 days
    assert sum("1 day alerts: dep_delay" in line for line in told) == 2  # 31 March and 1 April are of two weeks
    assert sum("3 days alert: dep_delay" in line for line in told) == 1
    assert sum(line.endswith("quiet") for line in told) == 7
    assert sum("quiet, as far as so few rows of each version tell" in line for line in told) == 1
    assert not following.is_done
    assert OPEN_ID in following.standing()
    assert following.outcome(produced=1, unsigned_webhooks=0).dead_deliveries == 1


def test_a_week_that_is_not_over_is_not_told(page: Page) -> None:
    following, out = follower(page, Scenario(reference_start=FIRST - DAY, start=FIRST, end=FIRST + (DAYS + 30) * DAY, fault=None))
    following.look()
    assert len(out.getvalue().splitlines()) == 10
    assert not following.is_done


def test_days_beyond_the_scenario_are_none_of_its_business(page: Page) -> None:
    following, out = follower(page, Scenario(reference_start=FIRST - DAY, start=FIRST, end=FIRST + timedelta(days=10), fault=None))
    following.look()
    assert len(out.getvalue().splitlines()) == 2
    assert len(following.outcome(produced=0, unsigned_webhooks=0).days) == 10


def test_a_daemon_that_does_not_answer_is_asked_again() -> None:
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        page = Page(nobody_listens.getsockname()[1], FLIGHTS.name)
        following, out = follower(page)
        following.look()
        page.close()
    assert out.getvalue() == ""
    assert following.standing().startswith("last judged day: none")
    assert not following.is_done
