"""How fast Slack takes messages: about one a second and channel, https://docs.slack.dev/apis/web-api/rate-limits"""

from __future__ import annotations

import math
import threading
import time

from monitor.demo.scripted_http import Reply


class Rates:
    """Counts the messages of each channel. ``apart``: seconds between two; sooner ones are refused. None: every one is taken.

    ``arrived``: by channel, when each message came that was taken (monotonic seconds); ``refused`` counts the others.
    Slack allows short bursts; this does not, so that who keeps within it keeps within Slack's limit too.
    """

    def __init__(self, apart: float | None) -> None:
        self.apart = apart
        self.arrived: dict[str, list[float]] = {}
        self.refused = 0
        self._lock = threading.Lock()

    def refusal(self, channel: str) -> Reply | None:
        """Slack's answer to one more message now, where it is one too many."""
        with self._lock:
            now, before = time.monotonic(), self.arrived.setdefault(channel, [])
            early = self.apart - (now - before[-1]) if self.apart is not None and before else 0.0
            if early > 0:
                self.refused += 1
                return Reply(status=429, body=b'{"ok": false, "error": "ratelimited"}', headers={"retry-after": str(math.ceil(early))})
            before.append(now)
            return None
