"""Named places where a test may have the process killed, raise or sleep; without ``DRIFTD_FAILPOINTS`` they do nothing.

``DRIFTD_FAILPOINTS="checkpoint.before_commit=kill@3, delivery.after_send=sleep:2"``: at the third passage, for two seconds.
"""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from monitor.errors import DriftdError, UsageError

VARIABLE = "DRIFTD_FAILPOINTS"


class Point(StrEnum):
    """Every place. The order is that of a message's way through the daemon."""

    AFTER_TAKE_OVER = "intake.after_take_over"
    AFTER_POLL = "intake.after_poll"
    MID_FOLD = "intake.mid_fold"
    CHECKPOINT_BEFORE_COMMIT = "checkpoint.before_commit"
    CHECKPOINT_AFTER_COMMIT = "checkpoint.after_commit"
    SEAL_BEFORE_COMMIT = "seal.before_commit"
    SEAL_AFTER_COMMIT = "seal.after_commit"
    JUDGE_EVALUATED = "judge.evaluated"
    JUDGE_BEFORE_COMMIT = "judge.before_commit"
    JUDGE_AFTER_COMMIT = "judge.after_commit"
    JOIN_BEFORE_COMMIT = "join.before_commit"
    JOIN_AFTER_COMMIT = "join.after_commit"
    REVISION_BEFORE_COMMIT = "revision.before_commit"
    REVISION_AFTER_COMMIT = "revision.after_commit"
    DELIVERY_CLAIMED = "delivery.claimed"
    DELIVERY_AFTER_SEND = "delivery.after_send"
    DELIVERY_MARKED = "delivery.marked"
    HEARTBEAT = "heartbeat.before_ping"


class Action(StrEnum):
    """What happens there. ``kill`` is SIGKILL: no handler, no flush, no close."""

    KILL = "kill"
    RAISE = "raise"
    SLEEP = "sleep"


class FailpointReached(DriftdError):
    """Raised on purpose; nothing in driftd knows it, so it goes the way of a fault of driftd itself."""


@dataclass(slots=True, kw_only=True)
class Armed:
    """What happens at one point. ``at``: at this passage alone (from 1); None: at every one. ``seconds``: of a sleep."""

    action: Action
    at: int | None = None
    seconds: float = 0.0
    passed: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def due(self) -> bool:
        """Whether this passage is one at which it happens."""
        with self.lock:
            self.passed += 1
            return self.at is None or self.passed == self.at


_armed: dict[str, Armed] = {}
_SPEC = re.compile(r"(?P<point>[a-z_.]+)=(?P<action>[a-z]+)(:(?P<seconds>[0-9]+(\.[0-9]+)?))?(@(?P<at>[1-9][0-9]*))?")
EXPECTED = "expected point=kill, point=raise or point=sleep:SECONDS, each with @N for the N-th passage, apart by commas"


def arm(text: str) -> Mapping[str, Armed]:
    """Arm what the text asks for, and nothing else; returns it. Raises UsageError naming what is not understood."""
    found = dict(_parsed(part.strip()) for part in text.split(",") if part.strip())
    _armed.clear()
    _armed.update(found)
    return found


def arm_from_environment(environment: Mapping[str, str] = os.environ) -> Mapping[str, Armed]:
    """As ``arm``, with what the variable says."""
    return arm(environment.get(VARIABLE, ""))


def at(point: Point) -> None:
    """A passage. Raises FailpointReached where that was asked for."""
    if _armed:  # nearly always empty: a passage costs the call alone
        armed = _armed.get(point)
        if armed is not None and armed.due():
            _ACTIONS[armed.action](point, armed)


def _parsed(part: str) -> tuple[str, Armed]:
    match = _SPEC.fullmatch(part)
    if match is None:
        raise UsageError(f"{VARIABLE}: {part!r} is not understood; {EXPECTED}")
    point, action = match["point"], match["action"]
    if point not in set(Point):
        raise UsageError(f"{VARIABLE}: unknown point {point!r}, expected one of {sorted(Point)}")
    if action not in set(Action) or (action == Action.SLEEP) != (match["seconds"] is not None):
        raise UsageError(f"{VARIABLE}: {part!r}: {EXPECTED}")
    return point, Armed(action=Action(action), at=int(match["at"]) if match["at"] else None, seconds=float(match["seconds"] or 0))


def _kill(_point: Point, _armed: Armed) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _raise(point: Point, armed: Armed) -> None:
    raise FailpointReached(f"failpoint {point}, passage {armed.passed}")


def _sleep(_point: Point, armed: Armed) -> None:
    time.sleep(armed.seconds)


_ACTIONS: Mapping[Action, Callable[[Point, Armed], None]] = {Action.KILL: _kill, Action.RAISE: _raise, Action.SLEEP: _sleep}
