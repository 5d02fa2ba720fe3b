"""What a signature says when it is recognised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from monitor.core.cause.scene import Scene

APART = frozenset({"null_share", "non_finite_share", "wrong_type_share"})  # metrics of rows that are no values: told beside a signature
FIT = 0.5  # what stays unexplained is at most this share of the difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """``said``: what happened, without the column's name. ``evidence``: what tells so, in numbers.

    ``share``: the share of rows that it happened to; 0 where the signature only words an effect and does not make a column lead.
    ``partner``: another column that the same thing happened to. ``apart``: metrics that it does not explain.
    """

    said: str
    evidence: str
    share: float = 0.0
    partner: str = ""
    apart: frozenset[str] = field(default=APART)


Signature = Callable[[Scene], Sign | None]
"""Looks at a column that has a bad result. May raise ValueError or ArithmeticError for what cannot be compared: then it says nothing."""
