"""Attackers at the edges: addresses that must not be called, secrets that are no files, half requests, texts that would be obeyed."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest

from monitor.cli.output import FORMULA_STARTS, Format, write
from monitor.contract import result_object
from monitor.core.incidents import Notify, NotifyKind
from monitor.core.messages import ColumnLine, Occasion, incident_message
from monitor.core.profile.categorical import category_text
from monitor.core.results import Check, Result, Verdict
from monitor.demo import scripted_http as http
from monitor.demo.slack_limits import refusal
from monitor.demo.slack_server import SlackServer
from monitor.errors import Permanent, Retryable
from monitor.formats.columns import storable
from monitor.health import Health
from monitor.metrics import Metrics
from monitor.notify.slack import SlackBot
from monitor.notify.slack_message import build, build_note
from monitor.notify.slack_webhook import SlackWebhook
from monitor.notify.transport import Limits, post
from monitor.notify.webhook import Webhook
from monitor.ports import Delivery, Judgement
from monitor.settings.addresses import literal, refused_range
from monitor.settings.secret import MAX_BYTES, Secret
from monitor.settings.service import HttpSettings
from monitor.storage import open_store
from monitor.web import WebServer
from monitor.web.deadlines import Deadlines
from tests.edges.web_site import TOKEN, Site, site
from tests.edges.web_story import DAY, FIRST, FLIGHTS, OPEN_ID
from tests.faults.outbox import INCIDENT, REASONS, Hands, told
from tests.webhook_server import WebhookReceiver

METADATA = "169.254.169.254"

# --- addresses -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "network"),
    [
        (METADATA, "169.254.0.0/16"),
        ("169.254.170.2", "169.254.0.0/16"),
        ("fe80::1", "fe80::/10"),
        ("fe80::1%eth0", "fe80::/10"),
        ("febf:ffff::", "fe80::/10"),
        ("fd00:ec2::254", "fd00:ec2::/32"),
        ("fd20:ce::254", "fd20:ce::254/128"),
        ("100.100.100.200", "100.100.100.200/32"),
        ("::ffff:169.254.169.254", "169.254.0.0/16"),
        ("::ffff:100.100.100.200", "100.100.100.200/32"),
        ("64:ff9b::a9fe:a9fe", "169.254.0.0/16"),
        ("64:ff9b:1::a9fe:a9fe", "169.254.0.0/16"),
        ("2002:a9fe:a9fe::1", "169.254.0.0/16"),
        ("::a9fe:a9fe", "169.254.0.0/16"),
        ("2001:0:4136:e378:8000:63bf:5601:5601", "169.254.0.0/16"),
    ],
)
def test_link_local_and_metadata_addresses_are_refused_however_they_are_wrapped(address: str, network: str) -> None:
    assert refused_range(address) == network


@pytest.mark.parametrize("address", ["10.0.0.1", "172.16.9.9", "192.168.1.1", "127.0.0.1", "::1", "fd00::1", "8.8.8.8", "2606:4700::1",
                                     "64:ff9b::808:808", "::ffff:10.0.0.1", "100.100.100.201", "169.253.0.1"])
def test_private_and_public_addresses_are_called(address: str) -> None:
    assert refused_range(address) is None


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("2852039166", METADATA),
        ("0xa9fea9fe", METADATA),
        ("0251.0376.0251.0376", METADATA),
        ("169.254.43518", METADATA),
        ("fe80::1", "fe80::1"),
        ("example.com", None),
        ("a" * 300, None),
        ("ä.example", None),
    ],
)
def test_an_address_is_known_in_every_spelling_that_the_system_takes(host: str, address: str | None) -> None:
    assert literal(host) == address


class Names:
    """A resolver that answers as told, call by call, and sends numbers on to the real one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: tuple[str, ...]) -> None:
        self.asked: list[str] = []
        self._answers = list(answers)
        self._real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self.look_up)

    def look_up(self, host: str, port: int, *args: Any, **options: Any) -> Any:
        if literal(str(host)) is not None:
            return self._real(host, port, *args, **options)
        self.asked.append(host)
        return [made for address in self._answers.pop(0) for made in self._real(address, port, type=socket.SOCK_STREAM)]


