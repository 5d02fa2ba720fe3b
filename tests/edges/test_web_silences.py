"""Silences over HTTP: made, listed and ended, each with its line in the audit; and what the page says of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitor.core.incidents import MuteReason
from monitor.web.view import muted_words
from tests.contracts.store_story import incident
from tests.edges.web_site import Site, site
from tests.edges.web_story import FLIGHTS, OPEN_ID, OVER_ID, PAST_ID, SILENCE_ID

HOUR = timedelta(hours=1)
NAMES = ["id", "model", "check", "column", "incident", "starts_at", "ends_at", "by", "reason", "ended_by"]


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path) as made:
        yield made


def ids(here: Site, **asked: str) -> list[str]:
    return [row["id"] for row in here.get("/api/v1/silences", **asked).json()["silences"]]


def test_an_incident_is_silenced_for_a_while(here: Site) -> None:
    answer = here.post(f"/api/v1/incidents/{OPEN_ID}/silence", json={"by": "mara", "for": "1h30m", "reason": "we know"})
    assert answer.status_code == 200, answer.text
    made = answer.json()
    assert list(made) == NAMES
    assert (made["incident"], made["model"], made["check"], made["by"], made["reason"]) == (OPEN_ID, FLIGHTS.name, None, "mara", "we know")
    starts, ends = (datetime.fromisoformat(made[key]) for key in ("starts_at", "ends_at"))
    assert ends - starts == 1.5 * HOUR
    [silence] = [each for each in here.store.silences() if each.id == made["id"]]
    assert silence.ends_at == ends
    [entry] = here.store.audit(subject=OPEN_ID)
    assert (entry.action, entry.by, str(entry.via)) == ("silence", "mara", "api")
    assert made["id"] in entry.detail
    page = here.get("/").text
    assert f"silenced until {ends:%Y-%m-%d %H:%M} UTC by mara" in page
    assert "silenced until" in here.get(f"/models/{FLIGHTS.name}").text


def test_a_column_of_a_model_is_silenced_until_a_time_and_the_silence_is_ended_early(here: Site) -> None:
    until = (datetime.now(UTC) + HOUR).replace(microsecond=0)
    body = {"model": FLIGHTS.name, "check": "drift", "column": "carrier", "until": until.isoformat()}
    made = here.post("/api/v1/silences", json=body).json()
    assert (made["check"], made["column"], made["by"], datetime.fromisoformat(made["ends_at"])) == ("drift", "carrier", "api", until)
    assert ids(here, model=FLIGHTS.name) == [made["id"]]
    ended = here.delete(f"/api/v1/silences/{made['id']}", by="bob")
    assert ended.status_code == 200, ended.text
    assert (ended.json()["ended_by"], ended.json()["id"]) == ("bob", made["id"])
    assert ids(here, model=FLIGHTS.name) == []
    assert ids(here, model=FLIGHTS.name, which="all") == [made["id"]]
    assert here.delete(f"/api/v1/silences/{made['id']}").status_code == 409
    assert [(entry.action, entry.by) for entry in here.store.audit(subject=made["id"])] == [("silence", "api"), ("end silence", "bob")]


def test_those_in_force_are_listed_and_all_where_they_are_asked_for(here: Site) -> None:
    assert ids(here) == [SILENCE_ID]
    assert ids(here, which="all") == sorted([OVER_ID, SILENCE_ID])
    assert ids(here, which="all", limit="1") == [SILENCE_ID]
    assert here.get("/api/v1/silences", which="some").status_code == 400
    everything = here.post("/api/v1/silences", json={"model": "*", "for": "1h"}).json()["id"]
    assert ids(here, model=FLIGHTS.name) == [everything], "one of all models concerns each"


@pytest.mark.parametrize("body", [
    {}, {"for": "1h", "until": "2999-01-01"}, {"for": "soon"}, {"until": "soon"}, {"for": 1}, {"for": "1h", "colum": "x"},
    {"for": "1h", "by": ""}, {"for": "1h", "reason": "a\nb"}, {"for": "1h", "model": FLIGHTS.name}, [1],
])  # fmt: skip
def test_a_wish_that_is_not_understood_is_a_400_and_silences_nothing(here: Site, body: object) -> None:
    answer = here.post(f"/api/v1/incidents/{OPEN_ID}/silence", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_query")
    assert ids(here) == [SILENCE_ID]


@pytest.mark.parametrize("body", [{"for": "1h"}, {"for": "1h", "model": "*", "check": "drfit"}])
def test_a_silence_of_models_names_the_model_and_a_check_that_there_is(here: Site, body: object) -> None:
    assert here.post("/api/v1/silences", json=body).status_code == 400


def test_what_cannot_be_silenced_is_refused_with_the_reason(here: Site) -> None:
    refused = {
        f"/api/v1/incidents/{PAST_ID}/silence": (409, "is resolved: there is nothing to silence"),
        "/api/v1/incidents/none/silence": (404, "no incident 'none'"),
    }
    for path, (status, message) in refused.items():
        answer = here.post(path, json={"for": "1h"})
        assert (answer.status_code, message in answer.json()["error"]["message"]) == (status, True)
    for body, message in (({"until": "2013-01-01"}, "is over already"), ({"for": "500d"}, "is too long; expected at most 366 days")):
        answer = here.post(f"/api/v1/incidents/{OPEN_ID}/silence", json=body)
        assert (answer.status_code, message in answer.json()["error"]["message"]) == (409, True)
    assert here.post("/api/v1/silences", json={"for": "1h", "model": "flight-dely"}).status_code == 404
    assert here.delete("/api/v1/silences/none").status_code == 404


@pytest.mark.parametrize("token", [None, "wrong"])
def test_without_the_token_nothing_is_silenced_and_nothing_ended(here: Site, token: str | None) -> None:
    assert here.post(f"/api/v1/incidents/{OPEN_ID}/silence", token=token, json={"for": "1h"}).status_code == 401
    assert here.post("/api/v1/silences", token=token, json={"for": "1h", "model": "*"}).status_code == 401
    assert here.delete(f"/api/v1/silences/{SILENCE_ID}", token=token).status_code == 401
    assert ids(here) == [SILENCE_ID]


@pytest.mark.parametrize(("muted", "said"), [
    (None, ""),
    (MuteReason.OLD_WINDOW, "nobody was told: its windows are old"),
    (MuteReason.MAINTENANCE, "stands still in maintenance"),
    (MuteReason.SILENCED, "nobody was told while it was silenced; the next bad window tells"),
])  # fmt: skip
def test_the_page_says_why_nobody_was_told(muted: MuteReason | None, said: str) -> None:
    assert muted_words(replace(incident(), muted=muted), ()) == said
