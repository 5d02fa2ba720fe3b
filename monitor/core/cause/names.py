"""The categories of a column by name, known to the grid or not."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.core.profile import CategoricalProfile, Profile


def shares_by_name(profile: Profile, name: str) -> Mapping[str, float]:
    """The share of every category that is known by name; they add up to less than 1 where new ones could not be kept.

    Empty for a column that is not categorical or has no values.
    """
    column = profile.columns[name]
    if not isinstance(column, CategoricalProfile) or not column.n:
        return {}
    known = dict(zip(column.grid.categories, column.counts.tolist(), strict=True)) | dict(profile.new_categories(name))
    return {text: count / column.n for text, count in known.items() if count}


def common(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """The share that two sides have in common by name: 1 less their total variation."""
    return sum(min(share, other.get(text, 0.0)) for text, share in one.items())
