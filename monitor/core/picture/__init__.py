"""The picture of an incident as plain data: a few columns beside their reference, and how the leading metric came along.

What takes one is in ``taken`` and brings the statistics with it; whoever paints or sends one needs none of that.
"""

from monitor.core.picture.picture import Bars, Course, Picture, Point, Tick

__all__ = ["Bars", "Course", "Picture", "Point", "Tick"]
