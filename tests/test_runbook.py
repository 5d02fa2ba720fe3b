"""The runbook knows every alert and every metric, and nothing that is none; and no table of the pages is cut in two."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.exposition import generate_latest
from ruamel.yaml import YAML

from monitor.metrics import Metrics
from tests.edges.web_site import site

ROOT = Path(__file__).parents[1]
RUNBOOK = ROOT / "docs" / "runbook.md"
PAGES = sorted((ROOT / "docs").glob("*.md"))
OF_LINUX = {f"process_{name}" for name in ("virtual_memory_bytes", "resident_memory_bytes", "start_time_seconds", "cpu_seconds_total",
                                           "open_fds", "max_fds")}
"""What the client library tells where the system has /proc."""


def alerts() -> list[str]:
    groups = YAML(typ="safe").load((ROOT / "config" / "alert-rules.yaml").read_text())["groups"]
    return [rule["alert"] for group in groups for rule in group["rules"]]


def families(exposition: str) -> set[str]:
    """The names on a scrape; without the time at which each series began, which the library adds to every counter and histogram."""
    names = re.findall(r"^# TYPE (\w+) ", exposition, re.MULTILINE)
    return {name for name in names if not name.endswith("_created")}


def registered() -> set[str]:
    return families(generate_latest(Metrics().registry).decode())


def section(title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", RUNBOOK.read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"the runbook has no section {title}"
    return found[1]


def rows(text: str) -> Iterator[list[str]]:
    """The cells of each row of the tables, without their heads."""
    lines = text.splitlines()
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith("|") and not is_rule(line) and not is_rule(following):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def is_rule(line: str) -> bool:
    """Whether a line parts a table's head from its rows."""
    return re.fullmatch(r"\|(\s*:?-+:?\s*\|)+", line) is not None


def named(title: str) -> list[str]:
    return [cells[0].strip("`") for cells in rows(section(title))]


def cut_tables(text: str) -> list[str]:
    """Rows that a blank line parts from the table above them: rendered, they are no rows."""
    lines = re.sub(r"^```.*?^```", "(code)", text, flags=re.MULTILINE | re.DOTALL).splitlines()
    cut, above = [], ""
    for i, line in enumerate(lines):
        if line.startswith("|") and i and not lines[i - 1].strip() and above.startswith("|") and not is_rule([*lines, ""][i + 1]):
            cut.append(line)
        above = line if line.strip() else above
    return cut


def test_every_alert_has_one_row_in_the_runbook_and_every_row_is_an_alert() -> None:
    assert sorted(named("Alerts")) == sorted(alerts())


def test_every_registered_metric_has_one_row_in_the_runbook_and_every_row_is_a_metric() -> None:
    names = named("Metrics")
    assert len(names) == len(set(names))
    assert set(names) == registered() | OF_LINUX


def test_the_runbook_knows_everything_that_a_scrape_of_a_running_daemon_exports(tmp_path: Path) -> None:
    with site(tmp_path) as here:
        exported = families(here.get("/metrics").text)
    assert len(exported) > 30
    assert exported <= set(named("Metrics"))


@pytest.mark.parametrize("title", ["Alerts", "Metrics"])
def test_every_row_says_what_it_means_and_what_to_do(title: str) -> None:
    for cells in rows(section(title)):
        assert len(cells) == {"Alerts": 3, "Metrics": 4}[title], cells[0]
        assert all(cells), cells[0]


def test_no_table_of_the_runbook_names_an_alert_or_a_metric_that_does_not_exist() -> None:
    text = " ".join(cell for cells in rows(RUNBOOK.read_text()) for cell in cells)
    said = set(re.findall(r"\b(?:Driftd[A-Z]\w*|(?:driftd|process|python)_\w+)", text))
    assert said <= set(alerts()) | registered() | OF_LINUX


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_table_is_cut_by_a_blank_line(page: Path) -> None:
    assert cut_tables(page.read_text()) == []


def test_a_cut_table_is_noticed_and_two_tables_are_not_taken_for_one() -> None:
    head, row = "| a | b |\n|---|---|\n", "| 1 | 2 |\n"
    assert cut_tables(head + row + "\n" + row) == [row.strip()]
    assert cut_tables(head + "\n" + row) == [row.strip()]
    assert cut_tables(head + row + "\n" + head + row) == []
    assert cut_tables(head + row + "\ntext\n\n" + head + row) == []
