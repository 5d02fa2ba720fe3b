"""Pages about incidents: what makes them, and where they are kept."""

from __future__ import annotations

from typing import Protocol

from monitor.core.profile import Profile
from monitor.core.reference import Reference
from monitor.core.results import WindowKey
from monitor.core.rules import Model


class PageMaker(Protocol):
    """Makes a page of a window, which takes memory and time."""

    def page(self, key: WindowKey, profile: Profile, reference: Reference, rules: Model) -> str:
        """The page as HTML. Raises Permanent saying why there is none, Retryable once it was told to stop."""


class PageShelf(Protocol):
    """Keeps the newest pages, one an incident. Safe to share by threads."""

    @property
    def keep(self) -> int:
        """How many."""

    def ids(self) -> frozenset[str]:
        """The incidents that have a page; none where it cannot be looked at."""

    def get(self, incident: str) -> bytes | None:
        """The page as it was put there; None where there is none, or no longer that one."""

    def put(self, incident: str, html: str) -> None:
        """Keep it, in the place of an earlier one, and let go of the oldest. Raises OSError, ValueError for no id of ours."""
