"""Whatever the order, the duplicates, the polls, the checkpoints and the crashes: the windows are those of plain Python."""

from __future__ import annotations

from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp

from monitor.core.profile import CategoricalProfile, NumericProfile
from monitor.core.reference import Reference
from monitor.core.results import Account, Result
from monitor.core.rules import DriftRules, DriftTest, QualityRules
from monitor.core.schema import CategoricalValues
from monitor.doubles.log import MemoryLog
from monitor.errors import Retryable
from monitor.ports import TopicPartition
from tests.core.judged import numeric, reference_of
from tests.pipeline.world import HOUR, MINUTE, MODEL, START, TOPIC, Unsteady, World, message

LATENESS = MODEL.allowed_lateness / MINUTE
OPS = ("poll", "poll", "poll", "checkpoint", "sweep", "crash", "lost answer", "another", "store away", "rebalance")


@dataclass(frozen=True)
class Row:
    """One prediction; the delay is an eighth of a minute, so that sums are exact."""

    id: int
    minutes: int
    delay: float
    carrier: str

    def bytes(self) -> bytes:
        return message(self.id, self.minutes, self.delay, self.carrier)


@st.composite
def partitions(draw: st.DrawFn) -> list[list[Row]]:
    """Three partitions; each row may be moved by less than the lateness, and come twice."""
    found = []
    for _ in range(3):
        drawn = draw(st.lists(st.tuples(st.integers(0, 400), st.integers(-800, 800), st.sampled_from("ABC")), max_size=25))
        rows = [Row(i, minutes, eighths / 8, carrier) for i, (minutes, eighths, carrier) in enumerate(drawn)]
        rows += draw(st.lists(st.sampled_from(rows), max_size=8)) if rows else []
        jitter = draw(st.lists(st.floats(0, LATENESS), min_size=len(rows), max_size=len(rows)))
        found.append([row for _, row in sorted(zip(jitter, rows, strict=True), key=lambda pair: pair[1].minutes + pair[0])])
    return found


Facts = tuple[Account, int, Fraction, dict[str, int]]


