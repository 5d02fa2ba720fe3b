"""``driftd drill``: which faults would have been seen in the stored windows."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.opened import opened
from monitor.cli.output import Format, moment, printable, write
from monitor.cli.progress import bar
from monitor.core.drill import AtSize, FaultName, Line
from monitor.core.drill.outcome import HALF, NEARLY_ALL
from monitor.core.finding import percent
from monitor.core.rules import Model
from monitor.core.schema import rfc3339
from monitor.errors import UsageError

if TYPE_CHECKING:
    from monitor.pipeline.drilling import Asked, Drilled
    from monitor.ports import Store

WINDOWS = 60
"""The last so many windows, where nobody says how many."""
NEVER = "never"
NOTHING = "nothing to tell: none of these faults fits these columns, or no window could be judged"
COLUMNS = ["column", "fault", "seen in half", "in 95 %", "windows", "share by size", "opens in window"]


def command(
    config: Annotated[Path, typer.Argument(help="The configuration file whose store is looked at.")],
    model: Annotated[str | None, typer.Option(help="Only this model.")] = None,
    since: Annotated[datetime | None, typer.Option(parser=moment, help="Only windows that start then or later, e.g. 2013-01-31.")] = None,
    windows: Annotated[int, typer.Option(min=1, help="The last so many judged windows.")] = WINDOWS,
    form: Annotated[Format, typer.Option("--format", help="jsonl and csv have one line per column, fault and size.")] = Format.TABLE,
    column: Annotated[list[str] | None, typer.Option(help="Only this column, e.g. dep_delay; may be given several times.")] = None,
    fault: Annotated[list[FaultName] | None, typer.Option(help="Only this fault; may be given several times.")] = None,
) -> None:
    """Send stored windows through injected faults and say which would have been seen, from which size on. A fire drill for your limits.

    Every fault goes into the profiles of windows that were judged, one column at a time, and the same code judges them again. Nothing is
    written, nobody is told, and neither Kafka nor raw rows are needed.

    Would nulls in `dest` be seen, and from how many on?

    driftd drill config.yaml --column dest --fault nulls

    The line "dest  nulls  10 %  25 %" says: nulls in 10 % of the rows alert in half of the windows or more, in 25 % of them in 95 of 100
    windows. "never": not even the largest size does. "opens in window 2": an incident opens in the second window of such a fault
    (alerts.open_after counts). Below the table stand the faults that people would want seen and that would not be, and how many windows
    alert without any fault.
    """
    from monitor.log import configure

    configure(level="error")
    with opened(config, model) as store:
        from monitor.pipeline.drilling import Asked
        from monitor.settings import load_settings

        asked = Asked(windows=windows, since=since, columns=frozenset(column or ()), faults=frozenset(fault or ()))
        rules = [each for each in load_settings(config).models() if model in (None, each.name)]
        _write(_all(store, rules, asked), form)


def _all(store: Store, models: Sequence[Model], asked: Asked) -> list[Drilled]:
    """Of several models those that can be drilled; why one cannot is told on stderr. Raises UsageError where none can."""
    found, refused = [], []
    for model in models:
        try:
            found.append(_drilled(store, model, asked))
        except UsageError as error:
            refused.append(error)
    if not found:
        raise refused[0]
    for why in refused:
        sys.stderr.write(f"driftd: {why}\n")
    return found


def _drilled(store: Store, model: Model, asked: Asked) -> Drilled:
    from monitor.clock import SystemClock
    from monitor.pipeline.drilling import drill, windows_of

    with bar(f"drilling {model.name}", len(windows_of(store, model, asked))) as (progress, task):
        return drill(store, model, SystemClock(), asked, told=lambda: progress.advance(task))


# --- writing -------------------------------------------------------------------------------------------------


def _write(found: Sequence[Drilled], form: Format) -> None:
    if form is not Format.TABLE:
        write((row for drilled in found for row in _rows(drilled)), form, columns=[], empty="")
        return
    for drilled in found:
        _table(drilled)


def _rows(drilled: Drilled) -> Iterator[dict[str, object]]:
    for line in drilled.lines:
        for at in line.sizes:
            yield {
                "model": drilled.model.name, "column": line.column, "fault": str(line.fault.name), "size": at.size.text,
                "value": at.size.value, "windows": at.windows, "caught": at.caught, "share": round(at.share, 4) if at.windows else None,
                "left_out": at.left_out, "opens_in": at.opens_in,
            }  # fmt: skip


def _table(drilled: Drilled) -> None:
    out = sys.stdout.write
    first, last = rfc3339(drilled.first), rfc3339(drilled.last)
    many = "" if drilled.windows == 1 else "s"
    out(f"{printable(drilled.model.name)}: faults in {drilled.windows:,} window{many}, {first} to {last}\n")
    write(map(_row, drilled.lines), Format.TABLE, columns=COLUMNS, empty=NOTHING)
    for note in (*_notes(drilled), *_blind(drilled)):
        out(f"{printable(note)}\n")


def _row(line: Line) -> dict[str, object]:
    most = max(at.windows for at in line.sizes)
    return {
        "column": line.column, "fault": str(line.fault.name), "seen in half": _seen(line, HALF), "in 95 %": _seen(line, NEARLY_ALL),
        "windows": most, "share by size": ", ".join(map(_share, line.sizes)), "opens in window": _opens(line),
    }  # fmt: skip


def _seen(line: Line, share: float) -> str:
    if not any(at.windows for at in line.sizes):
        return "untold"
    if line.fault.ordered:
        found = line.smallest(share)
        return NEVER if found is None else found.size.text
    return ", ".join(at.size.text for at in line.sizes if at.windows and at.share >= share) or NEVER


def _share(at: AtSize) -> str:
    return f"{at.size.text}: {percent(at.share) if at.windows else 'untold'}"


def _opens(line: Line) -> str:
    """Of the smallest size that is seen in half of the windows; of faults without an order, the slowest of those that are."""
    smallest = line.smallest(HALF) if line.fault.ordered else None
    told = [smallest] if smallest else [] if line.fault.ordered else [at for at in line.sizes if at.windows and at.share >= HALF]
    opens = [at.opens_in for at in told]
    return "–" if not opens else NEVER if None in opens else str(max(o for o in opens if o is not None))


def _notes(drilled: Drilled) -> Iterable[str]:
    yield (f"without any fault: {drilled.alerting:,} of {drilled.windows:,} windows alert, {len(drilled.incidents):,} "
           f"incident{'' if len(drilled.incidents) == 1 else 's'}")
    left_out = {line.column: max(at.left_out for at in line.sizes) for line in drilled.lines}
    noisy = [f"{column} {count}" for column, count in left_out.items() if count]
    if noisy:
        yield f"left out, for the column alerts there by itself (windows): {', '.join(noisy)}"
    if any(":" in test.method for test in drilled.model.drift.tests) or drilled.model.drift.domain_classifier:
        yield "left out: evidently's tests and the domain classifier, which ask rows in a process of their own"
    if drilled.model.drift.severity == "evidence":
        yield "drift.severity is evidence: drift that is seen only warns where performance is known and has not dropped"


def _blind(drilled: Drilled) -> Iterable[str]:
    spots = drilled.blind_spots
    yield "blind spots:" if spots else "blind spots: none of the faults that people would want seen"
    yield from (f"  {spot}" for spot in spots)
