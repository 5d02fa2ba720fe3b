"""Sets the stage: flights, a trained model, everything that will go to Kafka, receivers, configuration, reference, daemon."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import httpx

from monitor.demo.broker import EmbeddedBroker
from monitor.demo.child import Daemon, run_command
from monitor.demo.config import SLACK_TOKEN, SLACK_URL_VARIABLE, Addresses, Folder, real_slack, write_config, write_secrets
from monitor.demo.flights import load_flights
from monitor.demo.page import Page
from monitor.demo.producer import Event, break_upstream, events_of, with_new_version
from monitor.demo.retrainer import Retrainer, keep_reference
from monitor.demo.scenario import LABELS_TOPIC, MODEL, MODEL_VERSION, PREDICTIONS_TOPIC, Scenario
from monitor.demo.slack_history import FILES
from monitor.demo.slack_server import CHAT, SlackServer
from monitor.demo.terminal import Terminal
from monitor.demo.trainer import predict, train
from monitor.demo.webhook_server import WebhookCall, WebhookServer
from monitor.errors import Permanent

if TYPE_CHECKING:
    from threading import Event as Flag

    import pandas as pd

TOPICS = (PREDICTIONS_TOPIC, LABELS_TOPIC)
READY_WITHIN = 60.0
"""Seconds until the daemon must say that it is ready."""

TRAINER_WITHIN = 20.0
"""Seconds that training under way gets when the demo ends."""

LONGEST_FLIGHT = timedelta(days=2)
"""So long before the switch flights are looked at whose label comes after it."""

ASK_EVERY = 0.2
"""Seconds between two questions whether it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What will go to Kafka; ``within`` counts the predictions that depart within the scenario's days, ``labelled`` those of them
    that get a label. ``predicted``: all flights as the first version tells them; ``switch``: when a second one may join in.

    ``kept``: what a training pipeline has of the flights before that, as it came in.
    """

    predicted: pd.DataFrame
    switch: datetime
    within: int
    labelled: int
    kept: pd.DataFrame

    def before(self) -> list[Event]:
        """Everything that goes out before the switch, in order."""
        early = self.predicted[self.predicted["departed_at"] < self.switch]
        return [event for event in events_of(early) if event.at < self.switch]

    def after(self, pipeline: Any = None) -> list[Event]:
        """Everything from the switch on, the labels of flights under way included; ``pipeline``: the new version, if there is one."""
        late = self.predicted[self.predicted["departed_at"] >= self.switch - LONGEST_FLIGHT]
        told = late if pipeline is None else with_new_version(late, pipeline, self.switch)
        return [event for event in events_of(told) if event.at >= self.switch]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """All that runs. ``slack`` is None when real Slack is told."""

    script: Script
    bootstrap_servers: str
    daemon: Daemon
    page: Page
    slack: SlackServer | None
    webhooks: WebhookServer
    retrainer: Retrainer


def write_script(terminal: Terminal, scenario: Scenario, reference: Path) -> Script:
    """Load the flights, train the model, keep its reference data at ``reference`` and predict the months to produce."""
    import pandas as pd

    with terminal.step("Flights of 2013") as note:
        flights = load_flights()
        note.text = f"{flights.scheduled:,} scheduled, {flights.departed:,} departed, {flights.labelled:,} with a known arrival"
    with terminal.step("Model") as note:
        trained = train(flights.between(scenario.reference_start, scenario.start))
        note.text = f"trained on {len(trained.reference):,} flights of January and February, ROC AUC {trained.roc_auc:.3f}"
    upstream = flights.between(scenario.start, scenario.produce_until)
    if scenario.fault is not None:
        upstream = break_upstream(upstream, scenario.fault)
    keep_reference(trained.reference, reference)
    within = upstream["departed_at"] < scenario.end
    kept = [flights.between(scenario.reference_start, scenario.start), upstream[upstream["departed_at"] < scenario.switch]]
    return Script(
        predicted=predict(trained.pipeline, upstream),
        switch=scenario.switch,
        within=int(within.sum()),
        labelled=int((within & upstream["arrived_late"].notna()).sum()),
        kept=pd.concat(kept, ignore_index=True),
    )


def set_stage(terminal: Terminal, scenario: Scenario, folder: Folder, port: int, stop: Flag, closing: ExitStack) -> Stage:
    """Everything up to the first message; ``closing`` ends it all, last in first out."""
    script = write_script(terminal, scenario, folder.reference)
    with terminal.step("Broker") as note:
        broker = closing.enter_context(EmbeddedBroker())
        broker.create(TOPICS)
        note.text = f"a Kafka-speaking one at {broker.bootstrap_servers}, in memory"
    secret = write_secrets(folder)
    retrainer = Retrainer(folder, script.kept, terminal.note)
    closing.callback(retrainer.close, TRAINER_WITHIN)

    def asked(call: WebhookCall) -> None:
        terminal.webhook(call)
        retrainer.take(call)

    webhooks = WebhookServer(secret, asked)
    closing.callback(webhooks.close)
    slack = None if real_slack() else SlackServer(token=SLACK_TOKEN, on_message=terminal.slack, scopes=CHAT | {FILES})
    if slack is not None:
        closing.callback(slack.close)
    write_config(folder, Addresses(
        bootstrap_servers=broker.bootstrap_servers,
        port=port,
        slack_api=None if slack is None else slack.url,
        retrain_url=webhooks.url,
    ))
    with terminal.step("Reference") as note:
        command = ["reference", "build", str(folder.config), MODEL, "--data", str(folder.reference),
                   "--version", MODEL_VERSION, "--time-column", "ts"]
        run_command(command)
        note.text = f"driftd reference build {folder.config.name} {MODEL} --data {folder.reference.name}"
    with terminal.step("Daemon") as note:
        daemon = Daemon(folder.config, folder.log)
        closing.callback(daemon.stop)
        page = Page(port, MODEL)
        closing.callback(page.close)
        _wait_until_ready(daemon, page, stop)
        note.text = f"driftd run {folder.config.name}   (files in {folder.root})"
    return Stage(script=script, bootstrap_servers=broker.bootstrap_servers, daemon=daemon, page=page, slack=slack, webhooks=webhooks,
                 retrainer=retrainer)


def _wait_until_ready(daemon: Daemon, page: Page, stop: Flag) -> None:
    deadline = monotonic() + READY_WITHIN
    while not stop.wait(ASK_EVERY):
        daemon.check()
        try:
            if page.ready():
                return
        except httpx.TransportError:
            pass  # not listening yet
        if monotonic() > deadline:
            raise Permanent(f"the daemon was not ready within {READY_WITHIN:.0f} s: see {daemon.log}")


def where_slack_goes() -> str:
    """For the person: where to look for the messages."""
    return f"real Slack ({SLACK_URL_VARIABLE} is set)" if real_slack() else "boxes below (a local server that speaks Slack's API)"
