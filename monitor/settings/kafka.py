"""How to reach Kafka."""

from __future__ import annotations

import re
from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema

from monitor.core.gaps import OnLoss
from monitor.settings.block import Block, Duration, File, SecretText, Text, within
from monitor.settings.durations import shown
from monitor.settings.secret import Secret

_SERVER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:([0-9]{1,5}))?", re.ASCII)
_VERSION = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){1,3}", re.ASCII)
_LARGEST_PORT = 65_535


def _servers(value: object) -> tuple[str, ...]:
    items = value.split(",") if isinstance(value, str) else value if isinstance(value, (list, tuple)) else []
    servers = tuple(str(item).strip() for item in items)
    if not servers:
        raise ValueError(f"{shown(value)} is not understood; expected host:port, host:port, …")
    for server in servers:
        match = _SERVER.fullmatch(server)
        if not match or int(match[3] or 0) > _LARGEST_PORT:
            raise ValueError(f"{shown(server)} is not a server; expected host:port")
    return servers


def _version(value: object) -> tuple[int, ...]:
    if isinstance(value, (tuple, list)):
        value = ".".join(map(str, value))
    if not isinstance(value, str) or not _VERSION.fullmatch(value):
        raise ValueError(f"{shown(value)} is not a version; expected numbers with dots, e.g. 2.3")
    return tuple(map(int, value.split(".")))


class Client(StrEnum):
    """The library that reads."""

    KAFKA_PYTHON = "kafka-python"
    CONFLUENT = "confluent-kafka"


class Start(StrEnum):
    """Where a partition without a stored offset begins."""

    EARLIEST = "earliest"
    LATEST = "latest"


class SecurityProtocol(StrEnum):
    """How the connection is protected."""

    PLAINTEXT = "PLAINTEXT"
    SSL = "SSL"
    SASL_PLAINTEXT = "SASL_PLAINTEXT"
    SASL_SSL = "SASL_SSL"


class SaslMechanism(StrEnum):
    """How driftd tells the broker who it is."""

    PLAIN = "PLAIN"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512"
    GSSAPI = "GSSAPI"


Servers = Annotated[
    tuple[str, ...],
    PlainValidator(_servers),
    WithJsonSchema({"anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]
ApiVersion = Annotated[tuple[int, ...], PlainValidator(_version), WithJsonSchema({"type": ["string", "number"], "examples": ["2.3"]})]
SessionTimeout = Annotated[Duration, AfterValidator(within(timedelta(seconds=6), timedelta(minutes=5)))]
PollTimeout = Annotated[Duration, AfterValidator(within(timedelta(milliseconds=10), timedelta(seconds=30)))]


class KafkaSettings(Block):
    """The Kafka cluster that the topics are read from."""

    bootstrap_servers: Servers = Field(description="host:port of one or more brokers, separated by commas or as a list.")
    group_id: Text = Field(default="driftd", description="Consumer group; replicas of one driftd share it.")
    group_instance_id: Text | None = Field(
        None, description="Name of this one replica (static membership): after a crash it gets its partitions back at once."
    )
    session_timeout: SessionTimeout = Field(
        timedelta(seconds=10), description="A replica that is silent for so long loses its partitions to the others."
    )
    client: Client = Field(default=Client.KAFKA_PYTHON, description="The library that reads.")
    client_id: Text = Field(default="driftd", description="Name by which the brokers' logs and quotas know driftd.")
    api_version: ApiVersion | None = Field(default=None, description="Protocol version to assume; left out: asked of the broker.")
    start: Start = Field(default=Start.EARLIEST, description="Where a partition begins that driftd has no stored offset of.")
    out_of_range: OnLoss = Field(
        default=OnLoss.EARLIEST,
        description="Where to go on when the log lost the next offset: earliest (what is left), latest (the end), fail (stop).",
    )
    max_poll_records: int = Field(default=5000, ge=1, le=100_000, description="Most messages that one poll returns.")
    poll_timeout: PollTimeout = Field(default=timedelta(seconds=1), description="How long one poll waits for messages.")
    security_protocol: SecurityProtocol = Field(default=SecurityProtocol.PLAINTEXT, description="Protection of the connection.")
    sasl_mechanism: SaslMechanism | None = Field(default=None, description="How to log in; needed with SASL_PLAINTEXT and SASL_SSL.")
    sasl_plain_username: Text | None = Field(default=None, description="User name for PLAIN and SCRAM.")
    sasl_plain_password: SecretText | None = Field(default=None, description="Password for PLAIN and SCRAM.")
    sasl_plain_password_file: File | None = Field(default=None, description="File that holds the password for PLAIN and SCRAM.")
    sasl_kerberos_name: Text | None = Field(default=None, description="Kerberos principal for GSSAPI.")
    sasl_kerberos_service_name: Text = Field(default="kafka", description="Kerberos service name of the brokers for GSSAPI.")
    sasl_kerberos_domain_name: Text | None = Field(default=None, description="Kerberos domain of the brokers for GSSAPI.")
    ssl_cafile: File | None = Field(default=None, description="Certificates to trust (PEM); left out: the system's.")
    ssl_certfile: File | None = Field(default=None, description="Client certificate (PEM) for mutual TLS.")
    ssl_keyfile: File | None = Field(default=None, description="Key of the client certificate (PEM).")
    ssl_password: SecretText | None = Field(default=None, description="Password of the key.")
    ssl_password_file: File | None = Field(default=None, description="File that holds the password of the key.")
    ssl_crlfile: File | None = Field(default=None, description="Certificate revocation list (PEM).")
    ssl_ciphers: Text | None = Field(default=None, description="OpenSSL list of allowed ciphers.")
    ssl_check_hostname: bool = Field(default=True, description="Whether the broker's certificate must bear its host name.")

    @property
    def uses_sasl(self) -> bool:
        """Whether driftd logs in by SASL."""
        return self.security_protocol in (SecurityProtocol.SASL_PLAINTEXT, SecurityProtocol.SASL_SSL)

    @property
    def uses_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.security_protocol in (SecurityProtocol.SSL, SecurityProtocol.SASL_SSL)

    def secrets(self) -> tuple[tuple[str, Secret], ...]:
        """The secrets given, by key."""
        pairs = (("sasl_plain_password", self.sasl_plain_password), ("ssl_password", self.ssl_password))
        return tuple((name, secret) for name, secret in pairs if secret is not None)
