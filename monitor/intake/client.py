"""How a kafka-python consumer is made from the settings: the options whose defaults would hurt, and the port probed first."""

from __future__ import annotations

import socket
from typing import Any

from kafka import KafkaConsumer
from kafka.errors import KafkaError
from kafka.net.compat import KafkaNetClient

from monitor.errors import Retryable
from monitor.intake.sockets import DIRECT
from monitor.settings import KafkaSettings

PROBE_SECONDS = 3.0
DEFAULT_PORT = 9092
METADATA_AGE_MS = 30_000
"""New partitions and topics are noticed within this time."""
FETCH_BYTES = 16 * 1024 * 1024
"""At most so much of one broker's answer is held; a single larger message still comes through. No more is asked for before that is read,
and nothing between polls: a reader that does not poll, since its store is away, gathers nothing."""
PARTITION_BYTES = 1024 * 1024
"""At most so much of it is of one partition, so that a long one does not crowd out the others."""
LARGEST_ANSWER = 256 * 1024 * 1024
"""A larger answer is refused. It has to hold the largest batch that the brokers take (``max.message.bytes``) and stays below what the
first bytes of a TLS alert or of HTTP would be as a length."""
POLL_INTERVAL_MS = 60_000
"""A reader that has not polled for so long, because its store is away, leaves its partitions to a replica whose store answers: the
heartbeat goes on by itself and would keep them for ever. It is also how long a rebalance waits for such a reader."""
FETCH_MIN_BYTES, FETCH_WAIT_MS = 64 * 1024, 500
"""The broker gathers so much, or waits so long: a trickle is read in few round trips."""
REQUEST_TIMEOUT_MS = 15_000
RECONNECT_MAX_MS = 5_000
"""A broker that is back is noticed within this time."""
BOOTSTRAP_TIMEOUT_MS = 10_000
"""A broker that takes connections but answers nothing, or not our password, is given up after this."""
HEARTBEATS_PER_SESSION = 3
"""Two lost heartbeats cost nothing."""


def probe(kafka: KafkaSettings) -> None:
    """Raise Retryable unless some bootstrap server takes connections, so that an absent broker is told apart from one that refuses us."""
    failures = []
    for server in kafka.bootstrap_servers:
        try:
            socket.create_connection(_address(server), timeout=PROBE_SECONDS).close()
        except OSError as error:
            failures.append(f"{server} ({error.strerror or error})")
        else:
            return
    raise Retryable(f"no Kafka broker answers at {', '.join(failures)}")


def _address(server: str) -> tuple[str, int]:
    host, colon, port = server.rpartition(":")
    if not colon or port.endswith("]"):  # no port, or the end of an IPv6 address in brackets
        host, port = server, str(DEFAULT_PORT)
    return host.strip("[]"), int(port)


def make_consumer(kafka: KafkaSettings) -> KafkaConsumer:
    """A consumer that takes bytes, never commits by itself, and says when an offset is gone. Raises Retryable."""
    probe(kafka)
    given = options(kafka)
    made: list[KafkaNetClient] = []

    def client(**configs: Any) -> KafkaNetClient:
        made.append(KafkaNetClient(**configs))
        return made[-1]

    try:
        return KafkaConsumer(kafka_client=client, **given)
    except (KafkaError, OSError, AssertionError) as error:  # it asserts that the library for a SASL mechanism is there
        for left in made:  # the constructor leaves its thread and sockets behind
            left.close()
        raise Retryable(f"Kafka at {', '.join(kafka.bootstrap_servers)} does not let us in: {said(error)}") from None


def options(kafka: KafkaSettings) -> dict[str, Any]:
    """The consumer's configuration. No deserializers: one that raises makes kafka-python's next poll spin for ever."""
    given: dict[str, Any] = {
        "bootstrap_servers": list(kafka.bootstrap_servers),
        "group_id": kafka.group_id,
        "client_id": kafka.client_id,
        "enable_auto_commit": False,
        "auto_offset_reset": "none",
        "allow_auto_create_topics": False,
        "isolation_level": "read_committed",
        "max_poll_records": kafka.max_poll_records,
        "fetch_max_bytes": FETCH_BYTES,
        "max_partition_fetch_bytes": PARTITION_BYTES,
        "receive_message_max_bytes": LARGEST_ANSWER,
        "fetch_min_bytes": FETCH_MIN_BYTES,
        "fetch_max_wait_ms": FETCH_WAIT_MS,
        "metadata_max_age_ms": METADATA_AGE_MS,
        "request_timeout_ms": REQUEST_TIMEOUT_MS,
        "reconnect_backoff_max_ms": RECONNECT_MAX_MS,
        "bootstrap_timeout_ms": BOOTSTRAP_TIMEOUT_MS,
        "proxy_url": DIRECT,
        "security_protocol": str(kafka.security_protocol),
        "metrics_enabled": False,
        "session_timeout_ms": int(kafka.session_timeout.total_seconds() * 1000),
        "max_poll_interval_ms": max(POLL_INTERVAL_MS, int(kafka.session_timeout.total_seconds() * 1000)),
        "heartbeat_interval_ms": int(kafka.session_timeout.total_seconds() * 1000) // HEARTBEATS_PER_SESSION,
    }
    if kafka.group_instance_id is not None:
        given["group_instance_id"] = kafka.group_instance_id
    if kafka.api_version is not None:
        given["api_version"] = kafka.api_version
    if kafka.uses_sasl:
        given |= _sasl(kafka)
    if kafka.uses_tls:
        given |= _tls(kafka)
    return given


def _sasl(kafka: KafkaSettings) -> dict[str, Any]:
    password = kafka.sasl_plain_password
    return {
        "sasl_mechanism": None if kafka.sasl_mechanism is None else str(kafka.sasl_mechanism),
        "sasl_plain_username": kafka.sasl_plain_username,
        "sasl_plain_password": None if password is None else password.read(),
        "sasl_kerberos_name": kafka.sasl_kerberos_name,
        "sasl_kerberos_service_name": kafka.sasl_kerberos_service_name,
        "sasl_kerberos_domain_name": kafka.sasl_kerberos_domain_name,
    }


def _tls(kafka: KafkaSettings) -> dict[str, Any]:
    files = {name: getattr(kafka, name) for name in ("ssl_cafile", "ssl_certfile", "ssl_keyfile", "ssl_crlfile")}
    return {name: None if path is None else str(path) for name, path in files.items()} | {
        "ssl_password": None if kafka.ssl_password is None else kafka.ssl_password.read(),
        "ssl_ciphers": kafka.ssl_ciphers,
        "ssl_check_hostname": kafka.ssl_check_hostname,
    }


def said(error: BaseException) -> str:
    """An error of the client as one line."""
    name, text = type(error).__name__, str(error)
    return (text if text.startswith(name) else f"{name}: {text}").split("\n")[0][:300]
