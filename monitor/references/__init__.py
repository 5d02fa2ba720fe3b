"""Reading reference data from files, and building references from it."""

from monitor.references.build import build_reference
from monitor.references.infer import Inferred, infer_kinds

__all__ = ["Inferred", "build_reference", "infer_kinds"]
