"""The digest: what it says, when it is due."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.digest import (
    DAY,
    MAX_HELD,
    MAX_LINES,
    MAX_MODELS,
    MAX_TEXT,
    Digest,
    News,
    Span,
    Warned,
    digest_dedupe,
    digest_of,
    headline,
    is_due,
    last_slot,
)
from monitor.core.incidents import Incident, IncidentState
from monitor.core.messages import from_body
from monitor.core.results import Check, Result, Verdict

NOW = datetime(2026, 3, 5, 8, 0, 30, tzinfo=UTC)
START = datetime(2026, 3, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)


def result(hour: int = 0, column: str | None = "dest", **changes: Any) -> Result:
    made = Result(model="flight-delay", version="1", segment="*", window_start=START + hour * HOUR, window_end=START + (hour + 1) * HOUR,
                  check=Check.DRIFT, column=column, metric="tvd", value=0.035, threshold=0.03, p_value=None, verdict=Verdict.WARN,
                  reason="moved", rows=100)
    return replace(made, **changes)


def news(*results: Result, windows: int = 24, **changes: Any) -> News:
    warned = {"flight-delay": [Warned(windows=windows, results=results)]}
    return replace(News(since=NOW - DAY, until=NOW, warned=warned), **changes)


def lines(*results: Result, windows: int = 24) -> tuple[str, ...]:
    digest = digest_of(news(*results, windows=windows))
    assert digest is not None
    return digest.models[0].lines


def test_a_column_that_drifted_a_little_is_one_line() -> None:
    said = lines(result(0), result(5, value=0.0412), result(7))
    assert said == ("dest: drifted a little in 3 of 24 windows (most tvd 0.0412, limit 0.03)",)


def test_versions_and_segments_of_one_window_are_one_window() -> None:
    assert lines(result(0), result(0, version="2"), result(0, segment="origin=JFK")) == (
        "dest: drifted a little in 1 of 24 windows (most tvd 0.035, limit 0.03)",
    )


@pytest.mark.parametrize(("segments", "said"), [(("origin=JFK",), ", only in origin=JFK"), (("a=1", "a=2"), ", only in 2 segments")])
def test_what_only_segments_show_says_so(segments: tuple[str, ...], said: str) -> None:
    assert said in lines(*(result(0, segment=segment) for segment in segments))[0]


def test_drift_that_was_held_back_by_evidence_says_by_which() -> None:
    held = result(reason="mean 1 → 2; only a warning: roc_auc 0.78 [0.76, 0.8], estimated, no drop seen")
    assert lines(held)[0].endswith("(most tvd 0.035, limit 0.03; roc_auc 0.78 [0.76, 0.8], estimated, no drop seen)")


def test_the_worst_is_the_one_furthest_from_its_limit_on_either_side() -> None:
    auc = result(0, None, check=Check.PERFORMANCE, metric="roc_auc", value=0.74, threshold=0.75)
    low = [auc, *(replace(auc, window_start=START + n * HOUR, value=value) for n, value in ((1, 0.6), (2, 0.7)))]
    assert lines(*low) == ("the whole model: performance warned in 3 of 24 windows (most roc_auc 0.6, limit 0.75)",)


def test_what_has_no_number_says_why() -> None:
    changed = result(column=None, check=Check.QUALITY, metric="schema_changes", value=None, threshold=None, reason="began to carry gate")
    assert lines(changed, windows=1) == ("the whole model: quality warned in 1 of 1 window (began to carry gate)",)


def test_a_column_that_could_not_be_judged_is_told_too() -> None:
    (line,) = lines(result(verdict=Verdict.ERROR, reason="ValueError: odd"))
    assert line == "dest: could not be judged in 1 of 24 windows (ValueError: odd)"


def test_numbers_that_have_no_ratio_are_told_all_the_same() -> None:
    for value, threshold in ((0.0, 0.1), (0.1, 0.0), (float("nan"), 0.1), (float("inf"), 1.0)):
        assert len(lines(result(value=value, threshold=threshold), result(1))) == 1


def test_the_most_frequent_comes_first_and_the_rest_is_counted() -> None:
    many = [result(hour, f"c{n}") for n in range(8) for hour in range(n + 1)]
    digest = digest_of(news(*many))
    assert digest is not None
    (part,) = digest.models
    assert [line.split(":")[0] for line in part.lines] == ["c7", "c6", "c5", "c4", "c3"][:MAX_LINES]
    assert part.more == 8 - MAX_LINES


def test_what_only_names_the_worst_slice_is_no_warning() -> None:
    assert digest_of(news(result(check=Check.PERFORMANCE, metric="worst_slice(roc_auc)"))) is None


def test_a_day_with_nothing_to_tell_is_no_digest() -> None:
    assert digest_of(news()) is None
    assert digest_of(news(dead={"slack": 0})) is None


def held(n: int = 0) -> Incident:
    return Incident(id=f"inc_{n}", model=f"m{n}", state=IncidentState.FIRING, severity=Verdict.ALERT, since=START, updated_at=START + HOUR,
                    summary="drift alert on x", muted="maintenance")


def test_incidents_held_back_and_messages_given_up_are_told() -> None:
    digest = digest_of(news(held=[held()], dead={"slack": 2, "hook": 1}))
    assert digest is not None
    assert digest.held == ("m0: drift alert on x, since 2026-03-04 00:00 UTC, held back: maintenance",)
    assert digest.dead == ("1 message to hook was given up", "2 messages to slack were given up")
    assert headline(digest) == "Digest: 1 incident held back, messages given up"


def test_models_with_most_to_tell_come_first_and_the_rest_is_counted() -> None:
    warned = {f"m{n:02}": [Warned(windows=1, results=(result(),) if n else (result(), result(column="a")))] for n in range(25)}
    digest = digest_of(news(warned=warned, held=[held(n) for n in range(25)], page_url="https://p.example/"))
    assert digest is not None
    assert [part.model for part in digest.models[:2]] == ["m00", "m01"]
    assert (len(digest.models), digest.more_models, len(digest.held), digest.more_held) == (MAX_MODELS, 25 - MAX_MODELS, MAX_HELD, 5)
    assert digest.models[0].url == "https://p.example/models/m00"
    assert headline(digest) == "Digest: 25 models warned, 25 incidents held back"


@given(st.text(), st.text(), st.floats() | st.none(), st.floats() | st.none())
def test_any_words_and_numbers_make_a_digest_that_can_be_stored(
    column: str, reason: str, value: float | None, threshold: float | None
) -> None:
    digest = digest_of(news(result(column=column, reason=reason, value=value, threshold=threshold)))
    assert digest is not None
    assert from_body(msgspec.to_builtins(digest), Digest) == digest
    assert all(len(line) <= MAX_TEXT for line in digest.models[0].lines)


# --- when ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "zone", "slot"),
    [
        ("2026-03-05T08:00:00Z", "UTC", "2026-03-05T08:00:00Z"),
        ("2026-03-05T07:59:59Z", "UTC", "2026-03-04T08:00:00Z"),
        ("2026-03-05T07:00:00Z", "Europe/Berlin", "2026-03-05T07:00:00Z"),
        ("2026-07-05T06:30:00Z", "Europe/Berlin", "2026-07-05T06:00:00Z"),
        ("2026-03-29T06:10:00Z", "Europe/Berlin", "2026-03-29T06:00:00Z"),  # the clocks went forward at 01:00 UTC
        ("2026-03-05T22:59:00Z", "Asia/Tokyo", "2026-03-04T23:00:00Z"),
        ("2026-03-05T23:00:00Z", "Asia/Tokyo", "2026-03-05T23:00:00Z"),
        ("2026-03-05T01:00:00Z", "America/New_York", "2026-03-04T13:00:00Z"),
    ],
)
def test_it_is_due_at_a_time_of_day_on_the_clock_of_its_zone(now: str, zone: str, slot: str) -> None:
    assert last_slot(datetime.fromisoformat(now), time(8), ZoneInfo(zone)) == datetime.fromisoformat(slot)


@given(st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2090, 1, 1), timezones=st.just(UTC)), st.times(),
       st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia", "Australia/Lord_Howe", "Asia/Kathmandu"]))
def test_there_is_a_slot_within_the_last_day_or_so_and_none_is_left_out(now: datetime, at: time, zone: str) -> None:
    slot = last_slot(now, at, ZoneInfo(zone))
    assert slot <= now
    assert now - slot <= DAY + timedelta(hours=1)  # a day on which clocks are set back is longer
    assert last_slot(slot, at, ZoneInfo(zone)) == slot


def test_it_is_due_once_a_slot() -> None:
    slot = NOW - timedelta(seconds=30)
    assert is_due(slot - timedelta(seconds=1), slot, NOW)
    assert not is_due(slot, slot, NOW)
    assert not is_due(NOW, slot, NOW)


@pytest.mark.fault(22)
def test_a_clock_that_ran_ahead_stops_no_digest_for_good() -> None:
    assert is_due(NOW + timedelta(days=3650), NOW, NOW)
    assert not is_due(NOW + timedelta(seconds=5), NOW, NOW), "another replica's clock"


def test_it_is_named_by_receiver_and_slot() -> None:
    assert digest_dedupe("slack", NOW) == "slack:digest:2026-03-05T08:00:30Z"


def test_a_span_holds_what_starts_within_and_was_made_anew_so_often() -> None:
    span = Span(model="flight-delay", after=START, until=START + 2 * HOUR, least_revision=1, most_revision=2)
    inside = [(h, r) for h in range(-1, 4) for r in range(4) if span.holds(result(h, revision=r))]
    assert inside == [(0, 1), (0, 2), (1, 1), (1, 2)]
    assert not span.holds(result(0, revision=1, model="other"))
