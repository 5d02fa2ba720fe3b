"""MLflow's REST API, as far as driftd needs it: which run a version came of, a file of that run's artifacts, a tag on the version.

Artifacts are read from the tracking server itself (``mlflow-artifacts``); where it does not serve them, there is nothing to read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from urllib.parse import quote, urlencode, urlsplit

from monitor.errors import Permanent, Retryable
from monitor.notify.transport import Answer, Limits, demand_success, post
from monitor.settings.receivers import why_unusable
from monitor.settings.registry import MlflowSettings

API = "/api/2.0"
SERVED = "mlflow-artifacts"
"""The scheme of artifacts that the tracking server gives out."""
LARGEST = 64 * 1024 * 1024
"""Bytes of a reference: 200 columns with 50 segments take some megabytes."""
LONGEST_VALUE = 500
"""Characters of a tag's value; some servers take no more."""
NOT_FOUND = 404


class Mlflow:
    """Asks one tracking server. Raises Retryable and Permanent; neither tells the token."""

    def __init__(self, settings: MlflowSettings, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._now = now

    def reference(self, name: str, version: str) -> str | None:
        """The text of a version's reference file; None where the version, its run or the file is not there."""
        found = self._get("/mlflow/model-versions/get", {"name": name, "version": version})
        run = None if found is None else _text(found, "model_version", "run_id")
        if not run:
            return None
        told = self._get("/mlflow/runs/get", {"run_id": run})
        root = None if told is None else _text(told, "run", "info", "artifact_uri")
        where = urlsplit(root or "")
        if where.scheme != SERVED:
            return None
        path = quote(f"{where.path.strip('/')}/{self._settings.artifact}")
        answer = self._call("GET", f"/mlflow-artifacts/artifacts/{path}", LARGEST)
        if answer.status == NOT_FOUND:
            return None
        self._demand(answer)
        if not answer.complete:
            raise Permanent(f"MLflow: the reference of {name} version {version} is cut off, or longer than {LARGEST:,} bytes")
        return answer.body.decode("utf-8", "strict")

    def tag(self, name: str, version: str, key: str, value: str) -> None:
        """Set one tag of a version; what was there is replaced."""
        body = {"name": name, "version": version, "key": key, "value": value[:LONGEST_VALUE]}
        self._demand(self._call("POST", "/mlflow/model-versions/set-tag", content=json.dumps(body).encode()))

    def _get(self, path: str, asked: Mapping[str, str]) -> Mapping[str, object] | None:
        """The answer's object; None where there is no such thing."""
        answer = self._call("GET", f"{path}?{urlencode(asked)}")
        if answer.status == NOT_FOUND:
            return None
        self._demand(answer)
        try:
            found = json.loads(answer.body)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise Retryable("MLflow answered what is no JSON object: something stands between")
        return found

    def _call(self, method: str, path: str, body: int = 64 * 1024, content: bytes = b"") -> Answer:
        settings = self._settings
        why = why_unusable(settings.url, insecure=settings.insecure, allow_link_local=settings.allow_link_local)
        if why:
            raise Permanent(f"mlflow.url: {'; '.join(why)}")
        seconds = settings.timeout.total_seconds()
        headers = {"content-type": "application/json"} if content else {}
        if settings.token is not None:
            headers["authorization"] = f"Bearer {settings.token.read()}"
        limits = Limits(read=seconds, total=seconds, body=body, link_local=settings.allow_link_local)
        return post(settings.url.rstrip("/") + API + path, content=content, headers=headers, limits=limits, method=method)

    def _demand(self, answer: Answer) -> None:
        demand_success(answer, "MLflow", self._now(), _code(answer))


def _code(answer: Answer) -> str:
    """MLflow's name of the error: capital letters alone, so nothing of a secret can be in it."""
    try:
        code = json.loads(answer.body).get("error_code", "")
    except (ValueError, AttributeError, RecursionError):
        return ""
    return code if isinstance(code, str) and code.replace("_", "").isupper() and len(code) < 60 else ""


def _text(found: Mapping[str, object], *keys: str) -> str | None:
    """A text deep in an object; None where it is not there."""
    node: object = found
    for key in keys:
        node = node.get(key) if isinstance(node, dict) else None
    return node if isinstance(node, str) and node else None
