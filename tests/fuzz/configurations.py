"""Configuration files: any bytes are settings, or a SettingsError that a person can read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from monitor.errors import Problem, SettingsError
from monitor.settings import load_settings
from tests.fuzz.target import Check, Target, require

ROOT = Path(__file__).parents[2]
ENV = {"A": "b", "EMPTY": "", "SERVERS": "a:1,b:2", "INJECTED": "1}\nevil: {a: b", "KAFKA_BOOTSTRAP_SERVERS": "k:9092"}
LONGEST = 3_000
SECRETS = ("hush-token", "hush-hook", "hush-password")
IN_PLACE = re.compile(rb"(token|password|secret): hush-\w+|u:hush-password@")
"""Where they are secrets: mutations put them into names and hosts too, and there they may show."""
SMALL = b"""kafka: {bootstrap_servers: "${SERVERS:-a:1}", api_version: '2.3'}
models:
  m:
    task: binary
    window: 1h
    streams: {predictions: {topic: p, id: i, time: t, prediction: y, score: s, features: f}}
    columns: {x: numeric, y2: {kind: boolean, path: a.b}}
"""
RICH = b"""store: postgresql+psycopg://u:hush-password@h/d
kafka: {bootstrap_servers: [a:1, "[::1]:2"], security_protocol: SASL_SSL, sasl_mechanism: PLAIN, sasl_plain_username: u,
  sasl_plain_password: hush-password}
slack: {token: hush-token, channel: "#c", timeout: 5s}
http: {port: 0, host: 0.0.0.0, token: hush-token, public_url: https://d.example}
checkpoint: {every: 1s}
x-more: &more {min_rows: 7, allowed_lateness: 1d12h}
models:
  m: &m
    <<: *more
    task: multiclass
    window: 90m
    streams: {predictions: {topic: p, id: i, time: t}, labels: {topic: l, id: i, time: t, label: y}}
    segments: [x]
    columns: {x: categorical}
    reference: {seasonal: {lag: 7d, count: 4}}
    drift: {tests: [{method: psi, threshold: 0.2, columns: x}], false_alarms: 1 per 30d}
    quality: {max_null_share: 0.2, unseen_categories: auto}
    performance: {metrics: [f1], max_drop: 0.03, label_delay: 30d, min_labelled: 100}
    alerts: {open_after: 1, resolve_after: 2, repeat_after: 24h}
    retraining: {webhook: {url: "https://c/x", secret: hush-hook}, when: {performance: 2 windows, drift: 3}, cooldown: 24h}
  n: *m
"""
WORDS = [
    b"kafka:", b"models:", b"bootstrap_servers", b"\n", b"\n  ", b"- ", b"? ", b": ", b"{", b"}", b"[", b"]", b",", b"#", b"\t", b"-", b"@",
    b"&a ", b"*a", b"*m", b"<<: ", b"!!int ", b"!x ", b"!!binary ", b"|\n", b">-\n", b"'", b'"', b"%YAML 1.1\n", b"---\n", b"...\n",
    b"${", b"${A:-", b"${A}",
    b"${EMPTY}", b"${NONE}", b"${INJECTED}", b"$${", b"~", b"\\x", b"\xed\xa0\x80", b"\0", b"\xc2\x85", b"\xef\xbb\xbf", b"\xff",
    b"1e400", b"0x",
    b"1h", b"0s", b"-1", b"99999999999w", b"1 per 0s", b"inf", b"nan", b"true", b"a.b.c", b"..", b"file:///etc", b"http://[::1", b"http://169.254.169.254/",
    b"~nobody/x", b"/dev/null", b"x" * 200, b"task:", b"window:", b"streams:", b"columns:", b"drift:", b"tests:", b"path:",
]  # fmt: skip


def seeds() -> Sequence[bytes]:
    broken = [path.read_bytes() for path in sorted((ROOT / "tests/data/settings").glob("*.yaml"))]
    return [SMALL, RICH, *(data for data in broken if len(data) < LONGEST)]


@contextmanager
def opened(folder: Path) -> Iterator[Check]:
    """The check of one file."""
    path = folder / "driftd.yaml"

    def check(data: bytes) -> None:
        path.write_bytes(data)
        try:
            settings = load_settings(path, ENV)
        except SettingsError as error:
            require(bool(error.problems), "refused without a reason")
            for problem in error.problems:
                readable(problem, data)
            return
        settings.models()
        for name in settings.model_names():
            settings.retraining_webhook(name), settings.reference_file(name)
        said = f"{settings} {settings!r} {settings.notes()}"
        elsewhere = IN_PLACE.sub(b"", data).decode("utf-8", "replace")
        require(not any(secret in said and secret not in elsewhere for secret in SECRETS), "a secret shows")

    yield check


def readable(problem: Problem, data: bytes) -> None:
    """One line, at a place of the file, that any terminal can show."""
    text = str(problem)
    text.encode()
    require(text.isprintable(), "a problem that is not printable")
    require(bool(problem.message) and len(text) < 6_000, "a problem without a message, or without an end")
    require(problem.column >= 1 and 1 <= problem.line <= len(data.decode("utf-8", "replace").splitlines()) + 1, "a place outside the file")


TARGETS = (Target(name="configurations", inputs=50_000, short=1_500, longest=LONGEST, seeds=seeds, words=WORDS, opened=opened),)
