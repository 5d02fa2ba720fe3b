"""Pictures of incidents: what paints them."""

from __future__ import annotations

from typing import Protocol

from monitor.core.picture import Picture

PAINT_SECONDS = 30.0
"""No picture takes longer; a delivery waits for it within its lease."""


class Painter(Protocol):
    """Paints, which takes memory, and time up to ``PAINT_SECONDS``."""

    def paint(self, picture: Picture) -> bytes:
        """As a PNG. Raises Permanent saying why there is none, Retryable where another try may make one."""
