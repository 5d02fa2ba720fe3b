from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
import uvicorn
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as prometheus_text
from typer.testing import CliRunner

from monitor.core.results import Verdict
from monitor.core.retraining import Helped, RetrainingEvent, RetrainingState
from monitor.errors import Retryable, UsageError
from monitor.health import Health, NotReady
from monitor.metrics import Metrics
from monitor.ports import Judgement
from monitor.settings.service import HttpSettings
from monitor.web import WebServer
from monitor.web.auth import authorize
from monitor.web.errors import Refused
from monitor.web.guards import host_name
from monitor.web.page import MEASURES
from monitor.web.server import is_loopback
from tests.edges.web_site import REPORT, Site, site
from tests.edges.web_story import DAYS, EVIL, FLIGHTS, LAST, MODELS, OPEN_ID, PAST_ID, PRICES, Day, results_of


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("web")) as made:
        yield made


def test_livez_fails_by_a_silent_loop_alone_and_names_it(here: Site) -> None:
    assert here.get("/livez").text == "ok\n"
    here.health.watch("intake", timedelta(seconds=-1))
    try:
        answer = here.get("/livez")
        assert answer.status_code == 503
        assert answer.text.startswith("loop intake: no heartbeat for ")
    finally:
        here.health.forget("intake")


def test_readyz_gives_every_reason_by_name(here: Site) -> None:
    assert here.get("/readyz").status_code == 200
    here.health.not_ready(NotReady.KAFKA_UNREACHABLE, "no broker at kafka:9092")
    here.health.not_ready(NotReady.STORE_UNAVAILABLE)
    answer = here.get("/readyz")
    assert (answer.status_code, answer.text) == (503, "kafka_unreachable: no broker at kafka:9092\nstore_unavailable\n")
    assert here.get("/livez").status_code == 200
    here.health.clear(NotReady.KAFKA_UNREACHABLE)
    here.health.clear(NotReady.STORE_UNAVAILABLE)
    assert here.client.get("/readyz?verbose").text == "ok\n"


def test_verbose_livez_tells_the_age_of_each_heartbeat(here: Site) -> None:
    here.health.watch("judge", timedelta(seconds=60))
    assert here.client.get("/livez?verbose").text.splitlines()[1].startswith("loop judge: 0.")
    here.health.forget("judge")


def test_metrics_are_prometheus_text_and_openmetrics_by_accept(here: Site) -> None:
    plain = here.get("/metrics")
    assert plain.headers["content-type"].startswith("text/plain; version=")
    samples = {sample.name: sample for family in prometheus_text(plain.text) for sample in family.samples}
    assert samples["driftd_ready"].value == 1
    assert samples["driftd_build_info"].value == 1
    answer = here.client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    depth = {s.labels["state"]: s.value for f in open_metrics(answer.text) if f.name == "driftd_outbox_deliveries" for s in f.samples}
    assert depth == {"pending": 1, "sent": 0, "dead": 1}
    states = [s for f in open_metrics(answer.text) if f.name == "driftd_incident_state" for s in f.samples]
    [firing] = [s.labels["state"] for s in states if s.value]  # of the story's one open incident, from the store itself
    assert firing == "firing"


def test_requests_are_counted_by_route_and_never_by_path(here: Site) -> None:
    here.get("/api/v1/incidents/whatever-a-caller-invents")
    text = here.get("/metrics").text
    assert 'driftd_http_requests_total{route="incident",status="404"}' in text
    assert "whatever" not in text


def test_another_host_name_is_refused_on_loopback(here: Site) -> None:
    answer = here.client.get("/api/v1/results", headers={"Host": "evil.example:8765"})
    assert answer.status_code == 421
    assert answer.json()["error"]["code"] == "wrong_host"
    for name in ("localhost", "LOCALHOST:1", "127.0.0.1:99", "[::1]:8765"):
        assert here.client.get("/livez", headers={"Host": name}).status_code == 200


