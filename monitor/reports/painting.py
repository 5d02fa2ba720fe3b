"""Paints the picture of an incident as a PNG. Runs in the worker only.

The reference is grey, the window is blue, what is bad is vermilion; each is told by its form, too.
"""

from __future__ import annotations

from matplotlib.patches import Rectangle

from monitor.core.picture import Bars, Course, Picture
from monitor.reports.charts import draw_bars, draw_course, key_of
from monitor.reports.sheet import BAD, FAINT, NOW, REFERENCE_FILL, REFERENCE_LINE, WIDTH, Sheet, plain_texts

EDGE = 0.3
"""Inches of white around."""
GAP = 0.45
"""Inches between two charts beside each other."""
TITLE, CAUSE, SMALL = 12.5, 10.0, 8.5
"""Sizes of letters, in points."""
HEAD, NARROW_HEAD = 0.46, 0.6
"""Inches above a chart, for its name and its sentence, which takes two lines where three stand beside each other."""
HALF = 1.75
"""Inches of a chart, without its head and its feet."""
FEET = 0.28
"""Inches below it, for the labels of its axis."""
BETWEEN = 0.12
"""Inches between two rows."""


def paint(picture: Picture) -> bytes:
    """The PNG, 1,200 pixels wide."""
    with plain_texts():
        rows = _rows(picture)
        start = _header(Sheet(1.0), picture)
        height = start + sum(_head_of(row) + HALF + FEET + BETWEEN for row in rows) - BETWEEN + EDGE / 2
        sheet = Sheet(height)
        top = _header(sheet, picture)
        for row in rows:
            _row(sheet, row, top + _head_of(row), picture)
            top += _head_of(row) + HALF + FEET + BETWEEN
        return sheet.png()


def _head_of(row: list[Bars | Course]) -> float:
    return NARROW_HEAD if len(row) > 2 else HEAD


def _rows(picture: Picture) -> list[list[Bars | Course]]:
    """What stands beside what: never more than three."""
    columns: list[Bars | Course] = list(picture.columns)
    course: list[Bars | Course] = [] if picture.course is None else [picture.course]
    if len(columns) <= 1:
        return [columns + course]
    rows = [columns] if len(columns) <= 3 else [columns[:2], columns[2:]]
    return [row for row in [*rows, course] if row]


def _header(sheet: Sheet, picture: Picture) -> float:
    """Title, cause, which window, and what the colours are; where the charts begin."""
    width = WIDTH - 2 * EDGE
    top = sheet.block(EDGE, EDGE * 0.8, picture.title, TITLE, width=width, lines=2, bold=True)
    top = sheet.block(EDGE, top + 0.03, picture.cause, CAUSE, width=width, lines=2, colour=FAINT) if picture.cause else top
    top += 0.08
    if picture.columns:
        _legend(sheet, picture, top, width)
        top += 0.26
    return top


def _legend(sheet: Sheet, picture: Picture, top: float, width: float) -> None:
    left = EDGE
    more = picture.more_columns
    said = (f"now: {picture.window}", f"and {more} more {'column' if more == 1 else 'columns'}" if more else "")
    for fill, line, text in ((REFERENCE_FILL, REFERENCE_LINE, "reference"), (NOW, NOW, said[0])):
        patch = sheet.axes(left, top + 0.015, 0.16, 0.115)
        patch.add_patch(Rectangle((0, 0), 1, 1, facecolor=fill, edgecolor=line, linewidth=1.2))
        text = sheet.cut(text, SMALL, width - left - 1.2)
        sheet.text(left + 0.23, top, text, SMALL, colour=FAINT)
        left += 0.23 + sheet.width_of(text, SMALL) + 0.3
    sheet.text(EDGE + width, top, said[1], SMALL, colour=FAINT, align="right")


def _row(sheet: Sheet, row: list[Bars | Course], top: float, picture: Picture) -> None:
    """Charts of one width, but a course beside a column is wider."""
    free = WIDTH - 2 * EDGE - GAP * (len(row) - 1)
    mixed = len(row) == 2 and isinstance(row[0], Bars) and isinstance(row[1], Course)
    shares = (0.45, 0.55) if mixed else (1 / len(row),) * len(row)
    left = EDGE
    for chart, share in zip(row, shares, strict=True):
        width = free * share
        _head(sheet, chart, left, top - _head_of(row), width, lines=2 if len(row) > 2 else 1)
        if isinstance(chart, Bars):
            draw_bars(sheet, chart, left, top, width, HALF)
        else:
            draw_course(sheet, chart, left, top, width, HALF, picture.since)
        left += width + GAP


def _head(sheet: Sheet, chart: Bars | Course, left: float, top: float, width: float, lines: int) -> None:
    if isinstance(chart, Bars):
        name, said, colour = chart.column, chart.sentence, BAD
    else:
        name, said, colour = chart.title, key_of(chart), FAINT
    sheet.text(left, top, sheet.cut(name, CAUSE, width, bold=True), CAUSE, bold=True)
    sheet.block(left, top + 0.18, said, SMALL, width=width, lines=lines, colour=colour)
