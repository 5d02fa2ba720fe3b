"""The summary of an incident, as people list things."""

from __future__ import annotations

import pytest

from monitor.core.summary import summary_of


@pytest.mark.parametrize(
    ("checks", "columns", "said"),
    [
        (("drift",), ("x",), "drift alert on x"),
        (("drift", "quality"), ("x", "y"), "drift and quality alert on x, y"),
        (("drift", "quality", "performance"), (), "drift, quality and performance alert on the whole model"),
    ],
)
def test_checks_and_columns_are_listed_as_people_list_things(checks: tuple[str, ...], columns: tuple[str, ...], said: str) -> None:
    assert summary_of(checks, columns) == said
