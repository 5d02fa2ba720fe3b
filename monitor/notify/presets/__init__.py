"""Services that train, each one file and one line in ``SERVICES``."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.notify.presets import airflow, argo_events, dagster, github, gitlab, jenkins, kubeflow, prefect
from monitor.notify.presets.base import Call, Order, Service
from monitor.settings.trainers import Preset

__all__ = ["SERVICES", "Call", "Order", "Service"]

SERVICES: Mapping[Preset, Service] = {
    Preset.GITHUB: github.REPOSITORY,
    Preset.GITHUB_WORKFLOW: github.WORKFLOW,
    Preset.GITLAB: gitlab.SERVICE,
    Preset.JENKINS: jenkins.SERVICE,
    Preset.AIRFLOW: airflow.SERVICE,
    Preset.PREFECT: prefect.SERVICE,
    Preset.DAGSTER: dagster.SERVICE,
    Preset.KUBEFLOW: kubeflow.SERVICE,
    Preset.ARGO_EVENTS: argo_events.SERVICE,
}
"""By preset, how its request is made and what its answers mean."""
