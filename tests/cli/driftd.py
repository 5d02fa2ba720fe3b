"""`driftd` called in this process: quick, and through the same main as the command."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from monitor.cli.app import main


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The one line that it wrote on stderr."""
        assert self.err.endswith("\n")
        [line] = self.err.splitlines()
        assert "Traceback" not in line
        return line


Driftd = Callable[..., Done]


@pytest.fixture
def driftd(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Driftd:
    """Runs a command to its end."""

    def call(*words: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["driftd", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        sys.stdout.flush()
        out, err = capfd.readouterr()
        assert isinstance(ended.value.code, int)
        return Done(code=ended.value.code, out=out, err=err)

    return call


def configuration(folder: Path, *models: str, store: str | None = None) -> Path:
    """A configuration of these models on a SQLite file in the folder."""
    streams = {"predictions": {"topic": "flights", "time": "ts", "id": "id"}}
    model = {"task": "binary", "window": "1h", "streams": streams, "columns": {"delay": "numeric"}}
    path = folder / "driftd.yaml"
    path.write_text(json.dumps({
        "store": store or f"sqlite:///{folder}/driftd.db",
        "kafka": {"bootstrap_servers": "127.0.0.1:1"},
        "models": dict.fromkeys(models or ("m",), model),
    }))
    return path