@pytest.fixture
def hook() -> Iterator[WebhookReceiver]:
    server = WebhookReceiver()
    yield server
    server.close()


def to(hook: WebhookReceiver, host: str) -> str:
    return hook.url.replace("127.0.0.1", host)


def delivery(attempts: int = 0) -> Delivery:
    return Delivery(id="msg_1", receiver="slack", kind="firing", incident=INCIDENT.id, body=told(NotifyKind.FIRING), attempts=attempts,
                    created_at=Hands().now())


def test_a_name_is_looked_up_once_and_what_was_checked_is_called(monkeypatch: pytest.MonkeyPatch, hook: WebhookReceiver) -> None:
    names = Names(monkeypatch, ("127.0.0.1",), (METADATA,))  # rebinds at the second look
    answer = post(to(hook, "rebind.example"), content=b"{}", headers={}, limits=Limits())
    assert (answer.status, names.asked) == (202, ["rebind.example"])
    assert hook.requests[0].headers["host"].startswith("rebind.example:")


@pytest.mark.parametrize("answers", [(METADATA,), ("127.0.0.1", METADATA), ("::ffff:a9fe:a9fe",), ("64:ff9b::a9fe:a9fe",)])
def test_a_name_that_leads_to_a_refused_address_is_not_called(
    monkeypatch: pytest.MonkeyPatch, hook: WebhookReceiver, answers: tuple[str, ...]
) -> None:
    Names(monkeypatch, answers)
    with pytest.raises(Permanent, match=r"the host evil\.example is at .*, in 169\.254\.0\.0/16, link-local") as caught:
        post(to(hook, "evil.example"), content=b"{}", headers={}, limits=Limits())
    assert "allow_link_local" in str(caught.value)
    assert "hush" not in str(caught.value)
    assert hook.requests == []


def test_of_several_addresses_the_next_is_tried_when_one_does_not_answer(monkeypatch: pytest.MonkeyPatch, hook: WebhookReceiver) -> None:
    Names(monkeypatch, ("::1", "127.0.0.1"))  # nobody listens at the first
    assert post(to(hook, "two.example"), content=b"{}", headers={}, limits=Limits()).status == 202


def test_a_name_that_nobody_knows_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_args: object, **_options: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(Retryable, match="the connection failed"):
        post("http://nowhere.example/hush", content=b"{}", headers={}, limits=Limits())


def test_a_name_without_an_address_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    Names(monkeypatch, ())
    with pytest.raises(Retryable, match="the connection failed"):
        post("http://empty.example/hush", content=b"{}", headers={}, limits=Limits())


def test_every_receiver_keeps_the_rule_and_an_explicit_setting_lifts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []

    def connect(address: tuple[str, int], *_args: object, **_options: object) -> None:
        """No test may really call such an address: somebody may answer there."""
        called.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    clock, secret = Hands(), Secret(text="s")
    address = f"http://{METADATA}:9"
    bots = {allowed: SlackBot(token=secret, channel="c", api_url=f"{address}/api/", clock=clock, timeout=0.2, link_local=allowed)
            for allowed in (False, True)}
    hooks = {allowed: Webhook(name="w", url=f"{address}/x", secret=secret, clock=clock, timeout=0.2, link_local=allowed)
             for allowed in (False, True)}
    slacks = {allowed: SlackWebhook(url=Secret(text=f"{address}/services/T/B/X"), clock=clock, timeout=0.2, insecure=True,
                                    link_local=allowed) for allowed in (False, True)}
    for receivers in (bots, hooks, slacks):
        with pytest.raises(Permanent, match=rf"the host {re.escape(METADATA)} is in 169\.254\.0\.0/16, link-local or cloud metadata"):
            receivers[False].send(delivery())
        assert called == []
        with pytest.raises(Retryable, match="the connection failed"):
            receivers[True].send(delivery())
        assert called == [METADATA]
        called.clear()


