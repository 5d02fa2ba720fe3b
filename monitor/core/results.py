"""Windows, their row accounts, and the results of checks: the words of the contract as types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

ALL_ROWS = "*"

OTHER_VERSIONS = "(other)"
"""The version under which a window counts the rows of versions beyond the model's ``max_versions``."""


WORST_SLICE = "worst_slice("
"""How the metrics of performance begin whose reason names the worst slice of a window."""


class Check(StrEnum):
    """The families of rules applied to a closed window."""

    DRIFT = "drift"
    QUALITY = "quality"
    PERFORMANCE = "performance"
    VOLUME = "volume"


class Verdict(StrEnum):
    """What a check says; ``insufficient`` is never ``ok``."""

    OK = "ok"
    WARN = "warn"
    ALERT = "alert"
    INSUFFICIENT = "insufficient"
    SKIPPED = "skipped"
    ERROR = "error"


DECIDED = frozenset({Verdict.OK, Verdict.WARN, Verdict.ALERT})
"""Verdicts that are evidence; the others say that nothing could be said."""

BAD = (Verdict.ALERT, Verdict.WARN, Verdict.ERROR)
"""Verdicts that somebody should look at."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class WindowKey:
    """A tumbling event-time interval ``[start, end)`` of one segment of one model version; aware UTC datetimes."""

    model: str
    version: str
    segment: str = ALL_ROWS
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Where every received message went: ``received = counted + late + duplicate + quarantined + sampled_out``."""

    counted: int = 0
    late: int = 0
    duplicate: int = 0
    quarantined: int = 0
    sampled_out: int = 0

    @property
    def received(self) -> int:
        """The sum of the parts, by definition."""
        return self.counted + self.late + self.duplicate + self.quarantined + self.sampled_out

    def __add__(self, other: Account) -> Account:
        return Account(
            counted=self.counted + other.counted,
            late=self.late + other.late,
            duplicate=self.duplicate + other.duplicate,
            quarantined=self.quarantined + other.quarantined,
            sampled_out=self.sampled_out + other.sampled_out,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One check's answer for one window. ``column`` is None for whole-model results; ``reference`` names its hash.

    Of performance alone: ``ci_low`` and ``ci_high``, the interval of ``value``; ``labelled``, rows with a label; whether it is
    ``estimated`` without labels; and ``reference_value``, what the reference had, from which ``threshold`` lies as far as is allowed.
    """

    model: str
    version: str
    segment: str
    window_start: datetime
    window_end: datetime
    check: Check
    column: str | None
    metric: str
    value: float | None
    threshold: float | None
    p_value: float | None
    verdict: Verdict
    reason: str
    rows: int
    revision: int = 0
    reference: str | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    labelled: int | None = None
    estimated: bool | None = None
    reference_value: float | None = None


Identity = tuple[datetime, str, str, str, Check, str, str]
"""Window start, model, version, segment, check, column ("" for the whole model) and metric."""


def identity(result: Result) -> Identity:
    """What names a result but for its revision; also the order of results."""
    return result.window_start, result.model, result.version, result.segment, result.check, result.column or "", result.metric


def only_told(result: Result) -> bool:
    """Whether it is no verdict on the model: that some slice is the worst says neither that it is ill nor that it is well."""
    return result.check is Check.PERFORMANCE and result.metric.startswith(WORST_SLICE)


def latest(results: Iterable[Result]) -> Mapping[Identity, Result]:
    """The last revision of each."""
    found: dict[Identity, Result] = {}
    for result in results:
        known = found.get(identity(result))
        if known is None or known.revision <= result.revision:
            found[identity(result)] = result
    return found
