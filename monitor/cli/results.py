"""``driftd results``: what the checks said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.opened import opened
from monitor.cli.output import Format, moment, write
from monitor.contract import result_object
from monitor.core.decay import evidence_in_short, value_with_interval
from monitor.core.results import Check, Result, Verdict, latest


def command(
    config: Annotated[Path, typer.Argument(help="The configuration file.")],
    model: Annotated[str | None, typer.Option(help="Only this model.")] = None,
    check: Annotated[Check | None, typer.Option(help="Only this check.")] = None,
    column: Annotated[str | None, typer.Option(help="Only this column, e.g. dep_delay.")] = None,
    verdict: Annotated[
        list[Verdict] | None, typer.Option(help="Only this verdict; may be given several times: --verdict warn --verdict alert.")
    ] = None,
    segment: Annotated[str | None, typer.Option(help="Only this segment, e.g. origin=JFK; * for all rows.")] = None,
    since: Annotated[datetime | None, typer.Option(parser=moment, help="Only windows that start then or later, e.g. 2013-01-31.")] = None,
    last: Annotated[
        bool, typer.Option("--latest", help="Only the last revision of each result, e.g. no estimate that labels have taken the place of.")
    ] = False,
    form: Annotated[Format, typer.Option("--format", help="How to write them.")] = Format.TABLE,
) -> None:
    """List the results of judged windows: every revision, oldest first.

    A result of performance is first estimated (revision 0), then realised as labels come (1, 2 …).
    The table shows its interval and what it rests on: "0.80 [0.78, 0.82], estimated", then "0.79 [0.77, 0.81], 63 % labelled".

    What alerts now: driftd results CONFIG --latest --verdict alert
    """
    asked = Asked(verdicts=tuple(verdict or ()), column=column, latest=last)
    with opened(config, model) as store:
        found = asked.of(store.results(model=model, check=check, segment=segment, since=since))
    filtered = any((model, check, segment, since, column, verdict))
    write(map(_table_row if form is Format.TABLE else result_object, found), form, columns=_columns(found),
          empty="no results match" if filtered else
          "no results yet: a window is judged when event time has passed its end and the allowed lateness")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which of the results; no verdicts: all of them."""

    verdicts: tuple[Verdict, ...]
    column: str | None
    latest: bool

    def of(self, results: Sequence[Result]) -> list[Result]:
        """The last revisions first: a verdict that was taken back is none that stands."""
        found = list(latest(results).values()) if self.latest else results
        return [result for result in found if self._matches(result)]

    def _matches(self, result: Result) -> bool:
        of_column = self.column is None or result.column == self.column
        return of_column and (not self.verdicts or result.verdict in self.verdicts)


def _columns(found: Sequence[Result]) -> list[str]:
    """Those of the table; revisions only where there are some."""
    revision = ["revision"] if any(result.revision for result in found) else []
    key = ["window_start", "model", "version", "segment", "check", "column", "metric"]
    return [*key, *revision, "value", "threshold", "verdict", "reason"]


def _table_row(result: Result) -> dict[str, object]:
    """As in the contract, but for a value of performance: its interval and what it rests on stand beside it."""
    row = result_object(result)
    if result.check is Check.PERFORMANCE and result.value is not None:
        row["value"] = f"{value_with_interval(result)}, {evidence_in_short(result)}"
    return row
