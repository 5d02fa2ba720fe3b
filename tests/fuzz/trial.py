"""One target under trial: every input is counted and timed, every finding kept once, and a hang ends the process with its place."""

from __future__ import annotations

import faulthandler
import hashlib
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.target import Check

SLOW = 1.0
"""Seconds of one input beyond which it is a finding, if it takes as long once more: the machine may have been busy."""
HANG = 30.0
"""Seconds without an end of one input after which the process is killed with a traceback."""
REARMED = 5.0
SHOWN = 400
HOUSE = ("/monitor/", "/tests/fuzz/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One kind of failure, with the first input that showed it."""

    where: str
    said: str
    data: bytes
    trace: str


class Trial:
    """Call it with input after input. ``current``: a file that holds the input under way, for whoever finds us dead."""

    def __init__(self, check: Check, current: Path | None = None) -> None:
        self._check = check
        self._current = None if current is None else current.open("wb", buffering=0)
        self._armed = 0.0
        self.inputs = 0
        self.findings: dict[str, Finding] = {}

    def __call__(self, data: bytes) -> None:
        """Try one input; never raises but for an interrupt."""
        self.inputs += 1
        self._arm(data)
        began = time.perf_counter()
        self._try(data)
        if time.perf_counter() - began > SLOW:
            again = time.perf_counter()
            self._try(data)
            if (seconds := time.perf_counter() - again) > SLOW:
                self._keep(Finding(where="slow", said=f"took {seconds:.1f} s, twice", data=data, trace=""))

    def close(self) -> None:
        """The trial is over: nothing hangs any more."""
        faulthandler.cancel_dump_traceback_later()
        if self._current is not None:
            self._current.close()

    def _try(self, data: bytes) -> None:
        try:
            self._check(data)
        except Exception as error:  # that is what we are here for
            self._keep(Finding(where=_place(error), said=str(error)[:SHOWN], data=data, trace=traceback.format_exc()))

    def _keep(self, finding: Finding) -> None:
        known = self.findings.get(finding.where)
        if known is None or len(finding.data) < len(known.data):
            self.findings[finding.where] = finding

    def _arm(self, data: bytes) -> None:
        now = time.monotonic()
        if now - self._armed > REARMED:
            faulthandler.dump_traceback_later(HANG + REARMED, exit=True)
            self._armed = now
        if self._current is not None:
            self._current.seek(0)
            self._current.truncate()
            self._current.write(data)


def _place(error: BaseException) -> str:
    """The kind of an error and the last line of ours that it went through: what tells two findings apart."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if any(part in frame.filename for part in HOUSE)] or list(frames)
    last = ours[-1] if ours else None
    said = f":{error}" if isinstance(error, AssertionError) else ""  # one line may require many things
    digest = hashlib.sha256(said[:40].encode("utf-8", "replace")).hexdigest()[:6] if said else ""
    return f"{type(error).__name__} at {last.filename.rsplit('/', 1)[-1]}:{last.lineno} {digest}".strip() if last else type(error).__name__
