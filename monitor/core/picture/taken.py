"""Takes the picture of a window in which people are told of an incident."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import msgspec

from monitor.core.cause import Cause, ColumnCause
from monitor.core.cause.scene import scene_of
from monitor.core.evaluate import Subject
from monitor.core.incidents import Incident
from monitor.core.messages import moment
from monitor.core.picture.bars import column_bars
from monitor.core.picture.course import course_of
from monitor.core.picture.picture import Bars, Picture
from monitor.core.picture.text import line
from monitor.core.results import ALL_ROWS, Result, Verdict

MOST_COLUMNS = 4
MOST_BYTES = 6_000
"""Of a picture as JSON in the outbox."""
LONGEST = {"title": 200, "cause": 300, "column": 40, "sentence": 90}
"""Characters of texts that come from logs."""


def taken(
    incident: Incident, sentence: str, cause: Cause, subjects: Sequence[Subject], results: Sequence[Result], lead: Result | None = None,
    history: Iterable[Result] = (),
) -> Picture | None:
    """The picture; None where nothing can be drawn. ``results``: of the window; ``lead``: of them the one whose course is shown;
    ``history``: results of the windows before it, too."""
    subject = _shown(subjects, results, cause)
    course = None if lead is None else course_of(lead, [*history, *results])
    drawn = [] if subject is None else [bars for column in cause.columns if (bars := _bars(column, subject))]
    if subject is None or (course is None and not drawn):
        return None
    key = subject.key
    where = f"{moment(key.start)} to {moment(key.end)}" + ("" if key.segment == ALL_ROWS else f", {key.segment}")
    return fitting(Picture(
        incident=incident.id,
        title=line(sentence, LONGEST["title"]),
        cause=line(cause.headline, LONGEST["cause"]),
        window=line(where, LONGEST["title"]),
        since=incident.since,
        columns=tuple(drawn[:MOST_COLUMNS]),
        more_columns=len(cause.columns) - min(len(drawn), MOST_COLUMNS),
        course=course,
    ))


def fitting(picture: Picture, most: int = MOST_BYTES) -> Picture:
    """Within so many bytes: the oldest windows go first, then the last columns. Texts are cut already, so that the rest is smaller."""
    while _size(picture) > most:
        if picture.course is not None and len(picture.course.points) > 20:
            picture = replace(picture, course=replace(picture.course, points=picture.course.points[5:]))
        elif picture.columns and (len(picture.columns) > 1 or picture.course is not None):
            picture = replace(picture, columns=picture.columns[:-1], more_columns=picture.more_columns + 1)
        else:
            return picture
    return picture


def _size(picture: Picture) -> int:
    return len(msgspec.json.encode(picture))


def _shown(subjects: Sequence[Subject], results: Sequence[Result], cause: Cause) -> Subject | None:
    """The version or segment that is ill: the one whose first column is; all rows before segments, most rows first."""
    names = {column.name for column in cause.columns[:1]}
    ill = {(r.version, r.segment) for r in results if r.verdict is Verdict.ALERT and (r.column in names or not names)}
    able = [subject for subject in subjects if subject.profile is not None and subject.compared_with is not None]
    return max(able or subjects, default=None, key=lambda s: (
        (s.key.version, s.key.segment) in ill, s.key.segment == ALL_ROWS, s.account.counted, s.key.version,
    ))


def _bars(column: ColumnCause, subject: Subject) -> Bars | None:
    scene = scene_of(column.name, subject)
    if scene is None:
        return None
    told = column.sentence.removeprefix(f"{column.name}: ")
    bars = column_bars(scene, line(told, LONGEST["sentence"]))
    return None if bars is None else replace(bars, column=line(column.name, LONGEST["column"]))
