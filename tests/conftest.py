"""Fixtures that every room's tests may ask for."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

from tests.fault_table import register
from tests.kafka_broker import kafka
from tests.postgres import postgres

__all__ = ["kafka", "postgres"]

settings.register_profile("driftd", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.register_profile("ci", parent=settings.get_profile("driftd"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "driftd")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``make faults`` asks for the table."""
    parser.addoption("--fault-table", action="store_true", help="print what was seen of each row of docs/faults.md")


def pytest_configure(config: pytest.Config) -> None:
    """Plug-ins of ours."""
    register(config)
