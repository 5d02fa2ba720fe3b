"""What producers really send, and what they should not: seen through whole batches."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.schema import CategoricalValues, Reason, State, to_micros
from monitor.formats import decoder
from monitor.formats.json_rows import CHUNK_ROWS
from monitor.formats.times import NO_TIME, micros_of, moment_micros
from tests.formats.test_json_rows import NOW, STREAM, Message, category, decode, number, reasons, row

HOUR_AGO = to_micros(NOW - timedelta(hours=1))


def test_a_batch_of_many_chunks_is_the_same_rows_and_faults_as_its_parts():
    n = 2 * CHUNK_ROWS + 17
    values: list[object] = [row(x=float(i), c=f"c{i // 300}", id=f"i{i}", v=str(i // 400)) for i in range(n)]
    values[5], values[CHUNK_ROWS], values[-1] = b"{", row(x=float("nan")), row(ts=None)
    batch = decode(*values)
    assert [(fault.offset, fault.reason) for fault in batch.faults] == [(5, Reason.NOT_JSON), (n - 1, Reason.MISSING_TIME)]
    assert batch.offsets.tolist() == [i for i in range(n - 1) if i != 5]
    assert batch.versions is not None
    for at, offset in enumerate(batch.offsets.tolist()):
        if offset != CHUNK_ROWS:
            assert number(batch, at) == (float(offset), State.VALUE)
            assert category(batch, "c", at) == f"c{offset // 300}"
            assert batch.versions.dictionary[batch.versions.codes[at]] == str(offset // 400)
    assert number(batch, CHUNK_ROWS - 1) == (0.0, State.NAN)
    assert batch.ids is not None
    assert len(set(batch.ids.tolist())) == n - 3  # of which two are named i1


def test_an_empty_list_of_messages_is_an_empty_batch_with_every_column():
    batch = decode()
    assert (len(batch), batch.received, sorted(batch.columns)) == (0, 0, ["b", "c", "x"])


@pytest.mark.fault(19)
def test_every_message_of_a_batch_may_be_bad():
    assert reasons(decode(None, b"", b"nonsense", b"[]", b"\xff")) == [
        Reason.EMPTY, Reason.EMPTY, Reason.NOT_JSON, Reason.NOT_AN_OBJECT, Reason.NOT_UTF8,
    ]  # fmt: skip


# --- times ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1711120112000", 1_711_120_112_000_000),  # also a basic ISO date with an hour, in the year 1711
        ("1711120112", 1_711_120_112_000_000),
        (" 1711120112.5 ", 1_711_120_112_500_000),
        ("1711120112000000001", 1_711_120_112_000_000),
        ("2024-03-01", to_micros(datetime(2024, 3, 1, tzinfo=UTC))),
        ("20240301T110000Z", HOUR_AGO),
    ],
)
def test_a_time_in_quotes_is_a_number_before_it_is_a_date(text: str, expected: int):
    assert moment_micros(text) == expected
    assert micros_of([text, "2024-03-01T11:00:00Z"])[0].tolist() == [expected, HOUR_AGO]
    assert micros_of([text])[0].tolist() == [expected]


moments = st.one_of(
    st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.sampled_from([UTC, None])).map(
        lambda moment: moment.isoformat()
    ),
    st.integers(-(10**21), 10**21),
    st.floats(allow_nan=True, allow_infinity=True),
    st.text(max_size=12),
    st.none(),
)


@given(st.one_of(*(st.lists(kind, max_size=8) for kind in (moments, st.integers(0, 10**19), st.floats(), st.datetimes().map(str)))))
def test_times_read_together_are_those_read_one_by_one(values: list[object]):
    together, wrong = micros_of(values)
    for i, value in enumerate(values):
        alone, wrong_alone = micros_of([value])
        assert together[i] == alone[0]
        assert (i in wrong) == bool(wrong_alone) == (alone[0] == NO_TIME)


UNMAPPED = replace(STREAM, time="")


@pytest.mark.parametrize(
    ("timestamp", "reason"),
    [(-1, Reason.MISSING_TIME), (-(2**63), Reason.MISSING_TIME), (0, Reason.ANCIENT_TIME), (2**62, Reason.FUTURE_TIME)],
)
def test_where_no_time_is_mapped_a_senseless_broker_time_is_a_fault(timestamp: int, reason: Reason):
    batch = decoder(UNMAPPED).decode([Message(json.dumps(row()).encode(), timestamp=timestamp)])
    assert reasons(batch) == [reason]
    assert batch.faults[0].time is None


@pytest.mark.parametrize("timestamp", [-1, 2**62])
def test_without_a_sensible_broker_time_an_event_time_is_believed_up_to_the_year_2200(timestamp: int):
    found = [
        decoder(STREAM).decode([Message(json.dumps(row(ts=written)).encode(), timestamp=timestamp)])
        for written in ("2199-12-31T23:59:59Z", "2200-01-01T00:00:01Z", "9999-12-31T23:59:59-12:00")
    ]
    assert [len(batch) for batch in found] == [1, 0, 0]
    assert [batch.faults[0].reason for batch in found[1:]] == [Reason.FUTURE_TIME] * 2


def test_a_time_that_cannot_be_believed_touches_no_window():
    for written in ("2024-03-01T13:00:01Z", "1999-12-31T23:59:59Z"):
        [fault] = decode(row(ts=written)).faults
        assert (fault.time, fault.version) == (None, None)
        assert written in fault.detail


def test_a_time_up_to_max_future_after_the_broker_is_taken():
    assert decode(row(ts="2024-03-01T13:00:00Z")).times.tolist() == [to_micros(NOW + timedelta(hours=1))]


def test_a_timestamp_of_the_producers_own_is_believed_up_to_the_latest_given():
    """On a topic with CreateTime, which is Kafka's default, a producer with a wrong clock writes both times wrong."""
    tomorrow = NOW + timedelta(days=1)
    record = Message(offset=7, timestamp=int(tomorrow.timestamp() * 1000), value=json.dumps(row(ts=tomorrow.isoformat())).encode())
    assert decoder(STREAM).decode([record]).times.tolist() == [to_micros(tomorrow)]
    [fault] = decoder(STREAM).decode([record], int(NOW.timestamp() * 1000)).faults
    assert fault.reason is Reason.FUTURE_TIME


