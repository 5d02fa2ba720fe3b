"""Stored windows as references are merged from them: profiles by start, of all rows and of each segment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from monitor.core.merged import Windows
from monitor.core.profile import Profile
from monitor.core.recipes import Candidate, Choice, LeftOut, choose
from monitor.core.rules import Model
from monitor.core.segments import segment_parts
from monitor.ports import HistoryStore


def profiles_of(store: HistoryStore, model: Model, version: str | None, segment: str, choice: Choice) -> tuple[Windows, Choice]:
    """The profiles by start, those of several versions (None) together; and the choice without windows that cannot be read."""
    together: dict[datetime, Profile] = {}
    damaged: set[datetime] = set()
    for window in store.windows_at(model.name, choice.starts, segment=segment, version=version):
        start, profile = window.key.start, window.profile
        if window.damage:
            damaged.add(start)
        elif profile is not None:
            together[start] = together[start].merge(profile) if start in together else profile
    fit = tuple(start for start in choice.starts if start in together and start not in damaged)
    left_out = dict(choice.left_out) | ({LeftOut.DAMAGED: len(choice.starts) - len(fit)} if len(fit) < len(choice.starts) else {})
    return [(start, together[start]) for start in fit], Choice(starts=fit, left_out=left_out)


def segments_of(store: HistoryStore, model: Model, version: str | None, grid: str, choice: Choice, needed: int) -> dict[str, Windows]:
    """The windows of every segment that has enough of them, within those of all rows. ``grid``: its hash."""
    if not model.segments:
        return {}
    by_segment: dict[str, list[Candidate]] = {}
    for candidate in of_version(store.candidates(model.name, choice.starts, segment=None), version):
        if segment_parts(candidate.key.segment)[0] in model.segments:
            by_segment.setdefault(candidate.key.segment, []).append(candidate)
    found: dict[str, Windows] = {}
    for segment, candidates in sorted(by_segment.items()):
        within = choose(choice.starts, candidates, grid, model.min_rows)
        profiles, _ = profiles_of(store, model, version, segment, within)
        if len(profiles) >= needed:
            found[segment] = profiles
    return found


def of_version(candidates: Sequence[Candidate], version: str | None) -> list[Candidate]:
    """Those of one version; None: all."""
    return [candidate for candidate in candidates if version in (None, candidate.key.version)]
