"""Evidently's report of a window, made by the worker."""

from __future__ import annotations

from dataclasses import replace
from math import gcd

from monitor.core.drift.sampled import DRAWN_ROWS, MAX_CATEGORIES, Origin, SampledColumn, capped, samples_of
from monitor.core.evaluate import watched
from monitor.core.profile import Profile
from monitor.core.reference import Reference
from monitor.core.results import WindowKey
from monitor.core.rules import Model
from monitor.core.schema import rfc3339
from monitor.errors import Permanent
from monitor.reports import wire
from monitor.reports.process import Died, Worker
from monitor.reports.tester import why_not


class EvidentlyPages:
    """Makes pages by a worker of its own: judging never waits for it."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def page(self, key: WindowKey, profile: Profile, reference: Reference, rules: Model) -> str:
        """The page. Raises Permanent saying why there is none, Retryable once stopped."""
        try:
            return report_html(self._worker, key, profile, reference, rules)
        except Died as error:
            raise Permanent(str(error)) from None

    def stop(self) -> None:
        """Let nobody wait for a page any more."""
        self._worker.stop()

    def close(self) -> None:
        """End the worker, whoever waits for it."""
        self._worker.stop()
        self._worker.close()


GOLDEN = 0.618
"""Steps of this share of a length visit all of it evenly."""


def report_html(worker: Worker, key: WindowKey, profile: Profile, reference: Reference, rules: Model) -> str:
    """The page. Raises Died where the worker cannot make it."""
    samples = samples_of(watched(rules, reference), profile, reference)
    if not samples.window_rows:
        raise Died("the window keeps no sample of its rows (sample_rows)")
    drawn = samples.origin is Origin.DRAWN
    columns = [wire.column_of(capped(mixed(column) if drawn else column)) for column in samples.columns.values()]
    notes = [
        f"Current: a sample of {samples.window_rows:,} of the window's {profile.rows:,} rows. What Evidently says of it is no verdict of "
        "driftd's.",
        f"Reference: {_origin(samples.origin, samples.reference_rows, reference)}",
        f"Of a column's categories the {MAX_CATEGORIES} most frequent are shown; angle brackets in names and values are written ‹ and ›.",
    ]
    title = f"{key.model} version {key.version}, {rfc3339(key.start)} to {rfc3339(key.end)}"
    answer = worker.ask(wire.Render(title=title, notes=notes, columns=columns))
    if not isinstance(answer, wire.Page):
        raise Died(why_not(answer))
    return answer.html


def mixed(column: SampledColumn) -> SampledColumn:
    """With its reference's values evenly spread: drawn ones are in order, and Evidently plots them by row, where they would rise."""
    values = column.reference
    stride = next(step for step in range(round(GOLDEN * len(values)) or 1, len(values) + 2) if gcd(step, len(values) or 1) == 1)
    return replace(column, reference=tuple(values[at * stride % len(values)] for at in range(len(values))))


def _origin(origin: Origin, rows: int, reference: Reference) -> str:
    of = f"{reference.profile.rows:,} rows"
    if origin is Origin.ROWS:
        return f"a sample of {rows:,} of its {of}."
    return (f"{DRAWN_ROWS:,} values a column, drawn from the profile of its {of}, since it keeps none of them (reference.sample_rows). "
            "Nothing can be read off how columns go together.")
