"""The outbox, in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from monitor.doubles.memory import DEAD, PENDING, SENT, Data, MemoryBase, OutboxEntry
from monitor.ports import PICTURE, TELLING, Delivery, Grouping, Receipt, group_id


class MemoryOutbox(MemoryBase):
    """What the dispatcher needs of the store."""

    def claim(self, receiver: str, *, owner: str, lease: float, limit: int, now: datetime,  # noqa: ARG002 - for people
              grouping: Grouping | None = None) -> Sequence[Delivery]:
        """Take due deliveries of a receiver, oldest first. An incident's messages keep their order."""
        with self._write() as data:
            due = _due(data, receiver, now)
            alone = [each for each in due if grouping is None or (each.together is None and not _waits(each, grouping, now))][:limit]
            _lease(data, alone, now + timedelta(seconds=lease))
        return alone

    def claim_group(self, receiver: str, *, owner: str, lease: float, now: datetime,  # noqa: ARG002 - for people
                    grouping: Grouping) -> Sequence[Delivery]:
        """Take the deliveries that are the next message of many; one that was tried before comes first, with its members."""
        with self._write() as data:
            members = _tried_group(data, receiver, now)
            if not members:
                waiting = [each for each in _due(data, receiver, now) if each.together is None and grouping.fits(each)]
                members = list(grouping.pick(waiting[: grouping.most], now))
                members = [replace(each, together=group_id(members)) for each in members]
            _lease(data, members, now + timedelta(seconds=lease))
        return members

    def delivered(self, delivery: Delivery, receipt: Receipt, now: datetime) -> None:
        """It was sent: true whoever else holds it meanwhile."""
        self.delivered_together((delivery,), receipt, now)

    def delivered_together(self, deliveries: Sequence[Delivery], receipt: Receipt, now: datetime) -> None:
        """All of them were sent, in one message."""
        with self._write() as data:
            for each in (each for each in deliveries if each.id in data.outbox):
                data.outbox[each.id] = replace(data.outbox[each.id], state=SENT, thread=receipt.thread, error=None, ended_at=now,
                                               leased_until=None)

    def postponed(self, delivery: Delivery, error: str, until: datetime) -> None:
        """It goes out again, not before ``until``; nothing where another has claimed it since."""
        with self._write() as data:
            if _is_ours(data, delivery):
                data.outbox[delivery.id] = replace(data.outbox[delivery.id], error=error, not_before=until, leased_until=None)

    def dead(self, delivery: Delivery, error: str, now: datetime) -> None:
        """It never goes out; nothing where another has claimed it since."""
        with self._write() as data:
            if _is_ours(data, delivery):
                gone = replace(data.outbox[delivery.id], state=DEAD, error=error, ended_at=now, leased_until=None)
                data.outbox[delivery.id] = gone

    def told(self, incident: str) -> Sequence[str]:
        """The receivers that have or had a message about an incident, in the order of their first one."""
        return list(dict.fromkeys(e.message.receiver for e in self._data.outbox.values() if e.message.incident == incident))

    def outbox_depth(self) -> Mapping[str, int]:
        """Deliveries by state."""
        counts = Counter(entry.state for entry in self._data.outbox.values())
        return {state: counts[state] for state in (PENDING, SENT, DEAD)}

    def outbox_oldest(self) -> Mapping[str, datetime]:
        """By receiver, when the oldest delivery that still waits was made."""
        oldest: dict[str, datetime] = {}
        for entry in (entry for entry in self._data.outbox.values() if entry.state == PENDING):
            receiver = entry.message.receiver
            oldest[receiver] = min(entry.created_at, oldest.get(receiver, entry.created_at))
        return oldest

    def clock_went_back(self, now: datetime, lease: float) -> None:
        """What waits is due now; leases are as long as they may be from now."""
        latest = now + timedelta(seconds=lease)
        with self._write() as data:
            for entry in [entry for entry in data.outbox.values() if entry.state == PENDING]:
                not_before = None if entry.not_before is None else min(entry.not_before, now)
                leased_until = None if entry.leased_until is None else min(entry.leased_until, latest)
                data.outbox[entry.id] = replace(entry, not_before=not_before, leased_until=leased_until)


def _due(data: Data, receiver: str, now: datetime) -> list[Delivery]:
    """Pending, not leased, its time come, and nothing earlier of its incident still on its way to this receiver."""
    mine = [entry for entry in data.outbox.values() if entry.message.receiver == receiver]
    return [_delivery(entry, mine) for entry in _heads(mine) if _is_due(entry, now)]


def _heads(entries: Sequence[OutboxEntry]) -> Iterator[OutboxEntry]:
    """What waits, and for no earlier message of its incident; for a picture nothing waits."""
    ahead: set[str] = set()
    for entry in entries:
        if entry.state == PENDING:
            if entry.message.incident is None or entry.message.incident not in ahead:
                yield entry
            if entry.message.incident is not None and entry.message.kind != PICTURE:
                ahead.add(entry.message.incident)


def _tried_group(data: Data, receiver: str, now: datetime) -> list[Delivery]:
    """What is left of the oldest group that was tried and is due again as a whole."""
    mine = [entry for entry in data.outbox.values() if entry.message.receiver == receiver]
    groups: dict[str, list[OutboxEntry]] = {}
    for entry in mine:
        if entry.state == PENDING and entry.together is not None:
            groups.setdefault(entry.together, []).append(entry)
    whole = (members for members in groups.values() if all(_is_due(member, now) for member in members))
    return [_delivery(member, mine) for member in next(whole, [])]


def _lease(data: Data, claimed: Sequence[Delivery], until: datetime) -> None:
    for each in claimed:
        entry = data.outbox[each.id]
        data.outbox[each.id] = replace(entry, leased_until=until, attempts=entry.attempts + 1, together=each.together)


def _waits(delivery: Delivery, grouping: Grouping, now: datetime) -> bool:
    return grouping.fits(delivery) and not grouping.ripe(delivery.created_at, now)


def _is_due(entry: OutboxEntry, now: datetime) -> bool:
    return all(time is None or time <= now for time in (entry.not_before, entry.leased_until))


def _is_ours(data: Data, delivery: Delivery) -> bool:
    entry = data.outbox.get(delivery.id)
    return entry is not None and entry.state == PENDING and entry.attempts == delivery.attempts + 1


def _delivery(entry: OutboxEntry, entries: Sequence[OutboxEntry]) -> Delivery:
    incident = entry.message.incident
    threads = (e.thread for e in entries if incident is not None and e.message.incident == incident and e.state == SENT and e.thread)
    return Delivery(
        id=entry.id,
        receiver=entry.message.receiver,
        kind=entry.message.kind,
        incident=incident,
        body=entry.message.body,
        attempts=entry.attempts,
        created_at=entry.created_at,
        thread=next(threads, None),
        earlier=_earlier(entry, entries),
        together=entry.together,
    )


def _earlier(entry: OutboxEntry, entries: Sequence[OutboxEntry]) -> Mapping[str, object] | None:
    """The body of the last message that told of the incident's columns and cause; None for one that does so itself."""
    if entry.message.incident is None or entry.message.kind in (*TELLING, PICTURE):
        return None
    before = [e for e in entries[: entries.index(entry)] if e.message.incident == entry.message.incident and e.state == SENT]
    return next((e.message.body for e in reversed(before) if e.message.kind in TELLING), None)
