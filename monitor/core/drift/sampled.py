"""Drift tests that need rows: the sample of a window beside the sample of its reference, and what is asked about them.

Nothing is computed here. The edges compute it where it may cost memory and time (``monitor.reports``), and come back with findings.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from monitor.core.finding import Finding
from monitor.core.profile import Profile
from monitor.core.profile.pseudo import OTHER_CATEGORIES, drawn_values
from monitor.core.profile.sample import WRONG_TYPE, Scalar
from monitor.core.reference import WINDOW_START, Reference
from monitor.core.results import Check, Verdict
from monitor.core.rules import DriftRules
from monitor.core.schema import Column, Kind

PREFIX = "evidently:"
_METHOD = re.compile(PREFIX + "[A-Za-z][A-Za-z0-9_]{0,63}")
DOMAIN_CLASSIFIER = "domain_classifier"
MAX_CATEGORIES = 100
"""Of a column, in both samples together; the rarer ones become "(other)": a thousand categories drift for any test by chance alone."""
DRAWN_ROWS = 5_000
"""Values drawn from a profile where the reference keeps no rows. With so many, Evidently's scores are within .0013 of those on rows."""


class Origin(StrEnum):
    """Where the reference's side comes from."""

    ROWS = "rows"
    DRAWN = "drawn from its profile, as it keeps no rows (reference.sample_rows)"


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledColumn:
    """A column of both samples: numbers, or capped categories; None where a row has no value of its kind.."""

    name: str
    kind: Kind
    reference: tuple[Scalar, ...]
    window: tuple[Scalar, ...]

    @property
    def numeric(self) -> bool:
        """Whether its values are numbers."""
        return self.kind is Kind.NUMERIC


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Both samples by column. ``starts``: the window of each row of the reference (epoch seconds), empty where it is not known."""

    columns: Mapping[str, SampledColumn]
    window_rows: int
    reference_rows: int
    origin: Origin
    starts: tuple[Scalar, ...] = ()


def is_sampled(method: str) -> bool:
    """Whether a drift test is one of Evidently's."""
    return method.startswith(PREFIX)


def is_well_named(method: str) -> bool:
    """Whether it has the form ``evidently:NAME``; whether Evidently knows the name is for Evidently to say."""
    return _METHOD.fullmatch(method) is not None


def needs_samples(rules: DriftRules) -> bool:
    """Whether anything is asked that rows are needed for."""
    return rules.domain_classifier or any(is_sampled(test.method) for test in rules.tests)


def samples_of(columns: Sequence[Column], profile: Profile, reference: Reference) -> Samples:
    """The samples of the columns that both know; a column that the reference's sample lacks is drawn from its profile."""
    kept = reference.sample
    known = [column for column in columns if column.name in reference.profile.columns and column.name in profile.columns]
    made = {column.name: _column(column, profile, reference) for column in known}
    if kept is None or not kept.rows:
        return Samples(columns=made, window_rows=len(profile.sample.rows), reference_rows=DRAWN_ROWS, origin=Origin.DRAWN)
    starts = kept.values(WINDOW_START) if WINDOW_START in kept.columns else ()
    return Samples(
        columns=made, window_rows=len(profile.sample.rows), reference_rows=len(kept.rows), origin=Origin.ROWS, starts=starts
    )


def _column(column: Column, profile: Profile, reference: Reference) -> SampledColumn:
    name, kept = column.name, reference.sample
    clean = _number if column.kind is Kind.NUMERIC else _category
    if kept is not None and kept.rows and name in kept.columns:
        there = tuple(map(clean, kept.values(name)))
    else:
        there = tuple(map(clean, drawn_values(reference.profile.columns[name], DRAWN_ROWS)))
    here = tuple(map(clean, profile.sample.values(name)))
    return SampledColumn(name=name, kind=column.kind, reference=there, window=here)


def _number(value: Scalar) -> Scalar:
    return value if isinstance(value, float) else None


def _category(value: Scalar) -> Scalar:
    return value if isinstance(value, str) and value != WRONG_TYPE else None


def capped(column: SampledColumn) -> SampledColumn:
    """With the ``MAX_CATEGORIES`` most frequent categories of the two samples together, ties by text; the rest is "(other)"."""
    counts = Counter(str(value) for value in (*column.reference, *column.window) if value is not None)
    if column.numeric or len(counts) <= MAX_CATEGORIES:
        return column
    most = frozenset(sorted(counts, key=lambda text: (-counts[text], text))[:MAX_CATEGORIES])
    return replace(column, reference=_renamed(column.reference, most), window=_renamed(column.window, most))


def _renamed(values: Iterable[Scalar], most: frozenset[str]) -> tuple[Scalar, ...]:
    return tuple(value if value is None or value in most else OTHER_CATEGORIES for value in values)


def unanswered(rules: DriftRules, answers: Sequence[Finding]) -> list[Finding]:
    """What was asked and has no answer: nobody here can run it. Silence is no health."""
    told = {answer.metric for answer in answers}
    asked = [test.method for test in rules.tests if is_sampled(test.method)] + [DOMAIN_CLASSIFIER] * rules.domain_classifier
    return [whole(method, Verdict.SKIPPED, f"{method} is not run here: it needs driftd's worker process") for method in
            sorted(set(asked) - told)]


def whole(metric: str, verdict: Verdict, reason: str) -> Finding:
    """An answer about all columns."""
    return Finding(check=Check.DRIFT, column=None, metric=metric, verdict=verdict, reason=reason)
