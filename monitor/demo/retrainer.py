"""The demo's training pipeline: takes the signed request, trains on the newer flights, gives the version its reference, reports.

As a team's own would do it: the request says which range of data to use and what to leave out of it; how it goes is said to
driftd's API; and the reference is built before anybody is told that the version is there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from monitor.demo.child import run_command
from monitor.demo.config import Folder
from monitor.demo.scenario import MODEL, NEW_VERSION
from monitor.demo.trainer import train
from monitor.demo.webhook_server import WebhookCall
from monitor.errors import Permanent

if TYPE_CHECKING:
    import pandas as pd

REPORT_WITHIN = 10.0
"""Seconds for one report."""

ONCE = "this demo trains once"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a request asks for: flights that departed before ``until``, none of those within ``leave_out``; where to report."""

    id: str
    until: datetime
    leave_out: tuple[tuple[datetime, datetime], ...]
    callback_url: str

    @staticmethod
    def of(body: Mapping[str, Any]) -> Order:
        """Of the webhook's body. Raises Permanent where it lacks something."""
        try:
            data = body["data"]
            training = data["training"]
            spans = tuple((_time(span["start"]), _time(span["end"])) for span in training["leave_out"])
            return Order(id=data["id"], until=_time(training["end"]), leave_out=spans, callback_url=str(data["callback_url"]))
        except (KeyError, TypeError, ValueError) as error:
            raise Permanent(f"the request to retrain cannot be understood: {type(error).__name__}: {error}") from None

    def chosen(self, flights: pd.DataFrame) -> pd.DataFrame:
        """Of all flights those to learn from, numbered from 0."""
        departed_at = flights["departed_at"]
        wanted = departed_at < self.until
        for start, end in self.leave_out:
            wanted &= ~((departed_at >= start) & (departed_at < end))
        return flights[wanted].reset_index(drop=True)

    @property
    def words(self) -> str:
        """What it comes to, for people."""
        without = ", ".join(f"{start:%-d %B} to {end - timedelta(seconds=1):%-d %B}" for start, end in self.leave_out)
        return f"flights up to {self.until:%-d %B}" + (f", without {without}" if without else "")


class Retrainer:
    """Works in a thread of its own. ``flights``: all that the pipeline has kept, as it came in; ``said``: is told every step."""

    def __init__(self, folder: Folder, flights: pd.DataFrame, said: Callable[[str], None]) -> None:
        self._folder = folder
        self._flights = flights
        self._said = said
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.done = threading.Event()
        self.pipeline: Any = None

    def take(self, call: WebhookCall) -> None:
        """Begin to train, once; another request is refused. What is not signed is nobody's wish."""
        if not call.signed:
            return
        with self._lock:
            work = self._refuse if self._thread is not None else self._train
            self._thread = threading.Thread(target=work, args=(call,), name="trainer", daemon=True)
            self._thread.start()

    def close(self, seconds: float) -> None:
        """Wait for what is under way, for so long at most."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _train(self, call: WebhookCall) -> None:
        try:
            order = Order.of(call.fields())
            self._report(order, "accepted")
            chosen = order.chosen(self._flights)
            self._said(f"The trainer learns from {len(chosen):,} {order.words}")
            self._report(order, "running", detail=f"{len(chosen):,} {order.words}")
            self.pipeline = self._made(chosen)
            self._report(order, "succeeded", version=NEW_VERSION)
        except Exception as error:  # whatever it is, the flights' time must go on; the story tells that there is no new version
            self._said(f"The trainer failed: {type(error).__name__}: {error}")
        finally:
            self.done.set()

    def _made(self, chosen: pd.DataFrame) -> Any:
        """The new version, with its reference in force."""
        trained = train(chosen, NEW_VERSION)
        keep_reference(trained.reference, self._folder.new_reference)
        run_command(["reference", "build", str(self._folder.config), MODEL, "--data", str(self._folder.new_reference),
                     "--version", NEW_VERSION, "--time-column", "ts"])
        self._said(f"Version {NEW_VERSION} is trained, ROC AUC {trained.roc_auc:.3f} on flights it did not learn from; "
                   "it has its reference")
        return trained.pipeline

    def _refuse(self, call: WebhookCall) -> None:
        try:
            self._report(Order.of(call.fields()), "failed", detail=ONCE)
        except Exception as error:  # nobody waits for it
            self._said(f"The trainer could not refuse a second request: {type(error).__name__}: {error}")

    def _report(self, order: Order, state: str, **more: str) -> None:
        """Raises httpx.HTTPError."""
        token = self._folder.callback_token.read_text()
        answer = httpx.post(order.callback_url, json={"state": state, "by": "demo trainer", **more}, timeout=REPORT_WITHIN, trust_env=False,
                            headers={"authorization": f"Bearer {token}"})
        answer.raise_for_status()


def keep_reference(reference: pd.DataFrame, path: Path) -> None:
    """Whole or not at all: another container may be waiting for the file."""
    part = path.with_suffix(".part")
    reference.rename(columns={"departed_at": "ts"}).drop(columns="arrived_at").to_parquet(part, index=False)
    part.replace(path)


def _time(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text} has no zone")
    return at
