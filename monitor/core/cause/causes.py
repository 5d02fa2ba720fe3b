"""Causes: what people are told of a window."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnCause:
    """One column's part in it: its worst result, and a sentence for people.

    ``effect``: the share of rows concerned, within [0, 1] (see ``effect``). ``importance``: the column's weight, usually 1; columns
    rank by the product. ``signature``: the name of what was recognised, empty where nothing was, with its ``evidence`` in words.
    """

    name: str
    metric: str
    value: float | None
    threshold: float | None
    effect: float
    sentence: str
    importance: float = 1.0
    signature: str = ""
    evidence: str = ""

    @property
    def score(self) -> float:
        """What columns are ranked by."""
        return self.effect * self.importance


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """``headline`` is one line, empty where nothing is bad. ``columns``: features first, then by score. ``only``: the one
    version or segment that it is in, where others are well; empty where it is everywhere or nobody can tell. ``performance``: what is
    known of it in one sentence, that of no drop too; empty where it is not judged. ``sure``: how sure it is, in words."""

    headline: str
    columns: tuple[ColumnCause, ...] = ()
    only: str = ""
    performance: str = ""
    sure: str = ""

    @property
    def evidence(self) -> str:
        """What the leading column's signature was recognised by, with its name; empty where nothing was."""
        first = self.columns[0] if self.columns else None
        return f"{first.name}: {first.evidence}" if first is not None and first.evidence else ""
