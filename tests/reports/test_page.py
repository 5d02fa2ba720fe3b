"""Evidently's page of a window: odd columns beside a sound one, and nothing of the data that a browser would run."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from monitor.core.drift.sampled import SampledColumn
from monitor.core.schema import Kind
from monitor.reports import Limits, Worker, wire
from monitor.reports.html import mixed
from tests.reports.samples import a_worker

RNG = np.random.default_rng(7)


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with a_worker(limits=Limits(seconds=90.0)) as made:
        yield made


def numbers(name: str, reference: object, window: object) -> wire.Column:
    return wire.Column(name=name, numeric=True, reference=np.asarray(reference).tolist(), window=np.asarray(window).tolist())


def texts(name: str, reference: list[str], window: list[str]) -> wire.Column:
    return wire.Column(name=name, numeric=False, reference=[*reference], window=[*window])


SOUND = numbers("sound", RNG.normal(size=500), RNG.normal(size=200))
ODD = (
    numbers("constant", np.ones(500), np.ones(200)),
    numbers("single", RNG.normal(size=500), [1.0]),
    numbers("tiny", RNG.normal(size=500) * 1e-310, RNG.normal(size=200) * 1e-310),
    texts("many", [f"c{i}" for i in range(500)], [f"d{i}" for i in range(200)]),
    texts("", ["", "b"] * 250, ["", "y"] * 100),
    numbers("index", RNG.normal(size=500), RNG.normal(size=200)),
    numbers("{x} 'q' \"d\"", RNG.normal(size=500), RNG.normal(size=200)),
)
HUGE = numbers("huge", RNG.normal(size=500) * 1e307, RNG.choice([1e308, -1e308], 200))


def page(worker: Worker, *columns: wire.Column) -> str:
    answer = worker.ask(wire.Render(title="a title", notes=["a note"], columns=[*columns]))
    assert isinstance(answer, wire.Page), answer
    return answer.html


@pytest.mark.parametrize("odd", ODD, ids=lambda column: column.name or "unnamed")
def test_an_odd_column_is_drawn_beside_a_sound_one(worker: Worker, odd: wire.Column) -> None:
    html = page(worker, SOUND, odd)
    assert "Drift in column 'sound'" in html
    assert "Left out" not in html


def test_a_column_that_evidently_cannot_draw_is_left_out_and_said_to_be(worker: Worker) -> None:
    html = page(worker, SOUND, HUGE)
    assert "Drift in column 'sound'" in html
    assert "Drift in column 'huge'" not in html
    assert "<li>Left out, for Evidently cannot draw it: huge (ValueError: Too many bins" in html


def test_columns_without_values_are_left_out_and_where_none_has_any_there_is_no_page(worker: Worker) -> None:
    empty = wire.Column(name="empty", numeric=True, reference=[None], window=[1.0])
    assert "<li>Left out, for they have no values on one side: empty.</li>" in page(worker, SOUND, empty)
    assert worker.ask(wire.Render(title="", notes=[], columns=[empty])) == wire.Failed(
        why="ValueError: no column has values on both sides")
    failed = worker.ask(wire.Render(title="", notes=[], columns=[HUGE]))
    assert isinstance(failed, wire.Failed)
    assert "cannot draw it: huge" in failed.why


def test_the_page_can_load_send_and_submit_nothing(worker: Worker) -> None:
    html = page(worker, SOUND)
    for rule in ("default-src 'none'", "base-uri 'none'", "form-action 'none'"):
        assert rule in html[: html.index("<title>")]


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 100, 5_000])
def test_drawn_values_are_plotted_as_a_level_and_not_as_a_slope(rows: int) -> None:
    column = SampledColumn(name="x", kind=Kind.NUMERIC, reference=tuple(map(float, range(rows))), window=())
    found = mixed(column).reference
    assert sorted(found) == list(column.reference)  # type: ignore[type-var]
    if rows == 5_000:
        means = np.array(found, dtype=float).reshape(100, 50).mean(axis=1)
        assert abs(means - 2_499.5).max() < 100, "two per cent of the range"
