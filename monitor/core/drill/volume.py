"""Fewer rows, or more: a partition that stands still, a producer that sends twice, nothing at all."""

from __future__ import annotations

from dataclasses import replace

from monitor.core.drill.base import Fault, FaultName, Size
from monitor.core.drill.thinned import thinned
from monitor.core.evaluate import Subject
from monitor.core.profile import Profile
from monitor.core.profile.comoments import CoMoments
from monitor.core.results import Account, Check


def with_rows(subject: Subject, factor: float) -> Subject:
    """The window with so many times its rows, which are alike; those of other versions too."""
    account = replace(subject.account, counted=_times(subject.account.counted, factor))
    profile = None if subject.profile is None else _scaled(subject.profile, factor)
    account = account if factor else Account()
    return replace(subject, account=account, profile=profile, other_rows=_times(subject.other_rows, factor), predicted=None)


def _scaled(profile: Profile, factor: float) -> Profile | None:
    rows = _times(profile.rows, factor)
    if not rows:
        return None
    columns = {name: thinned(column, _times(column.total, factor)) for name, column in profile.columns.items()}
    comoments = None if profile.comoments is None else _together(profile.comoments, rows)
    return Profile(grid=profile.grid, rows=rows, columns=columns, sample=profile.sample, comoments=comoments, unmapped=profile.unmapped)


def _together(moments: CoMoments, rows: int) -> CoMoments:
    share = rows / max(moments.rows, 1)
    return replace(moments, rows=rows, sums=(moments.sums * share).round().astype("int64"),
                   products=(moments.products * share).round().astype("int64"))


def _times(rows: int, factor: float) -> int:
    return round(rows * factor)


VOLUME = Fault(
    name=FaultName.VOLUME,
    sizes=(Size(value=0.0, text="×0"), Size(value=0.5, text="×0.5"), Size(value=2.0, text="×2")),
    ordered=False,
    worth=0.0,
    said="{size} as many rows",
    guard=(Check.VOLUME, "rows"),
)