@pytest.mark.fault(15)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("attempts", [0, 1])
def test_slacks_token_never_reaches_where_a_redirect_points(hook: WebhookReceiver, status: int, attempts: int) -> None:
    slack = SlackServer(token="xoxb-1", scopes={"chat:write", "channels:history"})
    try:
        slack.script(*[http.redirects(hook.url, status)] * 2)  # the look-up of a lost answer, and the post
        with pytest.raises(Permanent, match="a redirect, which is not followed"):
            SlackBot(token=Secret(text="xoxb-1"), channel="C123", api_url=slack.url, clock=Hands()).send(delivery(attempts))
        assert len(slack.requests) == 1 + attempts
        assert all("authorization" in request.headers for request in slack.requests)
        assert hook.requests == []  # no request, so no Authorization either
    finally:
        slack.close()


# --- secret files --------------------------------------------------------------------------------------------


def test_a_fifo_that_nobody_writes_to_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "token")
    began = time.monotonic()
    with pytest.raises(Retryable, match="token: not a regular file"):
        Secret(file=tmp_path / "token").read()
    assert time.monotonic() - began < 1


def test_a_folder_and_a_device_are_no_secrets(tmp_path: Path) -> None:
    for path in (tmp_path, Path("/dev/zero")):
        with pytest.raises(Retryable, match=f"{path}: not a regular file"):
            Secret(file=path).read()


def test_a_secret_file_is_read_up_to_a_limit(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_bytes(b"x" * MAX_BYTES)
    assert len(Secret(file=file).read()) == MAX_BYTES
    file.write_bytes(b"x" * (MAX_BYTES + 1))
    with pytest.raises(Retryable, match="over 65536 bytes"):
        Secret(file=file).read()


READ = "from pathlib import Path; from monitor.settings.secret import Secret; import os, sys\n" \
    "if os.geteuid() == 0: os.setuid(65534)\n" \
    "Secret(file=Path(sys.argv[1])).read()"


def test_a_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("x")
    file.chmod(0)
    done = subprocess.run([sys.executable, "-c", READ, str(file)], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr.splitlines()[-1] == f"monitor.errors.Retryable: secret file {file}: Permission denied"


def test_secret_files_leave_no_descriptor_open(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("x")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for path in (tmp_path / "token", tmp_path, tmp_path / "none"):
        for _ in range(20):
            try:
                Secret(file=path).read()
            except Retryable:
                continue
    assert len(list(Path("/proc/self/fd").iterdir())) == before


# --- half requests -------------------------------------------------------------------------------------------

QUICK = Deadlines(head=0.6, body=0.6, answer=0.6, connections=64)
HALF = b"GET /livez HTTP/1.1\r\nHost: local"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("web")) as made:
        yield made


@pytest.fixture
def quick(here: Site) -> Iterator[WebServer]:
    """The same store behind a server of little patience."""
    http_settings = HttpSettings(port=0, token=Secret(text=TOKEN))
    server = WebServer(store=here.store, health=here.health, metrics=here.metrics, http=http_settings, deadlines=QUICK)
    server.show((FLIGHTS,))
    server.start()
    yield server
    server.stop()


def connect(port: int, sent: bytes = b"") -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port), timeout=5)
    made.sendall(sent)
    return made


def closed_after(connection: socket.socket, drip: bytes = b"") -> float:
    """Seconds until the server has closed the connection, while ``drip`` is sent again and again."""
    began = time.monotonic()
    connection.settimeout(0.05)
    while time.monotonic() - began < 5:
        try:
            connection.sendall(drip)
            if connection.recv(65536) == b"":
                break
        except TimeoutError:
            continue
        except OSError:
            break
    return time.monotonic() - began


def test_the_real_patience_is_ten_seconds_a_part_and_room_for_hundreds() -> None:
    assert (Deadlines().head, Deadlines().body) == (10.0, 10.0)
    assert Deadlines().connections >= 400


def test_probes_answer_while_four_hundred_connections_have_sent_half_a_head(here: Site) -> None:
    with ExitStack() as open_ones:
        for _ in range(400):
            open_ones.enter_context(connect(here.server.port, HALF))
        began = time.monotonic()
        for path in ("/livez", "/readyz", "/metrics", "/"):
            with httpx.Client(base_url=f"http://127.0.0.1:{here.server.port}", trust_env=False, timeout=5) as fresh:
                assert fresh.get(path).status_code == 200
        assert time.monotonic() - began < 5


