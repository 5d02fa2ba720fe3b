"""Windows and references for the tests of signatures: what each column looks like, and what was done to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from monitor.core.cause.scene import Scene
from monitor.core.cause.signatures import recognised
from monitor.core.cause.signatures.sign import Sign
from monitor.core.profile import Profile
from monitor.core.reference import Reference
from monitor.core.schema import CategoricalValues, Floats, NumericValues, Values
from tests.core.judged import Data, numeric, reference_of
from tests.core.profile_batches import batch_of

SIZES = (200, 2_000, 100_000)
RUSH = np.array([0, 0, 0, 0, 0, 3, 7, 9, 10, 6, 5, 4, 4, 4, 5, 6, 8, 9, 8, 5, 4, 2, 1, 0.0])
AIRLINES = ("United Airlines", "United Arab Air", "Delta Air Lines", "American Airlines", "JetBlue Airways", "Alaska Airlines")
AIRLINE_SHARES = (0.3, 0.05, 0.25, 0.2, 0.15, 0.05)
PORTS = ("ATL", "BOS", "DEN", "LAX", "MCO", "ORD", "SEA", "SFO")
PORT_SHARES = (0.22, 0.18, 0.15, 0.13, 0.12, 0.1, 0.06, 0.04)
STEPS = ("1", "2", "3", "10")
STEP_SHARES = (0.4, 0.3, 0.2, 0.1)
Change = Callable[[Mapping[str, Values]], Data]


def chosen(rng: np.random.Generator, names: Sequence[str], shares: Sequence[float], n: int) -> CategoricalValues:
    return CategoricalValues(codes=rng.choice(len(names), n, p=shares).astype(np.int32), dictionary=tuple(names))


def ordinary(rng: np.random.Generator, n: int) -> dict[str, Values]:
    """A window in which nothing happened."""
    return {
        "delay": numeric(np.round(rng.gamma(2.0, 15.0, n)) - 8),
        "price": numeric(rng.lognormal(4.0, 0.5, n)),
        "temperature": numeric(rng.normal(12.0, 6.0, n)),
        "hour": numeric(rng.choice(24, n, p=RUSH / RUSH.sum())),
        "stars": numeric(rng.choice(np.arange(1.0, 6.0), n, p=[0.05, 0.1, 0.2, 0.35, 0.3])),
        "flag": numeric((rng.random(n) < 0.3).astype(float)),
        "airline": chosen(rng, AIRLINES, AIRLINE_SHARES, n),
        "port": chosen(rng, PORTS, PORT_SHARES, n),
        "step": chosen(rng, STEPS, STEP_SHARES, n),
        "weekend": chosen(rng, ("false", "true"), (0.7, 0.3), n),
    }


REFERENCE = reference_of([ordinary(np.random.default_rng([1, day]), 2_500) for day in range(20)])


def scene(name: str, data: Data, *, reference: Reference = REFERENCE, moved: Sequence[str] | None = None, sample: int = 200) -> Scene:
    """The column ``name`` of a window with ``data``; all its columns count as moved unless told."""
    window = Profile.empty(reference.grid, sample_rows=sample)
    window.fold(batch_of(dict(data)), topic_seed=7)
    return Scene(name=name, window=window, against=reference, moved=tuple(data if moved is None else moved))


def seen(name: str, n: int, changes: Data | None = None, *, seed: int = 5, sample: int = 200) -> tuple[str, Sign] | None:
    """What is recognised in the column of an ordinary window of ``n`` rows with ``changes``."""
    return recognised(scene(name, ordinary(np.random.default_rng(seed), n) | dict(changes or {}), sample=sample))


def floats(name: str, n: int, seed: int = 5) -> Floats:
    """The values of a numeric column of that window."""
    column = ordinary(np.random.default_rng(seed), n)[name]
    assert isinstance(column, NumericValues)
    return column.values.copy()


def named(name: str, n: int, seed: int = 5) -> CategoricalValues:
    """The values of a categorical column of that window."""
    column = ordinary(np.random.default_rng(seed), n)[name]
    assert isinstance(column, CategoricalValues)
    return column


def spelt(name: str, n: int, spelling: Callable[[str], str], share: float = 1.0) -> CategoricalValues:
    """The column with a share of its rows spelt another way."""
    values = named(name, n)
    size = len(values.dictionary)
    other = np.random.default_rng(6).random(n) < share
    codes = np.where(other, values.codes + size, values.codes).astype(np.int32)
    texts = tuple(dict.fromkeys((*values.dictionary, *map(spelling, values.dictionary))))
    place = np.array([texts.index(text) for text in (*values.dictionary, *map(spelling, values.dictionary))], dtype=np.int32)
    return replace(values, codes=place[codes], dictionary=texts)


def filled(values: Floats, share: float, value: float) -> Floats:
    """A share of the rows with one value instead of their own."""
    return np.where(np.random.default_rng(8).random(len(values)) < share, value, values)
