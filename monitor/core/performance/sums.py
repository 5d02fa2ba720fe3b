"""Exact sums of floats: whole numbers of a power of two, which add up to the same bits in every order.

A tally is merged from checkpoints, replicas and windows in whatever order they come, and its bytes are compared. A float is a whole
number of 53 bits times a power of two, so floats are added exactly within each power, and those few totals as Python integers.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from monitor.core.profile.canonical import Fields
from monitor.core.profile.moments import to_float
from monitor.core.schema import Floats
from monitor.errors import DecodeError

MANTISSA = 53  # bits of a float64
HALF = 27  # its lower bits; sums of halves are exact in float64 for 2^26 rows
CHUNK = 1 << 26
SPLITTER = 2.0**HALF + 1  # Dekker's, 1971
LOWEST, HIGHEST = -2300, 2300  # exponents that a sum of products of finite floats can have


@dataclass(frozen=True, slots=True)
class Exact:
    """``units * 2**exponent``; ``units`` is odd, or both are 0, so that one sum has one form."""

    units: int = 0
    exponent: int = 0

    @staticmethod
    def of(values: Floats) -> Exact:
        """The sum of finite values, shape (n,)."""
        total = Exact()
        for at in range(0, len(values), CHUNK):
            total += _chunk(values[at : at + CHUNK])
        return total

    @staticmethod
    def of_squares(values: Floats) -> Exact:
        """The sum of ``value**2`` without rounding (Dekker's product); values up to 1e150."""
        squares = values * values
        scaled = SPLITTER * values
        high = scaled - (scaled - values)
        low = values - high
        return Exact.of(squares) + Exact.of(low * low - ((squares - high * high) - 2 * high * low))

    @property
    def fraction(self) -> Fraction:
        """The sum itself."""
        return Fraction(self.units) * Fraction(2) ** self.exponent

    def mean(self, n: int) -> float:
        """The mean of ``n`` values, correctly rounded; ``n`` is at least 1."""
        return to_float(self.fraction / n)

    def __add__(self, other: Exact) -> Exact:
        low = min(self.exponent, other.exponent)
        return _odd((self.units << (self.exponent - low)) + (other.units << (other.exponent - low)), low)

    def document(self) -> list[object]:
        """As plain JSON values: the units as hexadecimal text, for no JSON number holds them."""
        return [format(self.units, "x"), self.exponent]


def _odd(units: int, exponent: int) -> Exact:
    if not units:
        return Exact()
    zeros = (units & -units).bit_length() - 1
    return Exact(units >> zeros, exponent + zeros)


def _chunk(values: Floats) -> Exact:
    values = values[values != 0]
    if not len(values):
        return Exact()
    mantissas, exponents = np.frexp(values)
    wholes = np.ldexp(mantissas, MANTISSA).astype(np.int64)
    low = int(exponents.min())
    at = exponents - low
    highs = np.bincount(at, weights=(wholes >> HALF).astype(np.float64))
    rests = np.bincount(at, weights=(wholes & ((1 << HALF) - 1)).astype(np.float64))
    units = sum(((int(high) << HALF) + int(rest)) << i for i, (high, rest) in enumerate(zip(highs, rests, strict=True)) if high or rest)
    return _odd(units, low - MANTISSA)


def sums_document(sums: dict[str, Exact]) -> dict[str, object]:
    """As plain JSON values."""
    return {name: sum_.document() for name, sum_ in sums.items()}


def sums_of(fields: Fields, names: tuple[str, ...]) -> dict[str, Exact]:
    """The sums of a document. Raises DecodeError."""
    return {name: exact_of(fields.raw().get(name), name) for name in names}


def exact_of(found: object, name: str) -> Exact:
    """A sum as it was written. Raises DecodeError."""
    match found:
        case [str() as text, int() as exponent] if LOWEST <= exponent <= HIGHEST:
            try:
                return _odd(int(text, 16), exponent)
            except ValueError as error:
                raise DecodeError(f"tally: the sum {name} is none: {error}") from error
        case _:
            raise DecodeError(f"tally: the sum {name} is none")


def merged(one: dict[str, Exact], other: dict[str, Exact]) -> dict[str, Exact]:
    """Both together; they have the same names."""
    return {name: sum_ + other[name] for name, sum_ in one.items()}
