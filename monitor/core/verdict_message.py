"""What people and machines are told once it is known whether retraining helped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor.core.messages import cut, finite, model_url
from monitor.core.retraining import Helped, Retraining

if TYPE_CHECKING:  # the commands make messages too, and need no statistics for it
    from monitor.core.helped import Answer

RETRAINING_VERDICT = "retraining_verdict"
"""The kind of a message that says whether retraining helped; its body is a ``RetrainingVerdict``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainingVerdict:
    """Whether a new version does better than the one before it; ``helped`` is None where that could not be told in time.

    ``difference``: new minus old, in the metric's own unit, with its interval; None where nothing could be compared. ``estimated``:
    without labels. ``basis``: what the new version's ``windows`` were compared with.
    """

    retraining: str
    model: str
    version: str
    new_version: str
    helped: Helped | None
    sentence: str
    incident: str | None
    metric: str = ""
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    windows: int = 0
    estimated: bool = False
    basis: str = ""
    url: str | None = None


def retraining_verdict(retraining: Retraining, found: Answer, *, metric: str = "", page_url: str | None = None) -> RetrainingVerdict:
    """What is told of a request that has its verdict."""
    return RetrainingVerdict(
        retraining=retraining.id,
        model=cut(retraining.model),
        version=cut(retraining.version),
        new_version=cut(retraining.new_version or ""),
        helped=retraining.helped,
        sentence=cut(f"{retraining.model}: {retraining.verdict}"),
        incident=retraining.incident,
        metric=metric,
        difference=finite(found.difference),
        low=finite(found.low),
        high=finite(found.high),
        windows=found.windows,
        estimated=found.estimated,
        basis="" if found.basis is None else str(found.basis),
        url=model_url(page_url, retraining.model),
    )


def verdict_dedupe(receiver: str, retraining: Retraining) -> str:
    """What makes the verdict unique at one receiver: it is given once."""
    return f"{receiver}:{retraining.id}:verdict"