def plain(logs: list[list[Row]]) -> dict[datetime, Facts]:
    """Rows, the sum of delays and rows by carrier of each window, counting every id of a partition once."""
    unique: defaultdict[datetime, set[tuple[int, Row]]] = defaultdict(set)
    received: Counter[datetime] = Counter()
    for number, rows in enumerate(logs):
        for row in rows:
            start = START + (row.minutes // 60) * HOUR
            unique[start].add((number, row))
            received[start] += 1
    return {
        start: (
            Account(counted=len(rows), duplicate=received[start] - len(rows)),
            len(rows),
            sum((Fraction(row.delay) for _, row in rows), Fraction()),
            dict(Counter(row.carrier for _, row in rows)),
        )
        for start, rows in unique.items()
    }


def stored(world: World) -> dict[datetime, Facts]:
    """The same of what the store holds, but for windows made to tell silence."""
    found: dict[datetime, Facts] = {}
    for start in {window.key.start for window in world.store.window_accounts(model="m")}:
        [window] = world.store.windows("m", start)
        if window.profile is None:
            assert window.account == Account()
            continue
        delay, carrier = window.profile.columns["delay"], window.profile.columns["carrier"]
        assert isinstance(delay, NumericProfile)
        assert isinstance(carrier, CategoricalProfile)
        total = Fraction(delay.mean or 0.0).limit_denominator(8 * delay.n) * delay.n  # sums are eighths
        found[start] = (window.account, delay.n, total, dict(carrier.new.kept))
    return found


def do(op: str, world: World) -> None:
    store = world.store
    assert isinstance(store, Unsteady)
    match op:
        case "poll":
            world.reader.step()
        case "checkpoint":
            world.reader.checkpoint()
        case "sweep":
            world.judge.sweep()
        case "crash":
            world.crash()
        case "another":  # which writes what it reads first, and dies
            other = world.replica()
            other.steps(3)
            other.reader.checkpoint()
        case "rebalance":
            world.log.rebalance(world.log.partitions())
        case "lost answer":
            store.forgets_to_answer = True
            _fails(world)
        case "store away":
            store.away = True
            _fails(world)
            store.away = False


def _fails(world: World) -> None:
    """A checkpoint that meets the trouble made for it; none is written while partitions are taken over."""
    with suppress(Retryable):
        world.reader.checkpoint()
    assert isinstance(world.store, Unsteady)
    world.store.forgets_to_answer = False


@pytest.mark.fault(23)
@settings(max_examples=150)
@given(logs=partitions(), ops=st.lists(st.sampled_from(OPS), max_size=40), last=st.sampled_from(OPS), at_a_time=st.integers(1, 9))
def test_windows_are_those_of_plain_python_whatever_happens_on_the_way(
    logs: list[list[Row]], ops: list[str], last: str, at_a_time: int
) -> None:
    log = MemoryLog({TOPIC: 3}, max_records=at_a_time)
    world = World(log=log)
    for number, rows in enumerate(logs):
        world.put(TopicPartition(TOPIC, number), *(row.bytes() for row in rows))
    for op in ops:
        do(op, world)
    while not world.at_end():
        world.reader.step()
    do(last, world)  # when all is read, and not all of it written
    world.reader.step()  # what was told to it last
    world.read_all()
    world.judge.finish()
    assert stored(world) == plain(logs)
    assert sum(count.received for count in world.store.stream_counts()) == sum(map(len, logs))


@settings(max_examples=40)
@given(logs=partitions(), cuts=st.lists(st.integers(1, 9), min_size=2, max_size=2))
def test_profiles_are_the_same_to_the_last_bit_however_polls_and_checkpoints_cut_them(logs: list[list[Row]], cuts: list[int]) -> None:
    hashes = []
    for size in cuts:
        world = World(log=MemoryLog({TOPIC: 3}, max_records=size), max_rows=size)
        for number, rows in enumerate(logs):
            world.put(TopicPartition(TOPIC, number), *(row.bytes() for row in rows))
        world.read_all()
        starts = sorted({window.key.start for window in world.store.window_accounts(model="m")})
        hashes.append([(w.key, w.account, w.profile and w.profile.hash) for start in starts for w in world.store.windows("m", start)])
    assert hashes[0] == hashes[1]


@pytest.mark.parametrize("minutes", [[0, 70, 59], [0, 200, 3]])
def test_what_is_later_than_allowed_is_late_and_counted_nowhere(minutes: list[int]) -> None:
    world = World(models=(replace(MODEL, allowed_lateness=10 * MINUTE),))
    world.put(TopicPartition(TOPIC, 0), *(message(i, m) for i, m in enumerate(minutes)))
    world.read_all()
    assert world.account() == Account(counted=2, late=1)


# --- results, with pandas and scipy as the oracle ------------------------------------------------------------

DELAYS = np.arange(-6.0, 7.0)
JUDGED = replace(
    MODEL,
    min_rows=8,
    drift=DriftRules(tests=(DriftTest(method="ks", columns=("delay",)), DriftTest(method="jensenshannon", columns=("carrier",)))),
    quality=QualityRules(max_null_share=0.2, max_non_finite_share=0.2, max_wrong_type_share=0.2, max_unseen_share=0.2),
)


def reference_rows() -> pd.DataFrame:
    """Every delay that a row may have, so that each has a bin of its own."""
    delays = np.repeat(DELAYS, np.arange(1, 14))
    return pd.DataFrame({"delay": delays, "carrier": [("A", "B", "C")[i % 5 % 3] for i in range(len(delays))]})


REFERENCE_ROWS = reference_rows()


def the_reference() -> Reference:
    codes = REFERENCE_ROWS.carrier.map({"A": 0, "B": 1, "C": 2}).to_numpy(np.int32)
    carriers = CategoricalValues(codes=codes, dictionary=("A", "B", "C"))
    return replace(reference_of([{"delay": numeric(REFERENCE_ROWS.delay), "carrier": carriers}], with_windows=False), window=HOUR)


@st.composite
def frames(draw: st.DrawFn) -> tuple[pd.DataFrame, list[list[int]]]:
    """Distinct rows of four hours over three partitions, and for each partition an order of them, with doubles inside the lateness."""
    rows = draw(st.lists(st.tuples(st.integers(0, 239), st.sampled_from([*DELAYS.tolist(), None]), st.sampled_from("ABC")),
                         min_size=20, max_size=120))  # fmt: skip
    frame = pd.DataFrame(rows, columns=["minutes", "delay", "carrier"])
    frame["partition"] = draw(st.permutations([n % 3 for n in range(len(frame))]))
    orders = []
    for number in range(3):
        mine = frame.index[frame.partition == number].tolist()
        mine += draw(st.lists(st.sampled_from(mine), max_size=12)) if mine else []
        moved = draw(st.lists(st.floats(0, LATENESS), min_size=len(mine), max_size=len(mine)))
        orders.append([row for _, row in sorted(zip(moved, mine, strict=True), key=lambda pair: frame.minutes[pair[1]] + pair[0])])
    return frame, orders


Figures = dict[tuple[datetime, str, str | None, str], float]


def expected(frame: pd.DataFrame) -> Figures:
    """By window, check, column and metric: what pandas and scipy make of the distinct rows."""
    found: Figures = {}
    theirs = REFERENCE_ROWS.carrier.value_counts(normalize=True)
    for hour, rows in frame.groupby(frame.minutes // 60):
        start = START + int(hour) * HOUR
        found[start, "volume", None, "rows"] = len(rows)
        delays = rows.delay.dropna().astype(float)
        if len(rows) < JUDGED.min_rows:
            continue
        found[start, "quality", "delay", "null_share"] = rows.delay.isna().mean()
        found[start, "quality", "carrier", "null_share"] = 0.0
        ours = rows.carrier.value_counts(normalize=True).reindex(theirs.index, fill_value=0.0)
        found[start, "drift", "carrier", "jensenshannon"] = jensenshannon(theirs, ours)
        if len(delays):
            found[start, "drift", "delay", "ks"] = ks_2samp(REFERENCE_ROWS.delay, delays).statistic
    return found


def judged_in_order(frame: pd.DataFrame, orders: list[list[int]], at_a_time: int, sweeps: int) -> list[Result]:
    """Through the reader and the judge, which looks after every so many steps."""
    world = World(log=MemoryLog({TOPIC: 3}, max_records=at_a_time), models=(JUDGED,))
    world.store.add_reference(the_reference(), activate=True, at=world.clock.now())
    world.crash()
    for number, order in enumerate(orders):
        rows = frame.loc[order]
        given = zip(order, rows.minutes, rows.delay, rows.carrier, strict=True)
        world.put(TopicPartition(TOPIC, number), *(message(i, m, None if pd.isna(d) else d, c) for i, m, d, c in given))
    steps = 0
    while not world.at_end():
        world.reader.step()
        steps += 1
        if steps % sweeps == 0:
            world.reader.checkpoint()
            world.judge.sweep()
    world.read_all()
    world.judge.finish()
    return list(world.store.results(model="m"))


def but_for_doubles(results: list[Result]) -> list[Result]:
    """How many messages could not be read is told of all that came, doubles included: that sentence alone may differ, and how many
    doubles there were."""
    own = [result for result in results if result.metric != "duplicate_share"]
    return [replace(result, reason="") if result.metric == "quarantined_share" else result for result in own]


@pytest.mark.fault(23)
@settings(max_examples=60)
@given(drawn=frames(), at_a_time=st.integers(1, 9), sweeps=st.integers(1, 20))
def test_results_are_those_of_pandas_on_the_distinct_rows_in_any_order(
    drawn: tuple[pd.DataFrame, list[list[int]]], at_a_time: int, sweeps: int
) -> None:
    frame, orders = drawn
    results = judged_in_order(frame, orders, at_a_time, sweeps)
    in_order = [frame.index[frame.partition == number].sort_values().tolist() for number in range(3)]
    in_order = [sorted(order, key=lambda row: frame.minutes[row]) for order in in_order]
    assert but_for_doubles(results) == but_for_doubles(judged_in_order(frame, in_order, 1000, 1000))
    figures = {(r.window_start, str(r.check), r.column, r.metric): r.value for r in results}
    for where, value in expected(frame).items():
        assert figures[where] == pytest.approx(value, abs=1e-9), where
