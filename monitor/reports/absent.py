"""Packages that the worker needs and that are not installed: told before anybody asks it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from monitor.core.drift.sampled import is_sampled
from monitor.settings import Settings


def not_installed(package: str) -> str:
    """What to do about it."""
    return f"{package} is not installed; pip install 'driftd[reports]' brings it"


def lacking(package: str) -> str:
    """Why a package cannot be used; empty where it is installed. It is not imported."""
    return "" if find_spec(package) else not_installed(package)


def absent(settings: Settings) -> Iterator[str]:
    """What is asked for and cannot be had, each by its key."""
    evidently, sklearn = lacking("evidently"), lacking("sklearn")
    for model in settings.models():
        if evidently and any(is_sampled(test.method) for test in model.drift.tests):
            yield f"models.{model.name}.drift.tests: {evidently}; until then its tests are skipped"
        if sklearn and model.drift.domain_classifier:
            yield f"models.{model.name}.drift.domain_classifier: {sklearn}; until then it is skipped"
    if evidently and settings.reports.on_alert is not None:
        yield f"reports.on_alert: {evidently}; until then no page is written"
