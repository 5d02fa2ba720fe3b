"""What fuzzing has found, each as the input that showed it: it stays mended."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from monitor.core.messages import IncidentMessage, from_body
from monitor.core.profile import Profile
from monitor.core.reference import Reference
from monitor.errors import DecodeError, Permanent, Retryable, SettingsError
from monitor.notify.webhook import keys
from monitor.settings import load_settings
from tests.edges.web_site import Site, site
from tests.fuzz import answers, requests, texts
from tests.fuzz.documents import A_PROFILE, A_REFERENCE, GRID, rehashed
from tests.fuzz.target import Check


@pytest.fixture(scope="module")
def asks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Check]:
    with requests.opened(tmp_path_factory.mktemp("requests")) as check:
        yield check


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("site")) as made:
        yield made


@pytest.fixture
def server() -> Iterator[answers.RawServer]:
    made = answers.RawServer()
    yield made
    made.close()


# --- HTTP ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1", "1\x0b0.0", "9" * 5_000, "1.0.0.0", "x;escaping=y", ""])
def test_a_scrape_that_asks_for_an_odd_version_gets_plain_text(asks: Check, version: str) -> None:
    asks(f"GET /metrics\nhost: localhost\naccept: application/openmetrics-text;version={version}\n\n".encode())


def test_a_query_that_is_no_utf8_is_refused_and_no_500(asks: Check) -> None:
    asks(b"GET /api/v1/results?\xb2=1\nhost: localhost\n\n")
    asks(b"GET /nothing?\xff\nhost: localhost\n\n")


@pytest.mark.parametrize("length", [b"\xb2", b"\xb3" * 30, b"9" * 5_000, b"-1", b""])
def test_a_length_that_no_number_is_made_of_is_no_500(asks: Check, length: bytes) -> None:
    asks(b"POST /api/v1/incidents/x/ack\nhost: localhost\ncontent-length: " + length + b"\n\n{}")


@pytest.mark.parametrize("by", ["\ud800", "\u202emara", "a\0", "\u200b", " ", "a\u2028b", "\ufeff", "x" * 81, None])
def test_a_name_that_cannot_be_stored_or_shown_is_refused(here: Site, by: str | None) -> None:
    answer = here.post(f"/api/v1/incidents/{requests.OPEN_ID}/ack", content=json.dumps({"by": by}))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_query")


def test_a_name_of_any_script_is_taken(here: Site) -> None:
    answer = here.post(f"/api/v1/incidents/{requests.OPEN_ID}/ack", content=json.dumps({"by": " Müller 李 \U0001f980 "}))
    assert answer.json()["acknowledged_by"] == "Müller 李 \U0001f980"
    requests.fire_again(here.store)


def test_the_description_names_the_models_that_can_be_asked_for(here: Site) -> None:
    parameters = here.get("/api/v1/openapi.json").json()["paths"]["/api/v1/results"]["get"]["parameters"]
    [model] = [each for each in parameters if each["name"] == "model"]
    assert model["schema"]["enum"] == ["bag-loss", "fare-price", "flight-delay"]


# --- receivers -----------------------------------------------------------------------------------------------


def bot_answered(server: answers.RawServer, *replies: object, attempts: int = 0) -> Any:
    bodies = [reply if isinstance(reply, bytes) else json.dumps(reply).encode() for reply in replies]
    server.script = [answers.http(body) for body in bodies]
    return answers.receivers(server.port)[0].send(replace(answers.FIRST, attempts=attempts))


def test_an_answer_nested_without_end_is_tried_again(server: answers.RawServer) -> None:
    with pytest.raises(Retryable, match="no JSON object"):
        bot_answered(server, b"[" * 200_000)


def test_slacks_word_for_an_error_is_made_printable(server: answers.RawServer) -> None:
    with pytest.raises(Permanent, match=r"refused chat_postMessage: \\udfff\\x00$") as caught:
        bot_answered(server, {"ok": False, "error": "\udfff\0"})
    answers.storable(str(caught.value))


@pytest.mark.parametrize("ts", ["\0", "\ud800", "1" * 500, 12.5, None, ["1.2"]])
def test_an_id_of_a_message_that_cannot_be_stored_is_not(server: answers.RawServer, ts: object) -> None:
    receipt = bot_answered(server, {"ok": True, "channel": "C1", "ts": ts})
    assert (receipt.thread, receipt.detail) == (None, "posted")


@pytest.mark.parametrize("more", [[], "next", 7, {"next_cursor": ["x"]}])
def test_a_page_that_tells_oddly_whether_there_are_more_is_the_last(server: answers.RawServer, more: object) -> None:
    channels = {"ok": True, "channels": [{"id": "C1", "name": "ml-alerts"}], "response_metadata": more}
    history = {"ok": True, "messages": [{"text": "another"}], "response_metadata": more}
    receipt = bot_answered(server, channels, history, {"ok": True, "channel": "C1", "ts": "1.2"}, attempts=1)
    assert (receipt.thread, receipt.detail) == ("C1:1.2", "posted")


def test_a_date_whose_zone_has_thirty_digits_asks_for_no_wait() -> None:
    texts.waits("Mon, 01 Jan 0001 00:00:00 " + "9" * 31)


def test_a_secret_from_the_environment_may_be_any_bytes() -> None:
    assert keys(b"pla\xbcn".decode("utf-8", "surrogateescape")) == (b"pla\xbcn",)


# --- documents -----------------------------------------------------------------------------------------------


def changed(*path: str, to: object) -> str:
    """The reference with one value changed and a hash that fits."""
    document = json.loads(A_REFERENCE.to_json())
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return rehashed(json.dumps(document))


@pytest.mark.parametrize(
    ("path", "to", "said"),
    [
        (("grid", "x", "edges"), [10**400], r"reference.grid.x.edges: expected finite numbers"),
        (("grid", "x", "center"), 10**400, r"reference.grid.x.center: expected a number"),
        (("window_microseconds",), 10**30, r"window_microseconds: expected a whole number up to"),
        (("profile", "columns", "c", "null"), 2**64, r"profile.columns.c.null: expected a whole number up to"),
        (("profile", "columns", "x", "total_squares"), 1, r"profile.columns.x.total_squares: expected what fits total_units"),
        (("profile", "columns", "c", "counts"), [2**62, 2**62], r"profile.columns.c.counts: expected 2 counts"),
    ],
)
def test_numbers_beyond_reason_in_a_reference_are_told(path: tuple[str, ...], to: object, said: str) -> None:
    with pytest.raises(DecodeError, match=said):
        Reference.from_json(changed(*path, to=to))


def repacked(change: Any) -> bytes:
    """The bytes of a profile, changed before they are packed."""
    packed = msgspec.msgpack.decode(zlib.decompress(A_PROFILE.to_bytes()))
    change(packed)
    return zlib.compress(msgspec.msgpack.encode(packed))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda packed: packed.__setitem__(2, -1), "'rows' has a count that is none"),
        (lambda packed: packed[3][1].__setitem__(2, 2**64 - 1), "'c' has a count that is none"),
        (lambda packed: packed[3][1].__setitem__(4, 1), "'c' has a count that is none"),
        (lambda packed: packed[3][2].__setitem__(3, float("nan")), "'x' has a bound that is no number"),
        (lambda packed: packed[3][2].__setitem__(1, packed[3][2][1][:-1] + b"\xff"), "'x' has a count that is none"),
        (lambda packed: packed[3][2].__setitem__(6, b"\1"), "'x' has moments that no numbers have"),
        (lambda packed: packed[5][0].__setitem__(1, [1.0]), "a sample that does not fit"),
        (lambda packed: packed[5][0].__setitem__(0, -1), "a sample that does not fit"),
    ],
)
def test_a_profile_damaged_inside_is_told(change: Any, said: str) -> None:
    with pytest.raises(DecodeError, match=said):
        Profile.from_bytes(repacked(change), GRID)


def test_a_profile_with_a_text_that_is_no_utf8_is_told() -> None:
    whole = zlib.decompress(A_PROFILE.to_bytes())
    at = whole.rindex(b"\xa1n")
    with pytest.raises(DecodeError, match="cannot be read"):
        Profile.from_bytes(zlib.compress(whole[: at + 1] + b"\xd8" + whole[at + 2 :]), GRID)


@pytest.mark.parametrize("body", [7, [1], None, "text", {"\ud800": 1}])
def test_a_stored_body_that_is_no_object_is_told(body: Any) -> None:
    with pytest.raises(DecodeError, match="stored body is no IncidentMessage"):
        from_body(body, IncidentMessage)


def test_a_stored_body_with_an_endless_value_is_told_shortly() -> None:
    with pytest.raises(DecodeError) as caught:
        from_body({"kind": "firing", "severity": "[" * 5_000}, IncidentMessage)
    assert len(str(caught.value)) <= 1_001


def test_a_document_with_an_endless_name_in_it_is_told_shortly() -> None:
    columns = json.loads(A_PROFILE.to_json())["columns"]
    with pytest.raises(DecodeError, match=r"profile\.columns: expected") as caught:
        Reference.from_json(changed("profile", "columns", to=columns | {"c" * 5_000: 1}))
    assert len(str(caught.value)) <= 1_001


# --- settings ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("brackets", [b"[", b"{", b"[{", b"'[", b"[ # ["])
def test_a_file_of_open_brackets_is_refused_before_the_parser_sees_it(tmp_path: Path, brackets: bytes) -> None:
    path = tmp_path / "deep.yaml"
    path.write_bytes(b"kafka:\n  group_id: " + brackets * 300_000)
    began = time.thread_time()
    with pytest.raises(SettingsError, match=r"deep\.yaml:2:[1-9]\d+: \(file\): nested too deeply"):
        load_settings(path, {})
    assert time.thread_time() - began < 1.0


def test_a_secret_in_the_home_of_nobody_is_told(tmp_path: Path) -> None:
    path = tmp_path / "driftd.yaml"
    path.write_text("slack: {token_file: ~nobody-here/token}\n")
    with pytest.raises(SettingsError, match=r"slack\.token_file: .* names the home of an unknown user"):
        load_settings(path, {})
