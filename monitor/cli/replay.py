"""``driftd replay``: what other rules would have said of the stored windows."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.opened import opened
from monitor.cli.output import ListFormat, json_line, moment, printable, write
from monitor.cli.progress import bar
from monitor.core.incidents import Incident
from monitor.core.replay import Change, Side, as_known, changes, incidents, sides
from monitor.core.rules import Model
from monitor.core.schema import rfc3339
from monitor.errors import UsageError
from monitor.ports import SampleTester, Store

if TYPE_CHECKING:
    from monitor.reports import EvidentlyTester
    from monitor.settings import Settings

SHOWN = 50
"""Verdicts that differ in the table; jsonl has them all."""
IDENTITY = ("model", "version", "segment", "window_start", "window_end", "check", "column", "metric")
ANSWER = ("value", "threshold", "reason")
"""What is told of a result, under its contract's names: what it is about, and what the new side says where it says something."""
COLUMNS = ["window_start", "version", "segment", "check", "column", "metric", "before", "after", "reason"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What new rules change for one model. ``retrainings``: how often retraining is asked for, before and after."""

    model: str
    windows: int
    changes: Sequence[Change]
    incidents: Sequence[tuple[Side, Incident]]
    retrainings: tuple[int, int]


def command(
    config: Annotated[Path, typer.Argument(help="The configuration file whose store is looked at.")],
    rules: Annotated[Path, typer.Option(help="A configuration with other rules; models are matched by name.")],
    model: Annotated[str | None, typer.Option(help="Only this model.")] = None,
    since: Annotated[datetime | None, typer.Option(parser=moment, help="Only windows that start then or later, e.g. 2013-01-31.")] = None,
    form: Annotated[ListFormat, typer.Option("--format", help="How to write it: jsonl has one object per difference.")] = ListFormat.TABLE,
) -> None:
    """Judge stored windows again by other rules and say which verdicts and incidents would differ. Writes nothing, and needs no Kafka.

    Both sides begin with no incident open, and what people acknowledged or resolved is left out on both. Windows are compared with
    the references that are active now. Performance is judged again from the counts of labelled rows, as if labels had been there at once;
    estimates stand as they were, for predictions are not kept.
    """
    from monitor.log import configure

    configure(level="error")
    with opened(config, model) as store:
        from monitor.settings import load_settings

        old, new = load_settings(config), load_settings(rules)
        with closing(_tester(new)) as tester:
            for before, after in _pairs(config, rules, old, new, model):
                found = _difference(store, before, after, since, tester)
                (_lines if form is ListFormat.JSONL else _table)(found)


def _tester(settings: Settings) -> EvidentlyTester:
    """What answers tests of row samples, by a process that is not started before one is asked for."""
    from monitor.clock import SystemClock
    from monitor.reports import EvidentlyTester, worker_of

    return EvidentlyTester(worker_of(settings), monotonic=SystemClock().monotonic)


def _pairs(config: Path, rules: Path, before: Settings, after: Settings, model: str | None) -> list[tuple[Model, Model]]:
    """The models that both files have. Raises UsageError where there is none."""
    old, new = ({each.name: each for each in settings.models()} for settings in (before, after))
    names = [name for name in old if name in new and model in (None, name)]
    if not names:
        wanted = f"model {model!r}" if model else f"any model of {config}"
        raise UsageError(f"{rules} does not have {wanted}; it has {sorted(new)}")
    return [(old[name], new[name]) for name in names]


def _difference(store: Store, before: Model, after: Model, since: datetime | None, tester: SampleTester) -> Difference:
    from monitor.clock import SystemClock
    from monitor.pipeline.replay import recount, rejudge

    stored = list(store.results(model=before.name, since=since))
    with bar(f"judging {before.name}", len({result.window_start for result in stored}) or None) as (progress, task):
        judged = rejudge(store, after, SystemClock(), since=since, told=lambda _until: progress.advance(task), tester=tester)
    again = [result for judgement in judged for result in judgement.results]
    results = as_known(stored, again, recount(store, after, SystemClock(), since=since), after)
    asked = [r for r in store.retrainings(model=before.name) if since is None or r.requested_at >= since]
    return Difference(
        model=before.name,
        windows=len({result.window_start for result in results}),
        changes=changes(stored, results),
        incidents=sides(incidents(stored, before.alerts), incidents(results, after.alerts)),
        retrainings=(len(asked), sum(judgement.retraining is not None for judgement in judged)),
    )


# --- writing -------------------------------------------------------------------------------------------------


def _lines(found: Difference) -> None:
    for change in found.changes:
        sys.stdout.write(json_line({"kind": "verdict", **_change(change)}))
    for side, incident in found.incidents:
        sys.stdout.write(json_line({"kind": "incident", **_incident(side, incident)}))


def _change(change: Change) -> dict[str, object]:
    from monitor.contract import result_object

    (before, after), said = change.verdicts, result_object(change.result)
    return {name: said[name] for name in IDENTITY} | {"before": before, "after": after} | {name: said[name] for name in ANSWER}


def _incident(side: Side, incident: Incident) -> dict[str, object]:
    return {
        "model": incident.model,
        "under": str(side),
        "id": incident.id,
        "since": rfc3339(incident.since),
        "until": rfc3339(incident.resolved_at or incident.updated_at),
        "bad_windows": incident.bad_windows,
        "checks": list(incident.checks),
        "columns": list(incident.columns),
        "summary": incident.summary,
    }


def _table(found: Difference) -> None:
    out = sys.stdout.write
    kinds = Counter(change.verdicts for change in found.changes)
    told = ", ".join(f"{before or 'no result'} → {after or 'no result'} {count:,}" for (before, after), count in kinds.most_common())
    out(f"{printable(found.model)}: {found.windows:,} windows judged again\n")
    out(f"  verdicts that differ: {len(found.changes):,}{f' ({told})' if told else ''}\n")
    before, after = ([i for side, i in found.incidents if side in (mine, Side.BOTH)] for mine in (Side.BEFORE, Side.AFTER))
    out(f"  incidents: {len(before)} before, {len(after)} after\n")
    out(f"  retraining asked for: {found.retrainings[0]} before, {found.retrainings[1]} after\n")
    for side, incident in found.incidents:
        under = {Side.BEFORE: "only before", Side.AFTER: "only after ", Side.BOTH: "both       "}[side]
        lasted = f"{rfc3339(incident.since)} to {rfc3339(incident.resolved_at or incident.updated_at)}"
        out(f"    {under}  {lasted}  {printable(incident.summary)}\n")
    if found.changes:
        write(map(_change, found.changes[:SHOWN]), ListFormat.TABLE, columns=COLUMNS, empty="")
    if len(found.changes) > SHOWN:
        out(f"  … and {len(found.changes) - SHOWN:,} more verdicts: --format jsonl has them all\n")