def test_more_connections_than_there_is_room_for_push_out_the_oldest(quick: WebServer) -> None:
    with ExitStack() as open_ones:
        for _ in range(QUICK.connections * 3):
            open_ones.enter_context(connect(quick.port, HALF))
            assert httpx.get(f"http://127.0.0.1:{quick.port}/livez", trust_env=False, timeout=5).text == "ok\n"


@pytest.mark.parametrize(
    ("sent", "drip"),
    [
        (b"", b""),
        (HALF, b""),
        (HALF, b"x"),
        (b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n" + HALF, b"x"),
    ],
    ids=["nothing", "half a head", "a head by the byte", "a second head by the byte"],
)
def test_a_head_that_is_not_whole_in_time_closes_the_connection(quick: WebServer, sent: bytes, drip: bytes) -> None:
    with connect(quick.port, sent) as one:
        assert QUICK.head - 0.2 < closed_after(one, drip) < QUICK.head + 1.5


@pytest.mark.parametrize("path", [f"/api/v1/incidents/{OPEN_ID}/ack", "/api/v1/incidents/none/ack", "/nothing"])
def test_a_body_that_is_not_whole_in_time_closes_the_connection(
    quick: WebServer, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 5000\r\n\r\n".encode()
    with connect(quick.port, head) as one:
        assert QUICK.body - 0.2 < closed_after(one, b" ") < QUICK.body + 1.5
    assert "Traceback" not in caplog.text
    assert not [record for record in caplog.records if record.name.startswith("uvicorn") and record.levelname == "ERROR"]


def test_who_reads_no_answer_is_left(quick: WebServer) -> None:
    """More answers than the buffers between hold, and nobody who takes them."""
    ask = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    one.connect(("127.0.0.1", quick.port))
    with one:
        one.sendall(ask * 200)
        began = time.monotonic()
        while time.monotonic() - began < 20:
            try:
                one.send(b"G")
            except OSError:
                break
            time.sleep(0.05)
        assert time.monotonic() - began < QUICK.answer + 10, "else it is waited for without end; the machine may be busy"


def test_a_connection_that_is_kept_alive_serves_on(quick: WebServer) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{quick.port}", trust_env=False) as client:
        for _ in range(4):
            assert client.get("/livez").text == "ok\n"
            time.sleep(QUICK.head / 2)


@pytest.mark.parametrize("given", ["x", TOKEN[:-1], f"{TOKEN}x", TOKEN.upper(), "ä" * 9, "\ud800".encode("utf-8", "replace").decode()])
def test_only_the_whole_token_may_write(here: Site, given: str) -> None:
    answer = here.client.post(f"/api/v1/incidents/{OPEN_ID}/ack", headers={"Authorization": f"Bearer {given}".encode()})
    assert answer.status_code == 401


# --- texts that would be obeyed ------------------------------------------------------------------------------

TEXTS = {
    "mention": "<!channel> <!here> <@U1> <#C1> <!subteam^S1>",
    "link": "<https://evil.example|click> <mailto:a@b|c>",
    "html": "</td><script>alert(1)</script><img src=x onerror=alert(1)>\"'&amp;&lt;",
    "template": "{{ 7777 * 1111 }}{% raw %}${7777*1111}",
    "markdown": "`code` *bold* _it_ ~no~ ```block``` \n> quote",
    "rtl": "\u202eevil\u202c \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 \u2066x\u2069",
    "emoji": "👩\u200d👩\u200d👧\u200d👦 🏳️\u200d🌈 é e\u0301",
    "control": "a\x00b\x1b[2J\x07\r\nc\u2028d\x7f",
    "surrogate": "a\ud800b",
    "formula": "=HYPERLINK(\"http://evil.example\")",
    "huge": "x" * 10_000_000,
}


def interpreted(node: object, name: str = "") -> Iterator[str]:
    """Every text that Slack would read as mrkdwn: what is not ``plain_text``."""
    if isinstance(node, dict):
        for key, value in node.items():
            if not (key == "text" and node.get("type") == "plain_text"):
                yield from interpreted(value, key)
    elif isinstance(node, list | tuple):
        for each in node:
            yield from interpreted(each, name)
    elif isinstance(node, str) and name in ("text", "fallback", "title", "pretext"):
        yield node


@pytest.mark.fault(31)
@pytest.mark.parametrize("kind", NotifyKind)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_no_text_of_a_log_is_obeyed_by_slack(kind: NotifyKind, text: str) -> None:
    incident = replace(INCIDENT, model=text, columns=(text,), summary=text, cause=text)
    lines = (ColumnLine(column=text, sentence=text),) * 3
    said = incident_message(Occasion(incident=incident, notify=Notify(kind=kind, reason=REASONS[kind]), headline=text, columns=lines,
                                     page_url="https://drift.example"))
    for message in (build(said), build_note(said)):
        whole = {"text": message.text, "blocks": list(message.blocks), "attachments": list(message.attachments)}
        assert refusal(whole) is None
        assert len(json.dumps(whole).encode()) < 60_000
        for part in interpreted(whole):
            ours = re.fullmatch(r"<https://drift\.example/models/[^<>|]*\|Open driftd>", part)
            assert ours or not re.search(r"[<>]", part), part
            assert not re.search(r"&(?!amp;|lt;|gt;)", part) or ours
        assert not re.search(r"[\x00\x1b\x07]", message.text)


@pytest.mark.fault(31)
@pytest.mark.parametrize("given", TEXTS.values(), ids=TEXTS)
def test_no_text_of_a_log_becomes_part_of_the_page(tmp_path: Path, given: str) -> None:
    text = category_text(storable(given))  # as a category comes to the profile and out of it: of 10 MB, 200 characters
    store = open_store(f"sqlite:///{tmp_path}/d.db")
    assert store.record(Judgement(model=FLIGHTS.name, judged_until=FIRST + DAY, previous=None, results=(result_with(text),)))
    server = WebServer(store=store, health=Health(), metrics=Metrics(), http=HttpSettings(port=0))
    server.show((FLIGHTS,))
    server.start()
    try:
        page = read(server, "/models/flight-delay")
    finally:
        server.stop()
        store.close()
    tags, attributes, words = shape(page)
    assert "script" not in tags
    assert "img" not in tags
    assert not [name for name in attributes if name.startswith("on")]
    assert "8640247" not in words
    assert " ".join(text.split()) in words
    assert len(page) < 100_000


def read(server: WebServer, path: str) -> str:
    return httpx.get(f"http://127.0.0.1:{server.port}{path}", trust_env=False, timeout=30).text


def shape(html: str) -> tuple[list[str], set[str], str]:
    """Tags, names of attributes and the text of a page."""
    tags: list[str] = []
    attributes: set[str] = set()
    words: list[str] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.append(tag)
            attributes.update(name for name, _ in attrs)

        def handle_data(self, data: str) -> None:
            words.append(data)

    Parser().feed(html)
    return tags, attributes, " ".join(" ".join(words).split())


def result_with(text: str) -> Result:
    return Result(
        model=FLIGHTS.name, version="1", segment="*", window_start=FIRST, window_end=FIRST + DAY, check=Check.DRIFT, column=text,
        metric="psi", value=3.0, threshold=0.2, p_value=None, verdict=Verdict.ALERT, reason=text, rows=10,
    )


STARTS = [f"{start}{rest}" for start in FORMULA_STARTS for rest in ("1+1", "cmd|' /C calc'!A0", "SUM(A1)")]


@pytest.mark.fault(31)
@pytest.mark.parametrize("text", [*STARTS, *TEXTS.values()], ids=[*map(repr, STARTS), *TEXTS])
def test_no_cell_of_csv_becomes_a_formula(capsys: pytest.CaptureFixture[str], text: str) -> None:
    written = text.encode("utf-8", "replace").decode()
    write([dict(result_object(result_with(written)))], Format.CSV, columns=(), empty="")
    csv.field_size_limit(100_000_000)
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out, newline=""))
    for cell in (row["column"], row["reason"]):
        assert not cell.startswith(FORMULA_STARTS)
        assert cell.removeprefix("'") == written or cell == written
