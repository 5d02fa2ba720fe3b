"""Pictures as PNGs: painted in a worker of their own, whatever is in them; the daemon's process stays without matplotlib."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from monitor.core.picture import Bars, Course, Picture, Point, Tick
from monitor.errors import Permanent, Retryable
from monitor.reports import Limits, Worker, WorkerPainter
from monitor.reports.charts import limits
from monitor.reports.painting import paint
from monitor.reports.sheet import DOTS, UNKNOWN, WIDTH, Sheet, known, plain_texts
from tests.core.test_picture import PICTURES
from tests.reports.samples import a_worker

START = datetime(2013, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
TALL = Bars(column="dep_delay", sentence="mean 12.6 → 756", reference=(0.2, 0.8, 0.0), now=(0.0, 0.3, 0.7), ticks=(Tick(at=1, text="0"),))
NAMED = replace(TALL, named=True, ticks=tuple(Tick(at=at + 0.5, text=text) for at, text in enumerate(("UA", "DL", "all others"))))
COURSE = Course(title="f1, last 30 days", reference=0.84, points=tuple(
    Point(start=START + n * DAY, value=0.8 - n / 100, low=0.78 - n / 100, high=0.82 - n / 100, threshold=0.7, bad=n > 10, estimated=n > 12)
    for n in range(14)
))
SHOWN = Picture(incident="inc_1", title="m: drift alert", cause="×60", window="2013-03-14", since=START + 11 * DAY, columns=(TALL, NAMED),
                course=COURSE)


def pixels(png: bytes) -> np.ndarray:
    """Height × width × RGBA, decoded by hand: filters of every row undone."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, data, head = 8, b"", b""
    while at < len(png):
        (size,), kind = struct.unpack(">I", png[at : at + 4]), png[at + 4 : at + 8]
        chunk = png[at + 8 : at + 8 + size]
        head, data = (chunk, data) if kind == b"IHDR" else (head, data + chunk if kind == b"IDAT" else data)
        at += 12 + size
    width, height, depth, colour = struct.unpack(">IIBB", head[:10])
    assert (depth, colour) == (8, 6)
    raw = np.frombuffer(zlib.decompress(data), dtype=np.uint8).reshape(height, 1 + 4 * width)
    rows = np.zeros((height + 1, 4 * (width + 1)), dtype=np.int64)
    for y in range(height):
        _undo(int(raw[y, 0]), raw[y, 1:].astype(np.int64), rows[y], rows[y + 1])
    return rows[1:, 4:].reshape(height, width, 4)


def _undo(kind: int, given: np.ndarray, above: np.ndarray, into: np.ndarray) -> None:
    if kind in (0, 2):
        into[4:] = (given + (above[4:] if kind == 2 else 0)) % 256
        return
    for x in range(len(given)):
        left, up, corner = into[x], above[x + 4], above[x]
        guess = {1: left, 3: (left + up) // 2}.get(kind)
        if guess is None:
            base = left + up - corner
            guess = min((left, up, corner), key=lambda value: abs(base - value))
        into[x + 4] = (given[x] + guess) % 256


@pytest.fixture(scope="module")
def painter() -> Iterator[WorkerPainter]:
    with closing(WorkerPainter()) as made:
        yield made


def test_a_worker_paints_a_png_that_is_wide_enough_small_enough_and_the_same_each_time(painter: WorkerPainter) -> None:
    png = painter.paint(SHOWN)
    width, height = struct.unpack(">II", png[16:24])
    assert (width, 600 < height < 1200) == (WIDTH * DOTS, True)
    assert 10_000 < len(png) < 300_000
    assert painter.paint(SHOWN) == png


def test_the_daemons_process_imports_no_matplotlib() -> None:
    code = "import sys, monitor.parts, monitor.daemon; print('matplotlib' in sys.modules, 'pandas' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code],
                          capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout.split() == ["False", "False"]


def test_the_colours_are_those_of_reference_window_and_alert() -> None:
    colours = {tuple(colour) for colour in pixels(paint(SHOWN))[:, :, :3].reshape(-1, 3)}
    for named in ("#d5d8dc", "#0072b2", "#d55e00"):
        assert tuple(int(named[at : at + 2], 16) for at in (1, 3, 5)) in colours


def with_points(**changes: object) -> Course:
    return replace(COURSE, points=tuple(replace(point, **changes) for point in COURSE.points))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "picture",
    [
        replace(SHOWN, columns=()),
        replace(SHOWN, course=None),
        replace(SHOWN, columns=(TALL,)),
        replace(SHOWN, columns=(TALL,), course=None),
        replace(SHOWN, columns=(TALL, NAMED, TALL)),
        replace(SHOWN, columns=(TALL, NAMED) * 2, more_columns=7),
        replace(SHOWN, columns=(replace(TALL, now=(0.0,), reference=(0.0,)),)),
        replace(SHOWN, cause="", title="x"),
        replace(SHOWN, course=replace(with_points(low=None, high=None, threshold=None), reference=None)),
        replace(SHOWN, course=with_points(value=0.5, low=None, high=None, threshold=0.5)),
        replace(SHOWN, course=replace(COURSE, points=tuple(replace(p, start=START + (p.start - START) / 288) for p in COURSE.points))),
        replace(SHOWN, since=START - 90 * DAY),
        replace(SHOWN, since=START + 90 * DAY),
    ],
)
def test_whatever_there_is_to_show_is_shown(picture: Picture) -> None:
    assert paint(picture)[:4] == b"\x89PNG"


