"""The model registry that driftd may ask and tell: MLflow."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from monitor.settings.block import Block, Duration, File, SecretText, Text, Url, within
from monitor.settings.faults import Fault, either
from monitor.settings.receivers import LINK_LOCAL, Timeout, why_unusable

if TYPE_CHECKING:
    from monitor.settings.file import FileSettings

DEFAULT_ARTIFACT = "driftd/reference.json"


def _artifact(value: str) -> str:
    if value.startswith("/") or ".." in value.split("/") or "\\" in value:
        raise ValueError("expected a path within the run's artifacts, e.g. driftd/reference.json")
    return value


class MlflowSettings(Block):
    """An MLflow tracking server: new versions bring their reference from it, and versions are tagged with what driftd says of them."""

    url: Url = Field(description="Address of the tracking server; https, unless the host is loopback or insecure is true.")
    token: SecretText | None = Field(default=None, description="Bearer token, where the server wants one.")
    token_file: File | None = Field(default=None, description="File that holds the bearer token; read at each use.")
    artifact: Annotated[Text, AfterValidator(_artifact)] = Field(
        default=DEFAULT_ARTIFACT,
        description="Where a version's run keeps its reference, as `driftd reference export` writes it; "
        "the server must serve artifacts (mlflow-artifacts).",
    )
    every: Annotated[Duration, AfterValidator(within(timedelta(seconds=1), timedelta(days=1)))] = Field(
        default=timedelta(minutes=1), description="Ask and tell so often at most."
    )
    timeout: Timeout = Field(default=timedelta(seconds=15), description="How long one call may take.")
    insecure: bool = Field(default=False, description="Allow plain http to other machines.")
    allow_link_local: bool = Field(default=False, description=LINK_LOCAL)

    def faults(self) -> Iterator[str]:
        """Why its address may not be used."""
        yield from why_unusable(self.url, insecure=self.insecure, allow_link_local=self.allow_link_local)


class RegistrySettings(Block):
    """The model in the registry; a row's version is the number of its version there."""

    name: Text = Field(description="Name of the registered model.")


def registry_faults(file: FileSettings) -> Iterator[Fault]:
    """A registry that models name and nobody can reach, and one that may not be called."""
    if file.mlflow is None:
        for name, model in file.models.items():
            if model.registry is not None:
                yield ("models", name, "registry"), "needs to know where the registry is; expected mlflow: {url: …} at the top"
        return
    yield from either(("mlflow",), file.mlflow, "token")
    for why in file.mlflow.faults():
        yield ("mlflow", "url"), why
