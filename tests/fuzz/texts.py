"""Small texts that people and programs write: times, durations, variables, addresses, Retry-After, webhook secrets."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from monitor.contract import parse_moment
from monitor.core.schema import from_micros
from monitor.errors import Retryable
from monitor.formats.times import NO_TIME, micros_of
from monitor.notify.backoff import LONGEST as LONGEST_WAIT
from monitor.notify.backoff import wait
from monitor.notify.transport import Answer, retry_after
from monitor.notify.webhook import keys
from monitor.settings.block import host_of
from monitor.settings.durations import LONGEST as LONGEST_DURATION
from monitor.settings.durations import duration_text, parse_duration
from monitor.settings.interpolate import interpolate
from monitor.web.guards import host_name
from tests.fuzz.target import Check, Target, require

NOW = datetime(2024, 3, 1, tzinfo=UTC)
LONGEST = 300
ROUNDED = 2**53
"""Microseconds beyond which floats are rounded: the year 2255, which no stream believes."""


def times(text: str) -> None:
    """Times read together are those read one by one."""
    values: list[object] = list(text.split("\n"))
    same_times(values)
    same_times([number_of(value) for value in text.split("\n")])


def number_of(text: str) -> object:
    try:
        return int(text)
    except ValueError:
        return struct.unpack("<d", text.encode("utf-8", "replace")[:8].ljust(8, b"\0"))[0]


def same_times(values: list[object]) -> None:
    together, wrong = micros_of(values)
    for at, value in enumerate(values):
        alone, wrong_alone = micros_of([value])
        require(together[at] == alone[0] or abs(int(alone[0])) > ROUNDED, "read together it is another time")
        require((at in wrong) == bool(wrong_alone) == (alone[0] == NO_TIME), "a time that is none, or a wrong one that is one")
    for detail in wrong.values():
        detail.encode()


def durations(text: str) -> None:
    try:
        duration = parse_duration(text)
    except ValueError as error:
        require(str(error).isprintable(), "an error that is not printable")
        return
    require(timedelta() <= duration <= LONGEST_DURATION, "a duration beyond reason")
    written = parse_duration(duration_text(duration))
    require(timedelta() <= duration - written < timedelta(milliseconds=1), "a duration is not what is written of it")


def variables(text: str) -> None:
    try:
        said = interpolate(text, {"A": "1", "EMPTY": "", "NESTED": "${A}"})
    except ValueError:
        return
    require("${" in text or said == text, "a text without a variable was changed")


def moments(text: str) -> None:
    try:
        moment = parse_moment(text)
    except ValueError as error:
        str(error).encode()
        return
    require(moment.utcoffset() == timedelta(), "a moment that is not UTC")


def addresses(text: str) -> None:
    host_name(text)
    try:
        scheme, host = host_of(text)
    except ValueError as error:
        require(str(error).isprintable(), "an error that is not printable")
        return
    require(bool(host) and scheme in ("http", "https"), "an address without a host")


def waits(text: str) -> None:
    """A wait that a receiver asks for is a number, and the pause that is made of it has an end."""
    said, date = [*text.split("\n"), ""][:2]
    seconds = retry_after(Answer(status=429, headers={"retry-after": said, "date": date}, body=b"", complete=True), NOW)
    require(seconds is None or seconds >= 0, "less than no time to wait")
    pause = wait("msg", 1, seconds)
    require(pause is None or pause <= LONGEST_WAIT * 2, "a pause without an end")


def secrets(text: str) -> None:
    try:
        require(all(keys(text)), "an empty key")
    except Retryable:
        return


def moments_back(text: str) -> None:
    """Every time that could be read can be shown."""
    micros, _ = micros_of([text])
    if micros[0] != NO_TIME:
        try:
            from_micros(int(micros[0]))
        except OverflowError:
            require(abs(int(micros[0])) > 10**16, "a time of our calendar that cannot be shown")


READERS: Sequence[Callable[[str], None]] = (times, durations, variables, moments, addresses, waits, secrets, moments_back)
"""The first byte of an input chooses one."""
EXAMPLES = (
    ("2024-03-01T11:00:00Z\n1709290800\n1709290800.5\n20240301T110000Z\n2024-03-01", "1e17\n-5\n1711120112000000001"),
    ("1d12h", "90 ms", "2w", "1.5h 3m", "36500d"),
    ("${A}-${B:-x}", "$${A}", "${EMPTY:-${A}}", "${NONE}"),
    ("2013-01-31", "2013-01-31T06:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-12:00", "2024-W10-5"),
    ("https://a.example:443/x", "http://[::1]:9/x", "http://u:p@h", "LOCALHOST:1"),
    ("30", "Wed, 21 Oct 2026 07:28:00 GMT\nWed, 21 Oct 2026 07:27:00 GMT", "9" * 30, "Mon, 01 Jan 0001 00:00:00 +9999"),
    ("whsec_YWJj other", "whsec_", "plain"),
    ("2024-03-01T11:00:00.123456789+05:30", "99999999999999999"),
)


def seeds() -> Sequence[bytes]:
    return [bytes([number]) + text.encode() for number, texts in enumerate(EXAMPLES) for text in texts]


@contextmanager
def opened(_folder: Path) -> Iterator[Check]:
    """The check of one text; what is no UTF-8 becomes lone surrogates, as JSON can hold."""

    def check(data: bytes) -> None:
        READERS[(data[0] if data else 0) % len(READERS)](data[1:].decode("utf-8", "surrogateescape"))

    yield check


WORDS = [
    b"T", b"Z", b"+23:59", b"-", b":", b".", b"24:00", b"W53", b"ms", b"w", b"${", b"}", b":-", b"http://", b"[", b"]", b"@", b"%",
    b"GMT", b"whsec_", b"=",
    b"\xd9\xa1", b"\xc2\xb2", b"\xe2\x91\xa0", b"9" * 25, b"1e308", b"inf", b"nan", b"_", b" ", b"\xc2\xa0", b"\0", b"0001", b"9999",
    b"Feb 30",
]  # fmt: skip
TARGETS = (Target(name="texts", inputs=350_000, short=30_000, longest=LONGEST, seeds=seeds, words=WORDS, opened=opened),)
