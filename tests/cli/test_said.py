"""What people and pipelines give on the command line is held to the API's rules."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.core.retraining import RetrainingEvent, RetrainingState
from monitor.storage import open_store
from tests.cli.driftd import Driftd, configuration
from tests.contracts.store_story import NOW, event, incident, judgement
from tests.contracts.test_store_people import asked

HALF = "caf\udce9"
"""A byte of Latin-1, as Python gives it from a command line."""
REFUSED = [
    (("retrainings", "status"), ("ret_1", "running", "--run-url", "javascript:alert(1)"), "expected an address like https://"),
    (("retrainings", "status"), ("ret_1", "succeeded", "--version", "8\n"), "expected a name of 1 to 200 printable characters"),
    (("retrainings", "status"), ("ret_1", "failed", "--detail", HALF), "expected a text of at most 1000 characters"),
    (("retrainings", "status"), ("ret_1", "failed", "--detail", "x" * 1001), "expected a text of at most 1000 characters"),
    (("retrainings", "request"), ("m", "--reason", HALF), "expected a text of at most 1000 characters"),
    (("retrainings", "cancel"), ("ret_1", "--by", HALF), "expected a name of 1 to 80 printable characters"),
    (("incidents", "ack"), ("inc_1", "--by", "\x1b[31mann"), "expected a name of 1 to 80 printable characters"),
    (("silences", "add"), ("m", "--for", "1h", "--reason", HALF), "expected a text of at most 1000 characters"),
    (("silences", "add"), ("m", "--for", "1h", "--column", HALF), "expected a text of at most 1000 characters"),
]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A firing incident of m, and a request to retrain it."""
    with closing(open_store(f"sqlite:///{tmp_path}/driftd.db")) as store:
        store.record(judgement(incident=incident(), events=(event(None, incident().state),)))
        request = replace(asked(), state=RetrainingState.REQUESTED)
        store.add_retraining(request, RetrainingEvent(retraining="ret_1", at=NOW, before=None, after=request.state))
    return configuration(tmp_path, "m")


@pytest.mark.parametrize(("command", "words", "why"), REFUSED)
def test_what_the_api_would_not_take_the_command_does_not_either(
    driftd: Driftd, config: Path, command: tuple[str, ...], words: tuple[str, ...], why: str
) -> None:
    done = driftd(*command, config, *words)
    assert done.code == 2, done.err
    assert why in done.line
    with closing(open_store(f"sqlite:///{config.parent}/driftd.db")) as store:
        assert (store.retrainings()[0].state, store.silences(), store.audit()) == (RetrainingState.REQUESTED, [], [])


def test_what_is_fine_is_kept_as_it_was_said(driftd: Driftd, config: Path) -> None:
    words = ("succeeded", "--version", "8", "--detail", "läuft", "--run-url", "https://ci.example/7", "--by", "")
    assert driftd("retrainings", "status", config, "ret_1", *words).code == 0
    with closing(open_store(f"sqlite:///{config.parent}/driftd.db")) as store:
        [done] = store.retrainings()
    assert (done.new_version, done.detail, done.run_url) == ("8", "läuft", "https://ci.example/7")
