"""What a running daemon says of itself over HTTP."""

from __future__ import annotations

import time

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from tests.daemon.running import MODEL, a_run, daemon, encoded, new_topic, row
from tests.flights_run import produce

pytestmark = pytest.mark.kafka
ROWS = 4000


def test_a_running_daemon_tells_how_it_is_and_what_it_did(kafka, tmp_path):
    topic = new_topic(kafka)
    produce(kafka.bootstrap, topic, encoded(row(n) for n in range(ROWS)))
    run = a_run(tmp_path, kafka.bootstrap, topic, api_version=kafka.api_version)
    with daemon(run) as d:
        d.until(lambda: d.received() == ROWS)
        assert d.get("/livez") == (200, "ok\n")
        assert d.get("/readyz") == (200, "ok\n")
        assert "loop intake: " in d.get("/livez?verbose")[1]
        assert "loop judge: " in d.get("/livez?verbose")[1]
        status, page = d.get("/")
        assert status == 200
        assert MODEL in page
        d.until(lambda: figure(d.get("/metrics")[1], "driftd_windows_judged_total", model=MODEL) == 1)
        text = d.get("/metrics")[1]
        assert figure(text, "driftd_messages_total", model=MODEL, stream="predictions", outcome="counted") == ROWS
        assert figure(text, "driftd_ready") == figure(text, "driftd_store_up") == 1
        assert figure(text, "driftd_consumer_lag_records", topic=topic, partition="0") == 0
        assert figure(text, "driftd_window_seconds", model=MODEL) == 3600
        assert abs(figure(text, "driftd_evaluation_last_success_timestamp_seconds", model=MODEL) - time.time()) < 60
        assert figure(text, "driftd_quarantine_share", model=MODEL, stream="predictions") == 0
        assert figure(text, "driftd_config_last_reload_successful") == 1
        assert figure(text, "driftd_job_duration_seconds_count", job="judge") > 0
        assert figure(text, "process_resident_memory_bytes") < 200e6
        media = "application/openmetrics-text; version=1.0.0"
        families = {family.name for family in openmetrics(d.get("/metrics", Accept=media)[1])}
        assert {"driftd_messages", "driftd_loop_heartbeat_timestamp_seconds", "driftd_results"} <= families


def figure(text: str, name: str, **labels: str) -> float:
    """The one sample of this name and these labels; -1 where there is none."""
    found = [s.value for family in prometheus(text) for s in family.samples if s.name == name and labels.items() <= s.labels.items()]
    assert len(found) < 2, found
    return found[0] if found else -1.0