def test_bound_to_all_addresses_any_host_name_will_do(tmp_path: Path) -> None:
    with site(tmp_path, host="0.0.0.0") as made:
        assert made.client.get("/livez", headers={"Host": "driftd.example"}).status_code == 200
        assert made.server.url == f"http://localhost:{made.server.port}"


@pytest.mark.parametrize(("host", "name"), [("a:1", "a"), ("a", "a"), ("[::1]", "[::1]"), ("[::1]:8", "[::1]"), ("a:b", "a:b"), ("", "")])
def test_a_host_header_is_read_without_its_port(host: str, name: str) -> None:
    assert host_name(host) == name


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("driftd.example", False),
    ],
)
def test_loopback_is_told_from_what_others_can_reach(host: str, local: bool) -> None:
    assert is_loopback(host) is local


@pytest.mark.parametrize("path", ["/", "/models/flight-delay", "/api/v1/results", "/nothing", "/livez"])
def test_every_answer_has_the_security_headers_and_none_opens_it_to_others(here: Site, path: str) -> None:
    headers = here.get(path).headers
    assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in headers
    assert "server" not in headers


class Page(HTMLParser):
    """Tags, the addresses that they load, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.attributes: set[str] = set()
        self.ids: set[str] = set()
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.ids |= {value or "" for name, value in attrs if name == "id"}
        self.loads += [value or "" for name, value in attrs if name == "src" or (tag == "link" and name == "href")]

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.mark.fault(31)
@pytest.mark.parametrize("path", ["/", "/models/flight-delay"])
def test_pages_load_nothing_run_nothing_and_escape_everything(here: Site, path: str) -> None:
    answer = here.get(path)
    page = Page(answer.text)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "script" not in page.tags
    assert not [name for name in page.attributes if name.startswith("on") or name == "style"]
    assert all(address.startswith("data:image/svg+xml") for address in page.loads)
    assert EVIL in page.text
    assert EVIL not in answer.text


def test_the_overview_shows_models_incidents_findings_rows_and_deliveries(here: Site) -> None:
    page = Page(here.get("/").text)
    assert {OPEN_ID, PAST_ID} <= page.ids
    for words in (
        "flight-delay firing",
        "fare-price ok",
        "bag-loss waiting",
        "dep_delay: mean 12.6 → 756",
        "as minutes given in seconds",
        "1 pending",
        "1 dead",
        "410 Gone",
        "904 rows counted",
        "61 234",
        "resolved",
    ):
        assert words in page.text, words
    assert page.tags.count("rect") >= 120


def test_a_model_page_draws_each_measure_and_lists_the_worst_first(here: Site) -> None:
    html = here.get("/models/flight-delay").text
    assert html.count('<svg class="spark"') == 6
    assert html.index("<td>late</td>") < html.index("<td>origin</td>")
    assert here.get("/models/none").status_code == 404
    assert "known: ['bag-loss', 'fare-price', 'flight-delay']" in here.get("/models/none").text


def test_a_model_page_says_whether_retraining_helped(tmp_path: Path) -> None:
    with site(tmp_path) as made:
        assert "<h2>Retraining</h2>" in made.get("/models/flight-delay").text
        asked = made.store.retraining("ret-1")
        assert asked is not None
        verdict = f"retraining helped: roc_auc +0.021 {EVIL}"
        done = replace(asked, state=RetrainingState.SUCCEEDED, new_version="2", helped=Helped.HELPED, verdict=verdict)
        event = RetrainingEvent(retraining="ret-1", at=LAST, before=asked.state, after=done.state)
        assert made.store.save_retraining(done, event)
        page = Page(made.get("/models/flight-delay").text)
        assert "<h2>Retraining</h2>" not in made.get("/models/fare-price").text
    assert "ret-1" in page.ids
    for words in (verdict, "version 1 → 2", "succeeded", "drift: 3 windows", "helped"):
        assert words in page.text


def test_of_very_many_measures_the_page_draws_the_worst_and_counts_the_rest(tmp_path: Path) -> None:
    with site(tmp_path) as made:
        day, (first, *_) = Day(model=PRICES.name, number=DAYS), results_of(Day(model=PRICES.name, number=DAYS))
        wide = tuple(replace(first, column=f"c{i}") for i in range(MEASURES + 7))
        made.store.seal(day.model, day.key.end, day.key.start)
        assert made.store.record(Judgement(model=day.model, judged_until=day.key.end, previous=day.key.start, results=wide))
        html = made.get("/models/fare-price").text
    assert html.count('<svg class="spark"') == MEASURES
    assert "and 13 more that stand better" in html


def test_findings_of_segments_are_folded_away_below_those_of_all_rows(tmp_path: Path) -> None:
    with site(tmp_path) as made:
        assert "in segments" not in made.get("/models/flight-delay").text
        day = Day(model=FLIGHTS.name, number=DAYS)
        own = tuple(replace(each, segment="origin=JFK", verdict=Verdict.ALERT) for each in results_of(day))
        few = replace(own[0], segment="origin=LGA", verdict=Verdict.INSUFFICIENT)
        results = (*results_of(day), *own, few)
        made.store.seal(day.model, day.key.end, day.key.start)
        assert made.store.record(Judgement(model=day.model, judged_until=day.key.end, previous=day.key.start, results=results))
        html, overview = made.get("/models/flight-delay").text, made.get("/").text
    assert f"<summary>in segments: {len(own)} findings</summary>" in html
    assert html.index("Latest findings") < html.index("<summary>in segments") < html.index("origin=JFK")
    assert "origin=LGA" not in html
    assert "origin=JFK" not in overview
    assert html.count('<svg class="spark"') == 6


def test_a_model_without_a_window_has_a_page_too(here: Site) -> None:
    assert "Nothing has been held against a limit yet." in here.get("/models/bag-loss").text


def test_before_the_models_are_known_the_page_says_that_it_starts(here: Site, tmp_path: Path) -> None:
    server = WebServer(store=here.store, health=Health(), metrics=Metrics(), http=HttpSettings(port=0))
    server.start()
    try:
        with http_get(server.port, "/") as text:
            assert "the daemon is still starting" in text
            assert "not ready" in text
    finally:
        server.stop()


class http_get:  # noqa: N801 - reads as a function
    def __init__(self, port: int, path: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        self._path = path

    def __enter__(self) -> str:
        self._connection.request("GET", self._path)
        return self._connection.getresponse().read().decode()

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def test_start_returns_when_the_port_answers_and_stop_frees_it(here: Site) -> None:
    server = WebServer(store=here.store, health=Health(), metrics=Metrics(), http=HttpSettings(port=0))
    server.start()
    assert [thread for thread in threading.enumerate() if thread.name == f"http:{server.port}"]
    with http_get(server.port, "/livez") as text:
        assert text == "ok\n"
    began = time.monotonic()
    server.stop()
    server.stop()
    assert time.monotonic() - began < 2
    assert not [thread for thread in threading.enumerate() if thread.name == f"http:{server.port}"]
    with socket.create_server(("127.0.0.1", server.port)):
        pass
    assert server.failed is None


def test_a_taken_port_is_an_error_that_names_it(here: Site) -> None:
    server = WebServer(store=here.store, health=Health(), metrics=Metrics(), http=HttpSettings(port=here.server.port))
    with pytest.raises(UsageError, match=f"cannot listen on 127.0.0.1:{here.server.port}: Address already in use"):
        server.start()


def test_a_host_that_is_not_ours_is_an_error_that_names_it(here: Site) -> None:
    server = WebServer(store=here.store, health=Health(), metrics=Metrics(), http=HttpSettings(host="192.0.2.7", port=0))
    with pytest.raises(UsageError, match=r"cannot listen on 192\.0\.2\.7:0"):
        server.start()


class Dying(uvicorn.Server):
    """A server whose thread ends with an error."""

    def __init__(self) -> None:
        super().__init__(uvicorn.Config("none:app", log_config=None))

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        raise MemoryError("no room")


def test_a_server_thread_that_dies_leaves_its_error_and_closes_the_port(here: Site) -> None:
    server = WebServer(store=here.store, health=Health(), metrics=Metrics(), http=HttpSettings(port=0))
    started, listener = threading.Event(), socket.create_server(("127.0.0.1", 0))
    server._serve(Dying(), listener, started)
    assert isinstance(server.failed, MemoryError)
    assert listener.fileno() == -1
    with pytest.raises(UsageError, match=r"did not start on http://127\.0\.0\.1:0: no room"):
        server._await(started)


def test_a_server_that_never_answers_is_not_waited_for_for_ever(here: Site) -> None:
    server = WebServer(store=here.store, health=Health(), metrics=Metrics(), http=HttpSettings(port=0))
    with pytest.raises(UsageError, match="no answer"):
        server._await(threading.Event(), seconds=0.01)


def test_a_token_that_cannot_be_read_now_is_a_503() -> None:
    def away() -> str:
        raise Retryable("secret file /run/secrets/driftd: No such file or directory")

    with pytest.raises(Refused) as refusal:
        authorize("Bearer x", away)
    assert refusal.value.status_code == 503


def healthcheck(*arguments: str) -> tuple[int, str]:
    import typer

    from monitor.cli.healthcheck import command

    app = typer.Typer()
    app.command()(command)
    done = CliRunner().invoke(app, list(arguments))
    return done.exit_code, str(done.exception or done.output)


def test_the_healthcheck_says_what_the_daemon_says(here: Site) -> None:
    assert healthcheck("--url", f"http://127.0.0.1:{here.server.port}/livez") == (0, "ok\n")
    here.health.not_ready(NotReady.STOPPING)
    code, said = healthcheck("--url", f"http://127.0.0.1:{here.server.port}/readyz")
    here.health.clear(NotReady.STOPPING)
    assert code == 1
    assert "says 503: stopping" in said


def test_the_healthcheck_fails_where_nothing_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    code, said = healthcheck("--url", f"http://127.0.0.1:{port}/livez")
    assert code == 1
    assert "Connection refused" in said
    assert "expected one like" in healthcheck("--url", "https://127.0.0.1/livez")[1]


@pytest.mark.parametrize("limit", ["0", "-1", "10001", "0000000019223372036854775808", "9" * 5_000, "٣", "1e3", ""])
def test_a_limit_that_is_no_small_number_is_a_bad_query(here: Site, limit: str) -> None:
    assert here.get("/api/v1/results", params={"limit": limit}).status_code == 400


# --- the report of an incident -------------------------------------------------------------------------------


def test_a_report_runs_in_a_sandbox_without_an_origin_and_without_a_network(here: Site) -> None:
    answer = here.get(f"/api/v1/incidents/{OPEN_ID}/report")
    assert (answer.status_code, answer.text) == (200, REPORT)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    rules = [rule.strip() for rule in answer.headers["content-security-policy"].split(";")]
    assert {"sandbox allow-scripts", "default-src 'none'", "form-action 'none'", "frame-ancestors 'none'"} <= set(rules)
    assert "allow-same-origin" not in answer.headers["content-security-policy"]
    assert (answer.headers["x-content-type-options"], answer.headers["x-frame-options"]) == ("nosniff", "DENY")


@pytest.mark.parametrize("id", ["inc-none", "..%2F..%2Fstory", "%00", "x" * 300])
def test_an_incident_without_a_report_is_not_found(here: Site, id: str) -> None:
    answer = here.get(f"/api/v1/incidents/{id}/report")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_the_pages_link_to_the_reports_that_there_are(here: Site, tmp_path: Path) -> None:
    for path, link in (("/", f"api/v1/incidents/{OPEN_ID}/report"), ("/", f"api/v1/incidents/{PAST_ID}/report"),
                       (f"/models/{FLIGHTS.name}", f"../api/v1/incidents/{OPEN_ID}/report")):
        assert f'<a href="{link}">' in here.get(path).text, (path, link)
    with site(tmp_path) as bare:
        bare.server.show(MODELS)
        assert "/report" not in bare.get("/").text
        assert bare.get(f"/api/v1/incidents/{OPEN_ID}/report").status_code == 404
