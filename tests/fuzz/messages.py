"""Messages of a topic: bytes become rows, rows become a profile, and the account adds up whatever the bytes are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from monitor.core.drift.calibration import build_baseline
from monitor.core.evaluate import Subject, evaluate
from monitor.core.fold import Folded, Folder
from monitor.core.profile import BOOLEANS, CategoricalGrid, Grid, NumericProfile, Profile, fit_numeric
from monitor.core.reference import Reference
from monitor.core.results import Account
from monitor.core.rules import Model, Stream, StreamKind, Task
from monitor.core.schema import MOST_CLASSES, Batch, CategoricalValues, Column, Kind, NumericValues, Scores, State, Values, to_micros
from monitor.formats import FORMATS
from monitor.formats.moments import ANCIENT, LATEST
from tests.fuzz.mutation import JSON_WORDS
from tests.fuzz.target import Check, Target, require

NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)
STAMP = int(NOW.timestamp() * 1000)
HOUR = timedelta(hours=1)
PLACE = ("t", 0)
LONGEST = 6_000
TOMBSTONE = b"~"
"""A line that stands for a message without a value."""

COLUMNS = (
    Column(name="x", kind=Kind.NUMERIC, path="f.x"),
    Column(name="hour", kind=Kind.NUMERIC, path="f.hour"),
    Column(name="c", kind=Kind.CATEGORICAL, path="f.c"),
    Column(name="b", kind=Kind.BOOLEAN, path="f.deep.b"),
    Column(name="top", kind=Kind.CATEGORICAL, path="top"),
)
WHOLE = Stream(kind=StreamKind.PREDICTIONS, topic="t", id="id", time="ts", version="v", max_bytes=4_000, columns=COLUMNS)
STREAMS = (
    WHOLE,
    replace(WHOLE, time=""),
    replace(WHOLE, id="", version=""),
    replace(WHOLE, id="f.c", version="f.c", time="f.x"),  # one path, many uses: the fast path takes anything
    replace(WHOLE, id="meta.id", time="meta.ts", version="meta.v"),
    replace(WHOLE, scores="p"),
    replace(WHOLE, scores="f.c"),  # a value and probabilities in one place
    replace(WHOLE, kind=StreamKind.LABELS),
)
"""The first byte of an input chooses one."""
GRID = Grid(
    {
        "x": fit_numeric(np.random.default_rng(3).gamma(2.0, 20.0, 2_000)),
        "hour": fit_numeric(np.arange(24.0)),
        "c": CategoricalGrid(categories=("5", "a", "b", "true")),
        "b": CategoricalGrid(categories=BOOLEANS),
        "top": CategoricalGrid(categories=()),
    }
)
GOOD: dict[str, object] = {
    "id": "i1", "ts": "2024-03-01T11:00:00Z", "v": "7", "top": "t", "meta": {"id": 5, "ts": 1709290800123, "v": 2},
    "f": {"x": 1.5, "hour": 7, "c": "a", "deep": {"b": True}}, "p": {"a": 0.25, "b": 0.75},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Message:
    """A record as Kafka gives it."""

    value: bytes | None
    offset: int
    timestamp: int = STAMP
    headers: tuple[tuple[str, bytes], ...] = ()


def seeds() -> Sequence[bytes]:
    other = GOOD | {"p": [0.5, None], "id": 2**60, "ts": 1709290800, "v": None, "f": {"x": None, "hour": -0.0, "c": 5.0, "deep": None}}
    lines = [json.dumps(GOOD), json.dumps(other), json.dumps(GOOD | {"id": "i2", "ts": "2024-03-01T10:00:00.5+01:00"}), ""]
    text = "\n".join(lines).encode() + b"\n" + TOMBSTONE
    odd = b'{"id":"a","ts":1709290800,"id":"b","f":{"x":NaN,"c":"\\ud800"},"f":{"x":1e999,"deep":{"b":1}}}'
    return [*(bytes([number]) + text for number in range(len(STREAMS))), b"\0" + odd, b"\0", b"\x03" + odd + b"\n" + odd]


def a_model(stream: Stream) -> Model:
    return Model(
        name="m", task=Task.BINARY, window=HOUR, allowed_lateness=timedelta(minutes=10), min_rows=1, dedupe=bool(stream.id),
        streams=(stream,), columns=COLUMNS, sample_rows=5, max_versions=3,
    )  # fmt: skip


def a_reference() -> Reference:
    rng = np.random.default_rng(5)
    windows = []
    for _ in range(6):
        n = 40
        codes = rng.integers(0, 2, n).astype(np.int32)
        columns: dict[str, Values] = {"x": NumericValues(values=rng.gamma(2.0, 20.0, n))}
        columns["hour"] = NumericValues(values=rng.integers(0, 24, n) * 1.0)
        columns |= {name: CategoricalValues(codes=codes, dictionary=("a", "b")) for name in ("c", "top")}
        columns["b"] = CategoricalValues(codes=codes, dictionary=BOOLEANS)
        profile = Profile.empty(GRID)
        profile.fold(Batch(offsets=np.arange(n), times=np.zeros(n, dtype=np.int64), versions=None, ids=None, columns=columns))
        windows.append(profile)
    total = windows[0]
    for window in windows[1:]:
        total = total.merge(window)
    return Reference(model="m", version="*", grid=GRID, profile=total, baseline=build_baseline(windows, total), window=HOUR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One input as the decoder sees it."""

    model: Model
    records: Sequence[Message]
    batch: Batch


