"""The audit: one line of what a person did, in the transaction of what it tells of."""

from __future__ import annotations

from sqlalchemy import Connection, insert

from monitor.core.audit import AuditEntry
from monitor.storage.people_tables import audit
from monitor.storage.rows import fields_of


def put_audit(connection: Connection, entry: AuditEntry) -> None:
    """One line of what people did."""
    connection.execute(insert(audit).values(fields_of(entry)))
