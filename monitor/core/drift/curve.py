"""The cumulative curve of a binned column."""

from __future__ import annotations

import numpy as np

from monitor.core.drift.base import Side
from monitor.core.schema import Floats

Curve = tuple[Floats, Floats]
"""Ascending places, and heights from 0 to 1 there, both of shape (k,)."""


def curve_of(side: Side) -> Curve:
    """The cumulative curve of binned counts, rows spread evenly within a bin, ends at the exact minimum and maximum.

    Raises ValueError for a side without edges or values.
    """
    if side.edges is None or side.n == 0:
        raise ValueError("a curve needs edges and values")
    end = float(np.nextafter(side.high, np.inf))
    inside = (side.edges > side.low) & (side.edges < end)
    places = np.concatenate([[side.low], side.edges[inside], [end]])
    heights = np.concatenate([[0.0], (np.cumsum(side.counts)[:-1] / side.n)[inside], [1.0]])
    return places, heights