class Intake:
    """Reads inputs as messages of the stream that their first byte chooses."""

    def __init__(self) -> None:
        self.decoders = [FORMATS[stream.format](stream) for stream in STREAMS]  # without the net that would hide what they raise
        self.models = [a_model(stream) for stream in STREAMS]

    def read(self, data: bytes) -> Read:
        number = (data[0] if data else 0) % len(STREAMS)
        records = [Message(None if line == TOMBSTONE else line, at) for at, line in enumerate(data[1:].split(b"\n"))]
        return Read(model=self.models[number], records=records, batch=self.decoders[number].decode(records))

    def again(self, read: Read) -> Sequence[Batch]:
        """The same messages, cut in two."""
        decode, middle = self.decoders[self.models.index(read.model)].decode, len(read.records) // 2
        return [decode(read.records[:middle]), decode(read.records[middle:])]


@contextmanager
def decoding(_folder: Path) -> Iterator[Check]:
    """From bytes to rows, and to the account of a window."""
    intake = Intake()

    def check(data: bytes) -> None:
        read = intake.read(data)
        adds_up(read.batch, len(read.records))
        account, _ = folded(read.model, [read.batch])
        require(account.received == len(read.records), f"{account} of {len(read.records)} messages")

    yield check


@contextmanager
def judging(_folder: Path) -> Iterator[Check]:
    """From bytes to results: counted the same however the batches were cut, read back as written, judged without NaN."""
    intake, reference = Intake(), a_reference()

    def check(data: bytes) -> None:
        read = intake.read(data)
        account, whole = folded(read.model, [read.batch])
        account_again, again = folded(read.model, intake.again(read))
        require(account == account_again and written(whole) == written(again), "cut in two it counts otherwise")
        for key, delta in whole.windows.items():
            if delta.profile is not None:
                keeps(delta.profile)
                judged(Subject(key=key, account=delta.account, profile=delta.profile, reference=reference), read.model)

    yield check


def judged(subject: Subject, model: Model) -> None:
    """Results have numbers or none, and reasons that can be stored."""
    for result in evaluate(subject, model):
        numbers = (result.value, result.threshold, result.p_value)
        require(not any(number is not None and np.isnan(number) for number in numbers), f"{result.metric} of {result.column}: {numbers}")
        require("\0" not in result.reason and len(result.reason.encode()) < 2_000, "a reason that cannot be stored")