NASTY = "$\\frac{1}{0}$ $x_{ _^ 100% \\alpha {{ }} <b>&amp;</b> `x` *y* ~ # \\\\ $$"


@pytest.mark.filterwarnings("error")
def test_no_text_is_obeyed_and_every_letter_is_there_or_a_box() -> None:
    texts = (NASTY, "漢字 한글 עברית عربى ไทย", "👩‍👧 🏳️‍🌈 é e\u0301", "a\x00b\x1b[2J\r\nc\u2028d\x7f", "x" * 5000, "", " ", "\u202etxt")
    for text in texts:
        bars = replace(NAMED, column=text, sentence=text, ticks=tuple(replace(tick, text=text) for tick in NAMED.ticks))
        tall = replace(TALL, ticks=(Tick(at=1, text=text),))
        shown = Picture(incident="i", title=text, cause=text, window=text, since=START, columns=(bars, tall),
                        course=replace(COURSE, title=text))
        assert paint(shown)[:4] == b"\x89PNG"


def test_mathematics_is_drawn_as_it_is_written() -> None:
    """As wide as its letters: what matplotlib takes for mathematics has no dollar signs."""
    with plain_texts():
        sheet = Sheet(1.0)
        assert sheet.width_of("$x$", 12) == pytest.approx(sheet.width_of("$", 12) * 2 + sheet.width_of("x", 12), abs=0.03)


def test_a_letter_that_no_font_has_becomes_a_box() -> None:
    assert known("a→€") == "a→€"
    assert known("a\U000e0001b") == f"a{UNKNOWN}b"


def test_a_text_is_wrapped_and_cut_within_its_width() -> None:
    with plain_texts():
        sheet = Sheet(1.0)
        lines = sheet.wrapped("one two three " * 20, 10, 2.0, 3)
        assert len(lines) == 3
        assert all(sheet.width_of(line, 10) <= 2.0 for line in lines)
        assert lines[-1].endswith("…")
        assert sheet.wrapped("x" * 300, 10, 2.0, 2)[0] == "x" * len(sheet.wrapped("x" * 300, 10, 2.0, 2)[0])
        assert sheet.wrapped("short", 10, 2.0, 2) == ["short"]
        assert sheet.wrapped("", 10, 2.0, 2) == []


def sound(picture: Picture, named: bool) -> Picture:
    """As pictures are taken: sides of one length, a tick for each name, windows in order, something to see."""
    columns = []
    for bars in picture.columns or (TALL,):
        size = min(len(bars.reference), len(bars.now), len(bars.ticks)) if named else min(len(bars.reference), len(bars.now))
        if size:
            ticks = bars.ticks[:size] if named else bars.ticks
            columns.append(replace(bars, reference=bars.reference[:size], now=bars.now[:size], ticks=ticks, named=named))
    course = picture.course
    if course is not None:
        points = tuple({point.start: point for point in sorted(course.points, key=lambda point: point.start)}.values())
        course = replace(course, points=points) if len(points) > 1 else None
    return replace(picture, columns=tuple(columns) or (TALL,), course=course)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], phases=[Phase.explicit, Phase.generate])
@given(PICTURES, st.booleans())
def test_any_picture_whatsoever_is_painted(picture: Picture, named: bool) -> None:
    assert paint(sound(picture, named))[:4] == b"\x89PNG"


def test_an_interval_far_wider_than_all_values_does_not_flatten_the_course() -> None:
    wild = replace(COURSE, points=(replace(COURSE.points[0], low=-1e6, high=1e6), *COURSE.points[1:]))
    low, high = limits(wild)
    assert -1 < low < high < 2


# --- what may go wrong ---------------------------------------------------------------------------------------


@pytest.mark.fault(46)
def test_a_worker_that_dies_over_a_picture_may_do_better_next_time() -> None:
    with closing(WorkerPainter(Worker(Limits(seconds=0.05)))) as painter, pytest.raises(Retryable, match="not painted: no answer within"):
        painter.paint(SHOWN)


def test_a_picture_that_cannot_be_painted_is_given_up(tmp_path) -> None:
    (tmp_path / "matplotlib").mkdir()
    (tmp_path / "matplotlib" / "__init__.py").write_text("raise ModuleNotFoundError('no', name='matplotlib')")
    with a_worker(tmp_path) as worker, pytest.raises(Permanent, match="cannot be painted: matplotlib is not installed"):
        WorkerPainter(worker).paint(SHOWN)


def test_a_painter_that_was_stopped_lets_nobody_wait() -> None:
    painter = WorkerPainter()
    painter.stop()
    with pytest.raises(Retryable, match="being stopped"):
        painter.paint(SHOWN)
    painter.close()


def test_a_worker_has_no_settings_of_matplotlibs_from_a_folder_that_others_write_to(tmp_path) -> None:
    (tmp_path / "matplotlibrc").write_text("savefig.dpi: 10\nfont.size: 99\n")
    with a_worker(None, MPLCONFIGDIR=str(tmp_path)) as worker, closing(WorkerPainter()) as other:
        assert WorkerPainter(worker).paint(SHOWN) == other.paint(SHOWN)
