"""The picture of an incident as plain data: a few columns beside their reference, and how the leading metric came along."""

from monitor.core.picture.bars import column_bars
from monitor.core.picture.course import COURSE_WINDOWS, course_of, leading, within
from monitor.core.picture.picture import Bars, Course, Picture, Point, Tick
from monitor.core.picture.taken import MOST_BYTES, MOST_COLUMNS, fitting, taken

__all__ = [
    "COURSE_WINDOWS", "MOST_BYTES", "MOST_COLUMNS", "Bars", "Course", "Picture", "Point", "Tick", "column_bars", "course_of", "fitting",
    "leading", "taken", "within",
]
