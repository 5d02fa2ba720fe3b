"""When and where to ask for a new model, as it is written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, GetJsonSchemaHandler, PlainValidator, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from monitor.core.results import Check
from monitor.core.rules import Allowance, Approval, Lasting, RetrainingRules
from monitor.settings.block import Block, Duration, File, OneOrMany, SecretText, one_or_many, within
from monitor.settings.durations import parse_duration, shown
from monitor.settings.hours import EveryTime, Zone
from monitor.settings.trainers import TrainerSettings

SECOND, DAY, YEAR = timedelta(seconds=1), timedelta(days=1), timedelta(days=366)
MOST_ROWS = 1_000_000_000
MOST_REQUESTS = 1000
_LASTING = re.compile(r"\s*([0-9]{1,6})(?:\s+of\s+([0-9]{1,6}))?(?:\s+windows?)?\s*", re.ASCII)
_BUDGET = re.compile(r"\s*([0-9]{1,6})\s+per\s+(.+?)\s*", re.ASCII)


def _count(value: object) -> Lasting:
    if isinstance(value, Lasting):
        return value
    match = _LASTING.fullmatch(str(value)) if isinstance(value, (str, int)) and not isinstance(value, bool) else None
    bad, of = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= bad <= of:
        raise ValueError(f"{shown(value)} is not understood; expected a number of windows in a row, e.g. 2 windows, or e.g. 2 of 3")
    return Lasting(bad=bad, within=of)


def _budget(value: object) -> Allowance:
    if isinstance(value, Allowance):
        return value
    match = _BUDGET.fullmatch(value) if isinstance(value, str) else None
    if not match or not 1 <= int(match[1]) <= MOST_REQUESTS:
        raise ValueError(f"{shown(value)} is not understood; expected a number of requests up to {MOST_REQUESTS:,} per time, e.g. 2 per 7d")
    return Allowance(requests=int(match[1]), per=within(SECOND, 5 * YEAR)(parse_duration(match[2])))


Count = Annotated[
    Lasting,
    PlainValidator(_count),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1},
                              {"type": "string", "pattern": r"^\d+( +of +\d+)?( +windows?)?$", "examples": ["2 windows", "2 of 3"]}]}),
]
Requests = Annotated[Allowance, PlainValidator(_budget), WithJsonSchema({"type": "string", "examples": ["2 per 7d"]})]
Lag = Annotated[Duration, AfterValidator(within(SECOND, 5 * YEAR))]


class Grounds(StrEnum):
    """What counts of performance."""

    ANY = "any"
    REALISED = "realised"


class LastingSettings(Block):
    """How long a check has to alert."""

    windows: Count = Field(description="Windows in a row, or e.g. 2 of 3, of those in which the check decided something.")
    evidence: Grounds = Field(default=Grounds.ANY, description="performance: any, or realised: estimates count neither way.")
    min_labelled: int = Field(default=0, ge=0, le=MOST_ROWS, description="performance: rows with a label behind a realised alert.")
    min_labelled_share: float = Field(default=0.0, ge=0, le=1, description="performance: share of labelled rows behind a realised alert.")

    def lasting(self) -> Lasting:
        """What the core obeys."""
        return Lasting(bad=self.windows.bad, within=self.windows.within, realised=self.evidence is Grounds.REALISED,
                       min_labelled=self.min_labelled, min_labelled_share=self.min_labelled_share)


class _CountAlone:
    """Lets the JSON schema accept the short form ``drift: 2 windows`` beside the mapping."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        short: dict[str, Any] = {"type": "string", "pattern": r"^\d+( +of +\d+)?( +windows?)?$", "examples": ["2 windows", "2 of 3"]}
        return {"anyOf": [{"type": "integer", "minimum": 1}, short, handler(core)]}


def _lasting(value: object) -> object:
    return value if isinstance(value, (dict, LastingSettings)) else {"windows": value}


When = Annotated[LastingSettings, BeforeValidator(_lasting), _CountAlone()]


class BlackoutSettings(Block):
    """Hours in which no retraining is asked for, by event time."""

    every: EveryTime = Field(description="Days and time at which it begins, e.g. mon-fri 08:00; a time alone: every day.")
    lasts: Duration = Field(alias="for", description="How long it lasts, e.g. 10h.")
    timezone: Zone | None = Field(default=None, description="By which clocks, e.g. Europe/Berlin; left out: UTC.")


Blackouts = Annotated[tuple[BlackoutSettings, ...], BeforeValidator(one_or_many), OneOrMany()]


class RetrainingSettings(Block):
    """When and where to ask for a new model."""

    webhook: TrainerSettings = Field(description="Who is asked.")
    when: dict[Check, When] = Field(
        default_factory=dict, description="By check, the windows in which it alerts: 2 windows (in a row), 3 of 5, or a mapping."
    )
    max_age: Lag | None = Field(default=None, description="Ask when a version has been in use for so long (event time); left out: never.")
    cooldown: Lag = Field(default=DAY, description="Ask at most once per this much event time.")
    budget: Requests | None = Field(default=None, description="Requests allowed for this model, e.g. 2 per 7d of event time.")
    blackout: Blackouts = Field(default=(), description="Hours in which nothing is asked for: one or a list.")
    approval: Approval = Field(default=Approval.AUTOMATIC, description="automatic, or ask: a person approves each request first.")
    veto: bool = Field(default=True, description="Ask for nothing while the cause looks like a data fault.")
    timeout: Lag = Field(default=7 * DAY, description="Give up a proposal or a reported run that nobody ended after so much event time.")
    callback_token: SecretText | None = Field(
        default=None, description="Bearer token with which a trainer reports, and can do nothing else; http.token is good for it, too."
    )
    callback_token_file: File | None = Field(default=None, description="File that holds the callback token; read at each use.")

    def rules(self, shared: Allowance | None) -> RetrainingRules:
        """What the core obeys; ``shared``: the budget of all models."""
        return RetrainingRules(
            when={str(check): given.lasting() for check, given in self.when.items()},
            cooldown=self.cooldown,
            max_age=self.max_age,
            budget=self.budget,
            service_budget=shared,
            blackout=tuple(hours.every.recurring(hours.lasts, hours.timezone) for hours in self.blackout),
            approval=self.approval,
            veto=self.veto,
            timeout=self.timeout,
        )


OF_PERFORMANCE = ("evidence", "min_labelled", "min_labelled_share")


def when_faults(retraining: RetrainingSettings) -> Iterator[tuple[tuple[str, ...], str]]:
    """Keys of labels beside a check that has none."""
    for check, given in retraining.when.items():
        for name in OF_PERFORMANCE if check is not Check.PERFORMANCE else ():
            if name in given.model_fields_set:
                yield ("when", str(check), name), "only used with performance"


def blackout_faults(retraining: RetrainingSettings) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Hours that would never end: nothing would ever be asked for."""
    for at, hours in enumerate(retraining.blackout):
        fault = hours.every.fault(hours.lasts)
        if fault is not None:
            yield ("blackout", at, "for"), fault