# --- values --------------------------------------------------------------------------------------------------


@pytest.mark.fault(19)
def test_of_a_repeated_key_the_last_one_counts_on_the_fast_path_and_beside_it():
    for odd in ("1", "NaN"):
        message = f'{{"id": "i", "ts": 1709290800, "x": {odd}, "f": {{"x": true, "c": "a"}}, "f": {{"c": "b"}}}}'
        batch = decode(message.encode())
        assert category(batch, "c") == "b"
        assert number(batch)[1] == State.NULL


@pytest.mark.fault(19, 30)
def test_an_integer_of_thousands_of_digits_is_infinite_and_spoils_nothing_else():
    written = json.dumps(row(x="HERE", c=[])).replace('"HERE"', "-" + "9" * 5_000).encode()
    stream = replace(STREAM, max_bytes=10_000)
    batch = decode(written, stream=stream)
    assert number(batch) == (0.0, State.NEG_INF)
    assert category(batch, "c") == CategoricalValues.WRONG


@pytest.mark.fault(19)
def test_a_deeply_nested_value_that_is_not_mapped_is_a_fault_or_passed_over_but_never_an_error():
    message = json.dumps(row(extra="HERE")).replace('"HERE"', "[" * 100_000 + "]" * 100_000).encode()
    batch = decode(message, row(), stream=replace(STREAM, max_bytes=1_000_000))
    assert batch.received == 2
    assert 1 in batch.offsets.tolist()


def test_texts_that_become_one_when_made_storable_share_a_code():
    batch = decode(row(c="a\0"), row(c="a\ufffd"), row(c="\ud800"), row(c="?"))
    values = batch.columns["c"]
    assert isinstance(values, CategoricalValues)
    assert values.dictionary == ("a\ufffd", "?")
    assert values.codes.tolist() == [0, 0, 1, 1]


def test_versions_that_differ_only_beyond_the_cut_share_a_code():
    batch = decode(row(v="x" * 100 + "a"), row(v="x" * 100 + "b"), row(v=""))
    assert batch.versions is not None
    assert batch.versions.dictionary == ("x" * 100, "unknown")
    assert batch.versions.codes.tolist() == [0, 0, 1]


def test_the_id_5_and_the_id_in_quotes_are_one_and_lone_surrogates_are_not():
    batch = decode(row(id=5), row(id="5"), row(id="\ud800"), row(id="\udfff"), row(id="?"), row(id=10**40))
    assert batch.ids is not None
    ids = batch.ids.tolist()
    assert ids[0] == ids[1]
    assert len(set(ids)) == 5


def test_an_id_of_a_hundred_digits_is_none():
    assert reasons(decode(row(id=10**100))) == [Reason.MISSING_ID]
