"""A broker that is not there yet, dies, and comes back."""

from __future__ import annotations

import pytest

from tests.daemon.running import Daemon, a_run, daemon, encoded, new_topic, row
from tests.flights_run import produce
from tests.kafka_broker import Broker, free_port, node

__all__ = ["node"]

pytestmark = pytest.mark.kafka


@pytest.mark.real_kafka
@pytest.mark.fault(2, 4)
def test_a_daemon_outlives_its_broker(node, tmp_path):
    topic = "predictions.later"
    run = a_run(tmp_path, node.bootstrap, topic)
    with daemon(run, ready=False) as d:
        says(d, f"kafka_unreachable: no Kafka broker answers at {node.bootstrap}")
        assert d.get("/livez") == (200, "ok\n")
        assert "store_unavailable" not in d.get("/readyz")[1]

        node.start()
        Broker(bootstrap=node.bootstrap, real=True).create_topic(topic, 1)
        produce(node.bootstrap, topic, encoded(row(n) for n in range(50)))
        d.until(lambda: d.ready() and d.received() == 50, 60)

        node.stop()
        says(d, f"kafka_unreachable: Kafka at {node.bootstrap} does not answer")
        assert d.get("/livez")[0] == d.get("/metrics")[0] == 200

        node.start()
        produce(node.bootstrap, topic, encoded(row(n) for n in range(50, 80)))
        d.until(lambda: d.ready() and d.received() == 80, 60)
        assert d.log("intake.back")

        node.stop()  # what waits for the broker now does not hold up the end
        assert d.stop() < 10.0


def says(d: Daemon, text: str) -> None:
    """Wait until /readyz is 503 and says this."""
    d.until(lambda: (answer := d.get("/readyz"))[0] == 503 and text in answer[1], 40)


def test_until_idle_gives_up_on_a_broker_that_stays_away(tmp_path):
    nowhere = f"127.0.0.1:{free_port()}"
    run = a_run(tmp_path, nowhere, "predictions.never")
    with daemon(run, "--until-idle", "--patience", "1", ready=False) as d:
        assert d.ended() == 1
        said = d.text().splitlines()[-1]
        assert said.startswith(f"driftd: could not begin to read within 1 s: no Kafka broker answers at {nowhere} (")
        assert "Traceback" not in d.text()


def test_until_idle_names_a_topic_that_is_not_there(kafka, tmp_path):
    run = a_run(tmp_path, kafka.bootstrap, "predictions.nowhere", api_version=kafka.api_version)
    with daemon(run, "--until-idle", "--patience", "2", ready=False) as d:
        assert d.ended() == 1
        said = d.text().splitlines()[-1]
        assert said == f"driftd: could not begin to read within 2 s: topic 'predictions.nowhere' does not exist at {kafka.bootstrap}"


def test_until_idle_on_an_empty_topic_is_done_at_once_and_finds_no_windows(kafka, tmp_path):
    run = a_run(tmp_path, kafka.bootstrap, new_topic(kafka, 3), api_version=kafka.api_version)
    run.driftd("run", str(run.config), "--until-idle")
    assert run.rows("windows", str(run.config)) == run.rows("results", str(run.config)) == []
