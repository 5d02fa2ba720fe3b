"""What the HTTP surface is given to work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast

from starlette.requests import Request

from monitor.core.incidents import Step
from monitor.core.rules import Model
from monitor.health import Health
from monitor.metrics import Metrics
from monitor.ports import Message, PageShelf, RetrainingDesk, Store
from monitor.web.auth import TokenSource, no_token


def utc_now() -> datetime:
    """The wall clock, aware UTC."""
    return datetime.now(UTC)


def tell_nobody(_step: Step) -> tuple[Message, ...]:
    """A person's change sends nothing."""
    return ()


@dataclass(slots=True, kw_only=True)
class Parts:
    """``models`` and ``tell`` may be set once the daemon knows them: HTTP is up first.

    ``tell`` makes the messages that go out when a person changed an incident. ``hosts``: names allowed in the Host header, None for all.
    ``shelf``: pages of incidents, None where none are written. ``desk``: where requests to retrain are changed, None while the daemon
    starts; ``callbacks``: by model, the token with which its trainer reports.
    """

    store: Store
    health: Health
    metrics: Metrics
    models: tuple[Model, ...] = ()
    tell: Callable[[Step], tuple[Message, ...]] = tell_nobody
    token: TokenSource = no_token
    hosts: frozenset[str] | None = None
    shelf: PageShelf | None = None
    desk: RetrainingDesk | None = None
    callbacks: Mapping[str, TokenSource] = field(default_factory=dict)
    now: Callable[[], datetime] = utc_now

    def reports(self) -> frozenset[str]:
        """The incidents that have a page of Evidently's."""
        return frozenset() if self.shelf is None else self.shelf.ids()

    def model(self, name: str) -> Model | None:
        """The configured model of that name."""
        return next((model for model in self.models if model.name == name), None)


def parts_of(request: Request) -> Parts:
    """The parts that ``app.build`` put into the application's state."""
    return cast("Parts", request.app.state.parts)
