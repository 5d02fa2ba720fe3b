"""The API against its own description, by schemathesis: what it documents is what it does, and what it does not document it refuses."""

from __future__ import annotations

import subprocess
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.web.openapi import PATHS
from tests.edges.web_site import TOKEN, Site, site
from tests.edges.web_story import OPEN_ID, OVER_ID, PAST_ID, SILENCE_ID
from tests.fuzz.requests import fire_again

OPERATIONS = [(path, verb) for path, verbs in PATHS.items() for verb in verbs]
KNOWN: Mapping[str, list[dict[str, str]]] = {
    "/api/v1/models/{model}/windows": [{"model": "flight-delay"}, {"model": "bag-loss"}],
    "/api/v1/models/{model}/labels": [{"model": "flight-delay"}, {"model": "bag-loss"}],
    "/api/v1/incidents/{id}": [{"id": OPEN_ID}, {"id": PAST_ID}],
    "/api/v1/incidents/{id}/report": [{"id": OPEN_ID}, {"id": PAST_ID}],
    "/api/v1/incidents/{id}/ack": [{"id": OPEN_ID}, {"id": PAST_ID}],
    "/api/v1/incidents/{id}/resolve": [{"id": OPEN_ID}, {"id": PAST_ID}],
    "/api/v1/incidents/{id}/silence": [{"id": OPEN_ID}, {"id": PAST_ID}],
    "/api/v1/silences/{id}": [{"id": SILENCE_ID}, {"id": OVER_ID}],
    "/api/v1/retrainings/{id}": [{"id": "ret-1"}],
    "/api/v1/retrainings/{id}/approve": [{"id": "ret-1"}],
    "/api/v1/retrainings/{id}/cancel": [{"id": "ret-1"}],
    "/api/v1/retrainings/{id}/status": [{"id": "ret-1"}],
}
"""What there is at a path: made-up names alone would only ever give 404."""
MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
BEARER = {"Authorization": f"Bearer {TOKEN}"}
EXAMPLES = 60


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("web")) as made:
        yield made


@pytest.mark.parametrize(("path", "verb"), OPERATIONS, ids=[f"{verb} {path}" for path, verb in OPERATIONS])
def test_every_answer_is_as_described(here: Site, path: str, verb: str) -> None:
    operation = schemathesis.openapi.from_url(f"{here.server.url}/api/v1/openapi.json")[path][verb.upper()]
    cases = [operation.as_strategy(mode, path_parameters=place) for mode in MODES for place in [None, *KNOWN.get(path, [])]]

    @settings(
        max_examples=EXAMPLES * len(cases) // 2, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(st.one_of(cases))
    def described(case: schemathesis.Case) -> None:
        answer = case.call_and_validate(headers=BEARER, timeout=5)
        if verb == "post" and answer.status_code == 200 and path.endswith(("/ack", "/resolve")):
            fire_again(here.store)

    described()


@pytest.mark.long
def test_all_checks_and_phases_of_schemathesis_pass(here: Site, tmp_path: Path) -> None:
    """Its coverage and stateful phases follow ids from one answer into the next request."""
    program, document = f"{sysconfig.get_path('scripts')}/schemathesis", f"{here.server.url}/api/v1/openapi.json"
    command = [program, "run", document, "-H", f"Authorization: {BEARER['Authorization']}"]
    bounds = ["--max-examples", "60", "--seed", "1", "--max-response-time", "2"]
    done = subprocess.run([*command, *bounds], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6_000:]
