"""Routes as they are written: which receivers hear of what."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from monitor.core.conditions import Condition
from monitor.core.results import Check, Verdict
from monitor.core.routing import Route
from monitor.settings.block import Block, OneOrMany, Text, Texts, one_or_many
from monitor.settings.durations import shown
from monitor.settings.problems import suggestion

ROUTED_BY = (*Check, *Condition)
"""What an incident may be about: a check of a window, or a condition of driftd itself."""


def _check(value: str) -> str:
    if value not in ROUTED_BY:
        raise ValueError(f"{shown(value)} is not known{suggestion(value, ROUTED_BY)}")
    return value


RoutedCheck = Annotated[Text, AfterValidator(_check), WithJsonSchema({"enum": [str(name) for name in ROUTED_BY]})]


class RouteSettings(Block):
    """Whom to tell of what fits; a key that is left out fits everything."""

    model: Texts = Field(default=(), description="Names of models: one or a list; * and ? stand for any characters or one.")
    severity: Literal["warn", "alert"] | None = Field(default=None, description="warn or alert.")
    check: Annotated[tuple[RoutedCheck, ...], BeforeValidator(one_or_many), OneOrMany()] = Field(
        default=(), description="What it is about, one or a list: a check of windows, or a condition of driftd itself."
    )
    receivers: Texts = Field(description="Names of receivers, one or a list; [] for nobody.")
    goes_on: bool = Field(default=False, alias="continue", description="Look at the routes after this one too.")

    def route(self) -> Route:
        """As the core has it."""
        severity = None if self.severity is None else Verdict(self.severity)
        return Route(receivers=self.receivers, models=self.model, severity=severity, checks=self.check, goes_on=self.goes_on)
