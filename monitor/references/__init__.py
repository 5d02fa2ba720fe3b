"""Reading reference data from files, and building references from it."""

from monitor.references.build import build_reference

__all__ = ["build_reference"]
