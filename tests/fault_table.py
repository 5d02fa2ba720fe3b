"""``pytest -m fault --fault-table``: what was seen of each row of docs/faults.md; a row that nothing showed fails the run."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest

TABLE = Path(__file__).parent.parent / "docs" / "faults.md"
ROW = re.compile(r"\| (\d+) \| ([^|]+) \|")


def rows() -> dict[int, str]:
    """The faults by number."""
    return {int(match[1]): match[2] for line in TABLE.read_text().splitlines() if (match := ROW.match(line))}


class FaultTable:
    """Counts outcomes by row."""

    def __init__(self) -> None:
        self._of: dict[str, tuple[int, ...]] = {}
        self.seen: defaultdict[int, Counter[str]] = defaultdict(Counter)
        self.seconds: Counter[int] = Counter()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            numbers = {number for mark in item.iter_markers("fault") for number in mark.args}
            unknown = numbers - rows().keys()
            if unknown or (not numbers and item.get_closest_marker("fault")):
                raise pytest.UsageError(f"{item.nodeid}: @pytest.mark.fault names {sorted(unknown) or 'no row'}; see {TABLE.name}")
            self._of[item.nodeid] = tuple(sorted(numbers))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for number in self._of.get(report.nodeid, ()):
            self.seconds[number] += report.duration
            if report.when == "call" or report.outcome != "passed":
                self.seen[number][report.outcome] += 1

    def unshown(self) -> list[int]:
        """Rows that no test showed, or that one left out."""
        return [number for number in rows() if not self.seen[number]["passed"] or self.seen[number]["skipped"]]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("faults")
        for number, name in rows().items():
            told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(self.seen[number].items())) or "NOT SHOWN"
            terminalreporter.write_line(f"{number:3}  {name:<75} {told:<20} {self.seconds[number]:6.1f} s")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if session.exitstatus == 0 and self.unshown():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def register(config: pytest.Config) -> None:
    """Take part in a session that was asked for the table."""
    if config.getoption("--fault-table"):
        config.pluginmanager.register(FaultTable(), "fault-table")
