"""Pictures of incidents, painted by a worker: the daemon never imports matplotlib."""

from __future__ import annotations

from monitor.core.picture import Picture
from monitor.errors import Permanent, Retryable
from monitor.ports.painting import PAINT_SECONDS
from monitor.reports import wire
from monitor.reports.process import Died, Limits, Worker
from monitor.reports.tester import why_not
from monitor.settings import Settings

MEMORY = 512 * 2**20
"""Bytes; matplotlib takes about 100 MB."""
IDLE_SECONDS = 30.0
"""Incidents are rare; those of many models come together."""


class WorkerPainter:
    """Paints by a worker of its own: neither judging nor a page of an incident holds it up. Safe to share by threads."""

    def __init__(self, worker: Worker | None = None) -> None:
        self._worker = worker or Worker(Limits(memory=MEMORY, seconds=PAINT_SECONDS, idle_seconds=IDLE_SECONDS))

    def paint(self, picture: Picture) -> bytes:
        """As a PNG. Raises Permanent where it cannot be painted, Retryable where the worker died over it or is being stopped."""
        try:
            answer = self._worker.ask(wire.Paint(picture=picture))
        except Died as error:
            raise Retryable(f"the picture was not painted: {error}") from None
        if isinstance(answer, wire.Painted):
            return answer.png
        raise Permanent(f"the picture cannot be painted: {why_not(answer)}")

    def stop(self) -> None:
        """Let nobody wait for a picture any more."""
        self._worker.stop()

    def close(self) -> None:
        """End the worker, whoever waits for it."""
        self._worker.stop()
        self._worker.close()


def painter_of(settings: Settings) -> WorkerPainter | None:
    """Where Slack gets pictures."""
    return WorkerPainter() if settings.picture_receivers() else None
