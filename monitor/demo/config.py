"""The demo's configuration: a file that a newcomer can read, keep and change."""

from __future__ import annotations

import base64
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from monitor.demo.broker import API_VERSION
from monitor.demo.scenario import LABELS_TOPIC, METRICS, MODEL, PREDICTIONS_TOPIC
from monitor.demo.webhook_server import SECRET_PREFIX

SLACK_URL_VARIABLE = "SLACK_WEBHOOK_URL"
SLACK_TOKEN = "xoxb-demo"  # noqa: S105 - for the local server that speaks Slack's API
SECRET_BYTES = 24
"""The Standard Webhooks specification asks for 24 to 64."""

TEXT = """\
# The flights demo of driftd. Every key is explained in config/example.yaml.
store: sqlite:///{store}
kafka: {{bootstrap_servers: "{bootstrap_servers}", group_id: driftd-demo{api_version}}}
{slack}
http: {{port: {port}, public_url: "http://127.0.0.1:{port}"}}
checkpoint: {{every: 1s}}
log: {{format: text}}

models:
  {model}:
    task: binary
    window: 1d
    allowed_lateness: 1h
    min_rows: 200
    streams:
      predictions: {{topic: {predictions}, format: json, id: prediction_id, time: ts, version: model_version,
                    prediction: late, score: p_late, features: features}}
      labels: {{topic: {labels}, format: json, id: prediction_id, time: ts, label: arrived_late}}
    columns:
      dep_delay: numeric          # minutes after schedule
      distance: numeric           # miles
      hour: numeric               # of the scheduled departure, local time
      carrier: categorical
      origin: categorical
      dest: categorical
    drift: {{false_alarms: 1 per 30d}}
    performance: {{metrics: [{metrics}], max_drop: 0.05, label_delay: 1d, min_labelled: 200}}   # a flight has landed by then
    alerts: {{open_after: 2, resolve_after: 2, repeat_after: 14d, max_age: off}}   # one odd day is weather; all flights are of 2013
    retraining:                   # never while the cause is a data fault
      webhook: {{url: "{retrain_url}", secret_file: {secret_file}}}
      when: {{drift: 3 windows, performance: 2 windows}}
      cooldown: 21d
      callback_token_file: {callback_token_file}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """Where the demo keeps its files."""

    root: Path

    @property
    def config(self) -> Path:
        """The configuration."""
        return self.root / "driftd.yaml"

    @property
    def store(self) -> Path:
        """The SQLite database."""
        return self.root / "driftd.db"

    @property
    def reference(self) -> Path:
        """January and February with the model's predictions."""
        return self.root / "reference.parquet"

    @property
    def log(self) -> Path:
        """What the daemon writes."""
        return self.root / "driftd.log"

    @property
    def slack_token(self) -> Path:
        """The token of the Slack-like server: any text will do."""
        return self.root / "slack.token"

    @property
    def webhook_secret(self) -> Path:
        """What the retraining webhooks are signed with."""
        return self.root / "retrain.secret"

    @property
    def callback_token(self) -> Path:
        """What the trainer says how it goes with."""
        return self.root / "callback.token"

    @property
    def new_reference(self) -> Path:
        """What the new version was trained on, with its predictions."""
        return self.root / "reference-new.parquet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Who listens where. ``slack_api`` is None when real Slack is told by its webhook URL."""

    bootstrap_servers: str
    port: int
    slack_api: str | None
    retrain_url: str


def write_secrets(folder: Folder) -> str:
    """Make the demo's secrets, readable by their owner alone. Returns the one that webhooks are signed with."""
    secret = SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
    token = secrets.token_urlsafe(SECRET_BYTES)
    for path, text in ((folder.webhook_secret, secret), (folder.slack_token, SLACK_TOKEN), (folder.callback_token, token)):
        path.touch(mode=0o600)
        path.write_text(text)
    return secret


def write_config(folder: Folder, addresses: Addresses) -> None:
    """Write the demo's configuration."""
    folder.config.write_text(TEXT.format(
        store=folder.store,
        bootstrap_servers=addresses.bootstrap_servers,
        api_version=f', api_version: "{API_VERSION}"',
        slack=_slack(folder, addresses.slack_api),
        port=addresses.port,
        model=MODEL,
        predictions=PREDICTIONS_TOPIC,
        labels=LABELS_TOPIC,
        metrics=", ".join(METRICS),
        retrain_url=addresses.retrain_url,
        secret_file=folder.webhook_secret.name,
        callback_token_file=folder.callback_token.name,
    ))


def real_slack() -> bool:
    """Whether the person has named a channel of real Slack."""
    return bool(os.environ.get(SLACK_URL_VARIABLE))


def _slack(folder: Folder, api_url: str | None) -> str:
    if api_url is None:
        return f'slack: {{webhook_url: "${{{SLACK_URL_VARIABLE}}}", group_wait: 1s}}'
    return f'slack: {{token_file: {folder.slack_token.name}, channel: "#ml-alerts", api_url: "{api_url}", group_wait: 1s}}'
