"""Who trains, and how it is asked: a signed webhook, the API of a known service, or a request of one's own shape."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from monitor.core.template import unknown_names
from monitor.settings.block import Block, File, SecretText, Text, Url
from monitor.settings.durations import shown
from monitor.settings.receivers import LINK_LOCAL, Timeout
from monitor.settings.secret import Secret

FIELDS = (
    "id", "model", "version", "reason", "cause", "incident", "columns", "requested_at", "performance", "url", "callback_url", "evidence",
)
"""What a template may ask for; ``evidence`` is the whole request."""
HEADER_FIELDS = (*FIELDS, "token")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
SIGNED = frozenset({"host", "content-length", "transfer-encoding", "webhook-id", "webhook-timestamp", "webhook-signature"})
"""Headers that are made, not given."""


class Preset(StrEnum):
    """Services whose requests are known."""

    GITHUB = "github"
    GITHUB_WORKFLOW = "github_workflow"
    GITLAB = "gitlab"
    JENKINS = "jenkins"
    AIRFLOW = "airflow"
    PREFECT = "prefect"
    DAGSTER = "dagster"
    KUBEFLOW = "kubeflow"
    ARGO_EVENTS = "argo_events"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The keys that a way of asking needs, and those that it takes besides."""

    needed: tuple[str, ...]
    taken: tuple[str, ...] = ()


PRESET_KEYS: Mapping[Preset, Keys] = {
    Preset.GITHUB: Keys(needed=("repo", "token"), taken=("url", "event_type", "parameters")),
    Preset.GITHUB_WORKFLOW: Keys(needed=("repo", "workflow", "token"), taken=("url", "ref", "parameters")),
    Preset.GITLAB: Keys(needed=("project", "token"), taken=("url", "ref", "parameters")),
    Preset.JENKINS: Keys(needed=("url", "job", "user", "token"), taken=("parameters",)),
    Preset.AIRFLOW: Keys(needed=("url", "dag_id", "token"), taken=("parameters",)),
    Preset.PREFECT: Keys(needed=("url", "deployment_id"), taken=("token", "parameters")),
    Preset.DAGSTER: Keys(needed=("url", "location", "repository", "job"), taken=("token", "parameters")),
    Preset.KUBEFLOW: Keys(needed=("url", "pipeline_id", "pipeline_version_id"), taken=("experiment_id", "token", "parameters")),
    Preset.ARGO_EVENTS: Keys(needed=("url",), taken=("token", "parameters")),
}
SIGNED_KEYS = Keys(needed=("url", "secret"))
TEMPLATE_KEYS = Keys(needed=("url", "template"), taken=("secret", "token"))
ALWAYS = frozenset({"preset", "timeout", "insecure", "allow_link_local"})


class Method(StrEnum):
    """How a template is sent."""

    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"


Json = Annotated[Any, WithJsonSchema({"type": ["object", "array", "string"]})]


class TemplateSettings(Block):
    """A request of your own shape; {{ id }} and other placeholders are filled in texts."""

    method: Method = Field(default=Method.POST, description="POST, PUT or PATCH.")
    headers: dict[Text, Text] = Field(default_factory=dict, description="Headers by name; {{ token }} stands for the token.")
    body: Json = Field(default=None, description="JSON body; a text that is one placeholder alone becomes its value; left out: everything.")


