"""What people did, by whatever way, and who they were."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Via(StrEnum):
    """The way on which a person's wish came."""

    CLI = "cli"
    API = "api"
    SLACK = "slack"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One thing that a person did. ``at``: wall clock. ``by``: as the way told the person's name; of Slack name and user id.

    ``action``: one word, e.g. ``acknowledge``, ``silence``. ``subject``: the id of the incident, silence, retraining or reference.
    """

    at: datetime
    by: str
    via: Via
    action: str
    model: str
    subject: str
    detail: str = ""
