"""Profiles: counts and exact moments of columns on an immutable grid. Merging is associative, commutative and bit-identical."""

from monitor.core.profile.categorical import CategoricalProfile, NewCategories
from monitor.core.profile.fit import fit_categorical, fit_numeric
from monitor.core.profile.grid import BOOLEANS, CategoricalGrid, Grid, NumericGrid
from monitor.core.profile.numeric import NumericProfile
from monitor.core.profile.profile import Profile
from monitor.core.profile.sample import RowSample

__all__ = [
    "BOOLEANS",
    "CategoricalGrid",
    "CategoricalProfile",
    "Grid",
    "NewCategories",
    "NumericGrid",
    "NumericProfile",
    "Profile",
    "RowSample",
    "fit_categorical",
    "fit_numeric",
]
