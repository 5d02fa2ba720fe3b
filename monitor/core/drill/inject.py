"""A fault in one column of a window's profile."""

from __future__ import annotations

from dataclasses import replace

from monitor.core.drill.base import Fault, Hit
from monitor.core.drill.together import hit_together
from monitor.core.profile import NumericProfile, Profile, RowSample
from monitor.core.reference import Reference, Source, source_of


def injected(profile: Profile, reference: Profile, name: str, fault: Fault, size: float) -> Profile | None:
    """The window with the fault; None where such a column has none of this kind and size. ``reference`` is on the same grid.

    The counts of all rows are conserved, but for a column that is missing. Sampled rows are hit as all rows are.
    """
    before = profile.columns[name]
    hit = None if fault.inject is None else fault.inject(before, reference.columns[name], size)
    if hit is None:
        return None
    comoments = profile.comoments
    if comoments is not None and isinstance(before, NumericProfile) and name in comoments.columns:
        comoments = hit_together(comoments, name, before, hit)
    return Profile(grid=profile.grid, rows=profile.rows, columns={**profile.columns, name: hit.column},
                   sample=_sampled(profile.sample, name, hit), comoments=comoments, unmapped=profile.unmapped)


def _sampled(sample: RowSample, name: str, hit: Hit) -> RowSample:
    """Every row of them where all are hit, else evenly among them; they are in the order of their hashes, so at random."""
    if not sample.rows or name not in sample.columns or not hit.share:
        return sample
    at, share, row = sample.columns.index(name), hit.share, hit.row
    changed = {
        key: (*values[:at], row(values[at]), *values[at + 1 :])
        for i, (key, values) in enumerate(sample.rows.items())
        if share == 1 or int((i + 1) * share) > int(i * share)
    }
    return replace(sample, rows={**sample.rows, **changed})


def also_in(reference: Reference, name: str, fault: Fault, size: float) -> Reference:
    """What a window with the fault is compared with: the stable version's window of the same time has the fault too, all else has not."""
    if source_of(reference.provenance) != Source.CANARY:
        return reference
    faulty = injected(reference.profile, reference.profile, name, fault, size)
    return reference if faulty is None else replace(reference, profile=faulty, whole=reference.hash)