def adds_up(batch: Batch, received: int) -> None:
    """What must hold of every batch."""
    require(batch.received == received, f"{batch.received} of {received} messages")
    offsets = [*batch.offsets.tolist(), *(fault.offset for fault in batch.faults)]
    require(sorted(offsets) == list(range(received)), "offsets are lost or doubled")
    require(bool(((batch.times >= ANCIENT) & (batch.times <= LATEST)).all()), "a time that cannot be")
    for fault in batch.faults:
        require(len(fault.detail.encode()) < 1_000 and "\0" not in fault.detail, "a detail that cannot be stored")
        require(fault.time is None or ANCIENT <= fault.time <= LATEST, "a fault's time that cannot be")
    for name, values in [*batch.columns.items(), *([("version", batch.versions)] if batch.versions is not None else [])]:
        if isinstance(values, CategoricalValues):
            sound_categories(name, values, len(batch))
        else:
            sound_numbers(name, values, len(batch))


    if batch.scores is not None:
        sound_scores(batch.scores, len(batch))


def sound_scores(scores: Scores, rows: int) -> None:
    require(scores.values.shape == (rows, len(scores.classes)), f"scores are of shape {scores.values.shape}")
    require(len(set(scores.classes)) == len(scores.classes) <= MOST_CLASSES, "a class twice, or too many")
    require(not np.isinf(scores.values).any(), "an infinite probability")
    require(all("\0" not in name for name in scores.classes), "scores: NUL")
    "".join(scores.classes).encode()


def sound_categories(name: str, values: CategoricalValues, rows: int) -> None:
    require(len(values.codes) == rows, f"{name} has {len(values.codes)} of {rows} values")
    known = ((values.codes >= CategoricalValues.WRONG) & (values.codes < len(values.dictionary))).all()
    require(bool(known), f"{name}: a code of nothing")
    require(len(set(values.dictionary)) == len(values.dictionary), f"{name}: a text twice")
    require(all("\0" not in text for text in values.dictionary), f"{name}: NUL")
    "".join(values.dictionary).encode()


def sound_numbers(name: str, values: NumericValues, rows: int) -> None:
    require(len(values.values) == rows, f"{name} has {len(values.values)} of {rows} values")
    counted = ~np.isnan(values.values) if values.states is None else values.states == State.VALUE
    require(bool(np.isfinite(values.values[counted]).all()), f"{name}: a value that is not finite")


def folded(model: Model, batches: Sequence[Batch]) -> tuple[Account, Folded]:
    folder = Folder(model, lambda _version: GRID)
    folder.assign(PLACE, seed=11, max_time=to_micros(NOW - 3 * HOUR), seen={})
    total = Account()
    for batch in batches:
        total += folder.fold(PLACE, batch)
    return total, folder.drain()


def written(gained: Folded) -> object:
    """All that a fold gained, comparable."""
    windows = {key: (delta.account, delta.profile and delta.profile.to_bytes()) for key, delta in gained.windows.items()}
    return windows, {key: ids.tolist() for key, ids in gained.ids.items()}, gained.untimed


def keeps(profile: Profile) -> None:
    """A profile is what is read back of it, and its numbers are numbers."""
    require(Profile.from_bytes(profile.to_bytes(), GRID) == profile, "bytes do not give the profile back")
    require(Profile.from_json(profile.to_json(), GRID).hash == profile.hash, "JSON does not give the profile back")
    for name, column in profile.columns.items():
        require(column.total == profile.rows, f"{name} counts {column.total} of {profile.rows} rows")
        if isinstance(column, NumericProfile):
            found = [number for number in (column.mean, column.std, column.min, column.max) if number is not None]
            require(bool(np.isfinite(found).all()), f"{name}: {found}")


KEYS = [b'"id":', b'"ts":', b'"v":', b'"f":', b'"x":', b'"deep":', b'"c":', b'"p":']
WORDS = [*KEYS, b",", b"\n", b"{", b"}", b"\xc3\x28", b"\xef\xbb\xbf", *JSON_WORDS]

TARGETS = (
    Target(name="decoding", inputs=330_000, short=9_000, longest=LONGEST, seeds=seeds, words=WORDS, opened=decoding),
    Target(name="judging", inputs=40_000, short=2_000, longest=LONGEST, seeds=seeds, words=WORDS, opened=judging),
)
