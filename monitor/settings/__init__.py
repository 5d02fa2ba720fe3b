"""Settings: YAML in, checked and typed settings out. The only user of pydantic."""

from monitor.settings.file import SLACK_RECEIVER
from monitor.settings.kafka import KafkaSettings
from monitor.settings.load import load_settings
from monitor.settings.receivers import SlackSettings
from monitor.settings.secret import Secret
from monitor.settings.service import CheckpointSettings, HttpSettings, LogSettings
from monitor.settings.settings import RETRAINING_PREFIX, ReferenceFile, Settings
from monitor.settings.trainers import TrainerSettings

__all__ = [
    "RETRAINING_PREFIX",
    "SLACK_RECEIVER",
    "CheckpointSettings",
    "HttpSettings",
    "KafkaSettings",
    "LogSettings",
    "ReferenceFile",
    "Secret",
    "Settings",
    "SlackSettings",
    "TrainerSettings",
    "load_settings",
]
