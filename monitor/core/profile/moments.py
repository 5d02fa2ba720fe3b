"""Exact moments: the sums of ``q = rint((x - center) / unit)`` and of ``q * q`` as Python integers.

Integers add up to the same bits in every order, so a window's mean does not depend on batches, checkpoints or merges. ``unit``
is a power of two, 2^-36 of the reference's scale: a value is off by at most 2^-37 scales (7e-12) and so is the mean; whole
numbers are not off at all. The sums are taken in float64 over limbs of 20 bits: each partial sum of at most 8192 products of
40 bits is a whole number below 2^53, hence exact whatever the order of the additions. What lies beyond 2^53 units is summed by Python.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations_with_replacement
from math import inf, isfinite, isqrt

import numpy as np

from monitor.core.schema import Floats

LIMB_BITS = 20
LIMB = 2.0**LIMB_BITS
MAX_LIMBS = 3
LIMIT = 2.0**53  # units up to which a float difference is within half a unit
CHUNK = 8192  # rows: 2^13 products of 2^40 make 2^53

_ROOT_BITS = 128  # bits of a quotient before its whole root is taken: 64 bits of root


def moments(ordered: Floats, center: float, unit: float) -> tuple[int, int]:
    """The sum of ``q`` and of ``q * q`` over finite values in ascending order."""
    with np.errstate(over="ignore"):
        units = np.rint((ordered - center) / unit)
    start, stop = 0, len(units)
    if stop and not (units[0] >= -LIMIT and units[-1] <= LIMIT):
        start, stop = int(units.searchsorted(-LIMIT)), int(units.searchsorted(LIMIT, side="right"))
    total = squares = 0
    for at in range(start, stop, CHUNK):
        first, second = _chunk(units[at : min(at + CHUNK, stop)])
        total, squares = total + first, squares + second
    if start or stop < len(units):
        outliers = [*ordered[:start].tolist(), *ordered[stop:].tolist()]
        middle, step = Fraction(center), Fraction(unit)
        shift = round(-middle / step)
        wholes = [_whole(value, middle, step, shift) for value in outliers]
        total, squares = total + sum(wholes), squares + sum(whole * whole for whole in wholes)
    return total, squares


def _chunk(units: Floats) -> tuple[int, int]:
    limbs = _limbs(units)
    total = sum(int(limb.sum()) << (LIMB_BITS * i) for i, limb in enumerate(limbs))
    squares = 0
    for i, j in combinations_with_replacement(range(len(limbs)), 2):
        product = int(np.dot(limbs[i], limbs[j])) << (LIMB_BITS * (i + j))
        squares += product if i == j else 2 * product
    return total, squares


def _limbs(units: Floats) -> list[Floats]:
    """Whole numbers as limbs of 20 bits, lowest first; only the highest may be negative. Ascending order in, so ends tell the size."""
    size = max(-float(units[0]), float(units[-1]))
    limbs: list[Floats] = []
    while size > LIMB and len(limbs) < MAX_LIMBS - 1:
        high = np.floor(units / LIMB)
        limbs.append(units - high * LIMB)
        units, size = high, size / LIMB
    return [*limbs, units]


def _whole(value: float, center: Fraction, unit: Fraction, shift: int) -> int:
    """``q`` of one value, exact. A value of so many units is itself an even number of them, which rounding cannot tell apart."""
    ratio = value / float(unit)
    if isfinite(ratio) and abs(ratio) >= 2 * LIMIT:
        return int(ratio) + shift
    return round((Fraction(value) - center) / unit)


def to_float(value: Fraction) -> float:
    """The nearest float, infinite where it is too large for one."""
    try:
        return float(value)
    except OverflowError:
        return inf if value > 0 else -inf


def mean(n: int, total: int, center: float, unit: float) -> float:
    """The mean, correctly rounded; ``n`` is at least 1."""
    return to_float(Fraction(center) + Fraction(unit) * Fraction(total, n))


def are_moments(n: int, total: int, squares: int) -> bool:
    """Whether ``n`` whole numbers can have this sum and this sum of squares (Cauchy and Schwarz); those of none are 0."""
    return n * squares >= total * total if n else total == squares == 0


def variance(n: int, total: int, squares: int) -> Fraction:
    """The sample variance (n - 1) in square units, exact; ``n`` is at least 2."""
    return Fraction(n * squares - total * total, n * (n - 1))


def root(value: Fraction) -> Fraction:
    """The square root of a number from 0, to 64 bits."""
    shift = max(0, _ROOT_BITS - value.numerator.bit_length() + value.denominator.bit_length())
    shift += shift % 2
    return Fraction(isqrt((value.numerator << shift) // value.denominator), 1 << (shift // 2))
