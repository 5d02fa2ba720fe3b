"""The daily digest: what it is made of, and what was told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from monitor.core.digest import Span, Told, Warned
from monitor.core.incidents import Incident
from monitor.ports.judging import Message, Progress


class DigestStore(Protocol):
    """What digests need of the store."""

    def progress(self, model: str) -> Progress: ...

    def digested(self, receiver: str) -> Told | None:
        """What a receiver's last digest told; None: it had none yet."""

    def warned(self, span: Span, *, verdicts: Sequence[str], newest: int) -> Warned:
        """The results of a span that have such a verdict in their last revision, the ``newest`` of them, oldest first."""

    def muted_incidents(self, *, newest: int) -> Sequence[Incident]:
        """Incidents that nobody was told of so far (``muted`` is set), by the start of their first bad window."""

    def given_up(self, since: datetime, until: datetime) -> Mapping[str, int]:
        """By receiver, how many deliveries were given up within ``[since, until)``; pictures do not count."""

    def write_digest(self, told: Told, previous: datetime | None, messages: Sequence[Message] = ()) -> bool:
        """What was told, and the message that tells it, one transaction, by compare-and-set on ``told_until``.

        ``previous``: as it was read; None: there was none. False: another replica was first; nothing written.
        """
