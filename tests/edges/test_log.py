from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from monitor.log import FLOORS, MASK, Action, configure, hide, logger, redact


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    before = (root.level, root.handlers[:], {name: logging.getLogger(name).level for name in FLOORS})
    yield
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    for name, level in before[2].items():
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


def lines(form: str = "json", level: str = "info") -> io.StringIO:
    out = io.StringIO()
    configure(level=level, form=form, stream=out)
    return out


def test_a_line_is_one_json_object_with_its_action_and_fields() -> None:
    out = lines()
    logger("monitor.x").info("window judged", action=Action.WINDOW_JUDGED, model="m", rows=3)
    (line,) = out.getvalue().splitlines()
    found = json.loads(line)
    assert found.pop("timestamp").endswith("Z")
    assert found == {"event": "window judged", "action": "window.judged", "model": "m", "rows": 3, "level": "info", "logger": "monitor.x"}


def test_text_is_for_people_and_can_be_grepped() -> None:
    out = lines("text")
    logger("monitor.x").warning("incident changed", action=Action.INCIDENT_CHANGED, model="a b", nothing=None)
    assert out.getvalue().split(" ", 1)[1] == 'warning incident changed action=incident.changed model="a b" logger=monitor.x\n'


def test_what_comes_from_a_topic_cannot_forge_a_line() -> None:
    out = lines("text")
    logger("monitor.x").info("bad\nmessage\x1b[31m", action=Action.MESSAGES_QUARANTINED, sample="a\n2026 error forged")
    assert len(out.getvalue().splitlines()) == 1
    assert "\x1b" not in out.getvalue()


def test_an_exception_comes_with_its_traceback_masked() -> None:
    hide("s3cr3t-token")
    for form in ("json", "text"):
        out = lines(form)
        try:
            raise ValueError("refused s3cr3t-token")
        except ValueError:
            logger("monitor.x").exception("broken", action=Action.DAEMON_FAILED)
        assert "Traceback" in out.getvalue()
        assert f"ValueError: refused {MASK}" in out.getvalue()
        assert "s3cr3t" not in out.getvalue()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("POST https://hooks.slack.com/services/T0/B0/XyZ failed", "POST https://hooks.slack.com/services/*** failed"),
        ("xoxb-12-ab and xapp-1-A", "xoxb-*** and xapp-***"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_***"),
        ("Authorization: Bearer abcdef123", "Authorization: Bearer ***"),
        ("postgresql+psycopg://driftd:hunter2@db:5432/x", "postgresql+psycopg://driftd:***@db:5432/x"),
        ("postgresql://driftd@db/x and 12:30:45", "postgresql://driftd@db/x and 12:30:45"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_secret_fields_are_masked_at_any_depth_by_their_name() -> None:
    out = lines()
    logger("monitor.x").info(
        "settings", action=Action.DAEMON_STARTED, api_key="abcd", deep={"list": [{"sasl_plain_password": "pw"}]}, tokens=3
    )
    found = json.loads(out.getvalue())
    assert (found["api_key"], found["deep"], found["tokens"]) == (MASK, {"list": [{"sasl_plain_password": MASK}]}, 3)


def test_libraries_are_routed_and_never_speak_below_their_floor() -> None:
    out = lines(level="debug")
    logging.getLogger("slack_sdk.web.base_client").debug("body with xoxb-1-2")
    logging.getLogger("httpx").info("HTTP Request: POST https://hooks.example/x")
    logging.getLogger("kafka.conn").warning("node %s is away", 3)
    logger("monitor.x").debug("ours", action=Action.RESOURCE_CLOSED)
    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == ["node 3 is away", "ours"]


def test_a_library_that_repeats_itself_is_heard_once_and_counted() -> None:
    out = lines()
    kafka = logging.getLogger("kafka.conn")
    for second in (0.0, 1.0, 2.0, 31.0):
        record = kafka.makeRecord("kafka.conn", logging.WARNING, "", 0, "node %s is away", (3,), None)
        record.created = 1000.0 + second
        kafka.handle(record)
    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == [
        "node 3 is away",
        "node 3 is away (2 more like it since)",
    ]


def test_our_own_lines_are_never_held_back() -> None:
    out = lines()
    for _ in range(3):
        logger("monitor.x").info("window judged", action=Action.WINDOW_JUDGED)
    assert len(out.getvalue().splitlines()) == 3


def test_an_unknown_level_is_refused_with_those_that_exist() -> None:
    with pytest.raises(ValueError, match=r"unknown log level 'loud', expected one of \['critical', 'debug'"):
        configure(level="loud")


def test_actions_are_words_that_grep_finds() -> None:
    assert all(action.value == action.name.lower().replace("_", ".", 1) for action in Action)
