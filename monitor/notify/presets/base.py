"""What every preset is given and gives: an order to train, and the one HTTP call that places it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from monitor.core.template import filled, text_of
from monitor.settings.trainers import FIELDS, TrainerSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A request to retrain for one service. ``data``: the request as the signed webhook has it under ``data``; ``token`` may be empty."""

    trainer: TrainerSettings
    data: Mapping[str, object]
    token: str = ""

    @property
    def id(self) -> str:
        """The request's id, the same in every attempt."""
        return str(self.data["id"])

    @property
    def values(self) -> Mapping[str, object]:
        """What templates may ask for."""
        return {name: self.data if name == "evidence" else self.data.get(name) for name in FIELDS}

    @property
    def parameters(self) -> dict[str, object]:
        """What is handed to the run: as configured, else the request's id, model, version, reason, call-back and the whole of it."""
        given = self.trainer.parameters
        if given is None:
            return {name: self.values[name] for name in ("id", "model", "version", "reason", "callback_url", "evidence")}
        return {name: filled(value, self.values) for name, value in given.items()}

    @property
    def texts(self) -> dict[str, str]:
        """The same for services whose parameters are texts."""
        return {name: text_of(value) for name, value in self.parameters.items()}

    def at(self, *path: str, base: str = "") -> str:
        """The service's address with more of a path; each part is escaped whole."""
        root = (self.trainer.url or base).rstrip("/")
        return "/".join([root, *(quote(part, safe="") for part in path)])

    def bearer(self) -> dict[str, str]:
        """The token as most services want it; none where none is given."""
        return {"authorization": f"Bearer {self.token}"} if self.token else {}

    def basic(self, user: str) -> dict[str, str]:
        """The token as a password."""
        return {"authorization": "Basic " + base64.b64encode(f"{user}:{self.token}".encode()).decode()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One HTTP request."""

    url: str
    content: bytes
    headers: Mapping[str, str]
    method: str = "POST"


def takes_all(_body: bytes) -> str:
    """A 2xx is success, whatever the body."""
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service. ``known``: statuses that say that it has this id already. ``refused``: why a 2xx is none, told by its body."""

    call: Callable[[Order], Call]
    known: frozenset[int] = frozenset()
    refused: Callable[[bytes], str] = takes_all


def json_call(url: str, body: object, headers: Mapping[str, str]) -> Call:
    """A call with a JSON body."""
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    return Call(url=url, content=content, headers={"content-type": "application/json", **headers})
