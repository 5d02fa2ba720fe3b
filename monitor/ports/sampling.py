"""What is asked of the row samples of a window and of its reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from monitor.core.evaluate import Subject
from monitor.core.finding import Finding
from monitor.core.rules import Model


class SampleTester(Protocol):
    """Runs what takes rows, memory and time."""

    def findings(self, subject: Subject, rules: Model) -> Sequence[Finding]:
        """Answers to all that the rules ask of the samples of a window that can be judged. What fails is a finding.

        Raises Retryable only once it was told to stop.
        """
