"""``driftd report``: Evidently's HTML report of one window."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.opened import opened
from monitor.cli.output import moment
from monitor.errors import UsageError

if TYPE_CHECKING:
    from monitor.core.reference import Reference
    from monitor.core.rules import Model
    from monitor.ports import Store, StoredWindow


def command(
    config: Annotated[Path, typer.Argument(help="The configuration file.")],
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model of the configuration.")],
    window: Annotated[datetime, typer.Option(parser=moment, help="A moment within the window, e.g. its start: 2013-04-01.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The HTML file to write: about 4 MB.")],
    version: Annotated[str | None, typer.Option(help="The model version; needed where the window has several.")] = None,
) -> None:
    """Write Evidently's report of a window: its sample of rows beside its reference's, or beside values drawn from that one's profile."""
    from monitor.reports import Died, report_html, worker_of
    from monitor.settings import load_settings

    settings = load_settings(config)
    with opened(config, model) as store:
        rules = settings.model(model)
        windows = _windows(store, rules, window)
        found = _chosen(windows, version)
        reference = _reference(store, rules, windows, found)
    if found.profile is None:
        raise UsageError(f"the window has no rows to show{f': {found.damage}' if found.damage else ''}")
    with closing(worker_of(settings)) as worker:
        try:
            html = report_html(worker, found.key, found.profile, reference, rules)
        except Died as error:
            raise UsageError(f"there is no report: {error}") from None
    output.write_text(html, encoding="utf-8")
    typer.echo(f"written: {output} ({len(html) / 1e6:.1f} MB)")


def _windows(store: Store, rules: Model, at: datetime) -> Sequence[StoredWindow]:
    """Every version and segment of the window of that moment. Raises UsageError where there is none."""
    from monitor.core.schema import rfc3339
    from monitor.core.windows import window_of

    start, _ = window_of(at, rules.window)
    windows = store.windows(rules.name, start)
    if not windows:
        raise UsageError(f"{rules.name} has no window that starts at {rfc3339(start)}; see `driftd windows`")
    return windows


def _chosen(windows: Sequence[StoredWindow], version: str | None) -> StoredWindow:
    """All rows of one version. Raises UsageError naming those that there are."""
    from monitor.core.results import ALL_ROWS

    whole = [window for window in windows if window.key.segment == ALL_ROWS]
    chosen = [window for window in whole if version in (None, window.key.version)]
    if len(chosen) == 1:
        return chosen[0]
    known = ", ".join(window.key.version for window in whole)
    raise UsageError(f"the window has no version {version!r}; it has {known}" if version else f"the window has several versions: "
                     f"{known}; choose one by --version")


def _reference(store: Store, rules: Model, windows: Sequence[StoredWindow], window: StoredWindow) -> Reference:
    """What the window is judged by: stored, merged from other windows, or the stable version's. Raises UsageError."""
    from monitor.clock import SystemClock
    from monitor.pipeline import References, Standards

    clock = SystemClock()
    standard = Standards(store, References(store, clock), clock).of(rules, windows)[window.key]
    found = standard.reference
    if found is None:
        why = standard.damage or standard.unready
        raise UsageError(f"nothing to compare with: {why}" if why else f"no reference for version {window.key.version!r} of {rules.name}; "
                         "build one with `driftd reference build`")
    if window.profile is not None and window.profile.grid != found.grid:
        raise UsageError("the window was counted before its reference came: they cannot be compared")
    return found
