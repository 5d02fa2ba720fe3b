"""Stored documents: what a database or a disk gives back is read, or is a DecodeError."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from monitor.core.messages import IncidentMessage, from_body
from monitor.core.profile import BOOLEANS, CategoricalGrid, Grid, Profile, canonical, fit_numeric
from monitor.core.reference import Reference, difference
from monitor.core.schema import Batch, CategoricalValues, NumericValues
from monitor.errors import DecodeError
from tests.fuzz.messages import HOUR, build_baseline
from tests.fuzz.mutation import JSON_WORDS
from tests.fuzz.target import Check, Target, require

GRID = Grid(
    {
        "x": fit_numeric(np.random.default_rng(3).gamma(2.0, 20.0, 40)),
        "c": CategoricalGrid(categories=("a", "b")),
        "b": CategoricalGrid(categories=BOOLEANS),
    }
)
LONGEST = 20_000
BODY = {
    "kind": "firing", "incident": "inc_1", "model": "m", "state": "firing", "severity": "alert", "since": "2024-03-01T00:00:00Z",
    "updated_at": "2024-03-02T00:00:00Z", "headline": "x", "columns": [{"column": "x", "sentence": "x moved"}],
}  # fmt: skip


def a_profile(sample_rows: int = 3) -> Profile:
    n = 30
    rng = np.random.default_rng(4)
    codes = rng.integers(-2, 3, n).astype(np.int32)
    profile = Profile.empty(GRID, sample_rows=sample_rows)
    batch = Batch(
        offsets=np.arange(n), times=np.zeros(n, dtype=np.int64), versions=None, ids=None,
        columns={
            "x": NumericValues(values=rng.gamma(2.0, 30.0, n)), "c": CategoricalValues(codes=codes, dictionary=("a", "b", "n")),
            "b": CategoricalValues(codes=codes.clip(max=1), dictionary=BOOLEANS),
        },
    )  # fmt: skip
    profile.fold(batch, topic_seed=1)
    return profile


def a_reference() -> Reference:
    windows = [a_profile(0), a_profile(0)]
    total = windows[0].merge(windows[1])
    baseline = build_baseline(windows, total)
    return Reference(model="m", version="1", grid=GRID, profile=total, baseline=baseline, window=HOUR, provenance={"data": "r"})


def as_reference(data: bytes) -> None:
    """A reference as it is; once more with the hash that fits, since a wrong hash hides what is behind it."""
    text = data.decode("utf-8", "replace")
    for each in (text, rehashed(text)):
        reference = Reference.from_json(each)
        require(Reference.from_json(reference.to_json()).hash == reference.hash, "JSON does not give the reference back")
        difference(reference, A_REFERENCE)


def rehashed(text: str) -> str:
    try:
        document = json.loads(text)
        if isinstance(document, dict):
            document["hash"] = canonical.digest({name: value for name, value in document.items() if name != "hash"})
        return json.dumps(document)
    except (ValueError, RecursionError):
        return text


def as_rehashed(data: bytes) -> None:
    as_reference(rehashed(data.decode("utf-8", "replace")).encode())


def as_profile_json(data: bytes) -> None:
    sound(Profile.from_json(data.decode("utf-8", "replace"), GRID))


def as_profile_bytes(data: bytes) -> None:
    sound(Profile.from_bytes(data, GRID))


def as_deflated(data: bytes) -> None:
    """The same before it is deflated, so that mutations reach what is inside."""
    as_profile_bytes(zlib.compress(data, 1))


def as_body(data: bytes) -> None:
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        return
    from_body(body, IncidentMessage)


def sound(profile: Profile) -> None:
    """What was read can be written, and added to what is there."""
    require(Profile.from_bytes(profile.to_bytes(), GRID) == profile, "bytes do not give the profile back")
    profile.merge(A_PROFILE).to_bytes()
    profile.to_json()


A_PROFILE, A_REFERENCE = a_profile(), a_reference()
READERS: Sequence[Callable[[bytes], None]] = (as_reference, as_rehashed, as_profile_json, as_profile_bytes, as_deflated, as_body)
"""The first byte of an input chooses one."""


def seeds() -> Sequence[bytes]:
    reference, packed = A_REFERENCE.to_json().encode(), A_PROFILE.to_bytes()
    parts = (reference, reference, A_PROFILE.to_json().encode(), packed, zlib.decompress(packed), json.dumps(BODY).encode())
    small = b'{"format": 1, "model": "m", "version": "1", "grid": {}, "profile": {}, "hash": ""}'
    return [*(bytes([number]) + part for number, part in enumerate(parts)), b"\0" + small]


@contextmanager
def opened(_folder: Path) -> Iterator[Check]:
    """The check of one document."""

    def check(data: bytes) -> None:
        try:
            READERS[(data[0] if data else 0) % len(READERS)](data[1:])
        except DecodeError as error:
            str(error).encode()
            require(len(str(error)) < 2_000, "an error without an end")

    yield check


PACKED_WORDS = [b"\xcb\x7f\xf8" + bytes(6), b"\xcf" + b"\xff" * 8, b"\xd3\x80" + bytes(7), b"\xc0"]
"""NaN, the largest and the smallest integer, and null as MessagePack writes them."""
WORDS = [b'"format":', b'"grid":', b'"profile":', b'"hash":', b'"baseline":', *PACKED_WORDS, *JSON_WORDS]
TARGETS = (Target(name="documents", inputs=120_000, short=6_000, longest=LONGEST, seeds=seeds, words=WORDS, opened=opened),)