class TrainerSettings(Block):
    """Who is asked to retrain: by the Standard Webhooks specification, by a preset, or by a template."""

    url: Url | None = Field(
        default=None, description="Where to POST, or the service's address; https, unless the host is loopback or insecure is true."
    )
    preset: Preset | None = Field(default=None, description="A service whose API is known; left out: a signed webhook, or a template.")
    secret: SecretText | None = Field(default=None, description="Signing secret (whsec_… or any text); needed for a signed webhook.")
    secret_file: File | None = Field(default=None, description="File that holds the signing secret; read at each use.")
    token: SecretText | None = Field(default=None, description="Token of the service's API.")
    token_file: File | None = Field(default=None, description="File that holds the token; read at each use.")
    user: Text | None = Field(default=None, description="jenkins: whose API token it is.")
    repo: Text | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$", description="github: owner/name.")
    workflow: Text | None = Field(default=None, description="github_workflow: file name or id of the workflow.")
    ref: Text = Field(default="main", description="github_workflow, gitlab: branch or tag.")
    event_type: Text = Field(default="driftd-retraining", max_length=100, description="github: type of the repository_dispatch.")
    project: Text | None = Field(default=None, description="gitlab: id or path of the project.")
    job: Text | None = Field(default=None, description="jenkins: job, folders before it by slashes; dagster: job.")
    dag_id: Text | None = Field(default=None, description="airflow: id of the DAG.")
    deployment_id: Text | None = Field(default=None, description="prefect: id of the deployment; url ends with /api.")
    location: Text | None = Field(default=None, description="dagster: code location.")
    repository: Text | None = Field(default=None, description="dagster: repository, e.g. __repository__.")
    pipeline_id: Text | None = Field(default=None, description="kubeflow: id of the pipeline.")
    pipeline_version_id: Text | None = Field(default=None, description="kubeflow: id of the pipeline's version.")
    experiment_id: Text | None = Field(default=None, description="kubeflow: id of the experiment.")
    parameters: dict[Text, Any] | None = Field(
        default=None, description="Presets: what is handed to the run, with placeholders such as {{ id }}; left out: id, model, version, …"
    )
    template: TemplateSettings | None = Field(default=None, description=TemplateSettings.__doc__)
    timeout: Timeout = Field(default=timedelta(seconds=15), description="How long one call may take.")
    insecure: bool = Field(default=False, description="Allow plain http to other machines.")
    allow_link_local: bool = Field(default=False, description=LINK_LOCAL)

    @property
    def signing_secret(self) -> Secret:
        """The secret; ``load_settings`` has refused a file that needs one and has none."""
        if self.secret is None:
            raise ValueError("webhook without secret")
        return self.secret

    def secrets(self) -> tuple[tuple[str, Secret], ...]:
        """The secrets given, by key."""
        return tuple((name, secret) for name, secret in (("secret", self.secret), ("token", self.token)) if secret is not None)

    @property
    def keys(self) -> Keys:
        """The keys of this way of asking."""
        if self.preset is not None:
            return PRESET_KEYS[self.preset]
        return SIGNED_KEYS if self.template is None else TEMPLATE_KEYS


def trainer_faults(trainer: TrainerSettings) -> Iterator[tuple[tuple[str, ...], str]]:
    """What the keys of one contradict, each with the key; the URL itself is looked at elsewhere."""
    way = _way(trainer)
    given = {name.removesuffix("_file") for name in trainer.model_fields_set} - ALWAYS
    for name in trainer.keys.needed:
        if name not in given:
            one = f"exactly one of {name}, {name}_file" if name in ("secret", "token") else name
            yield (), f"expected {one}" + (f", which {way} needs" if trainer.preset or name != "secret" else "")
    known = {*trainer.keys.needed, *trainer.keys.taken}
    for name in sorted(given - known):
        yield (_written(trainer, name),), f"not used with {way}; expected one of {', '.join(sorted(known | ALWAYS))}"
    if trainer.template is not None and "template" in known:
        yield from _template_faults(trainer.template)
    if trainer.parameters is not None and (wrong := unknown_names(trainer.parameters, FIELDS)):
        yield ("parameters",), wrong


def _way(trainer: TrainerSettings) -> str:
    if trainer.preset is not None:
        return f"preset {trainer.preset}"
    return "a signed webhook" if trainer.template is None else "a template"


def _written(trainer: TrainerSettings, name: str) -> str:
    return f"{name}_file" if f"{name}_file" in trainer.model_fields_set else name


def _template_faults(template: TemplateSettings) -> Iterator[tuple[tuple[str, ...], str]]:
    if wrong := unknown_names(template.body, FIELDS):
        yield ("template", "body"), wrong
    for name, value in template.headers.items():
        if not _HEADER.fullmatch(name) or name.lower() in SIGNED:
            yield ("template", "headers", name), f"{shown(name)} is no header that can be given"
        if not value.isascii() or not value.isprintable():
            yield ("template", "headers", name), "expected printable ASCII characters"
        if wrong := unknown_names(value, HEADER_FIELDS):
            yield ("template", "headers", name), wrong
