"""The container files, as far as a machine without a Docker engine can hold them against what they promise."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from monitor.cli.app import app
from monitor.demo.scenario import MODEL_VERSION
from monitor.metrics import Metrics
from monitor.settings import load_settings
from tests.edges.web_story import MODELS

ROOT = Path(__file__).parent.parent
DOCKER = ROOT / "docker"
COMPOSE = DOCKER / "compose.yaml"


def documents(path: Path) -> list[Any]:
    return list(YAML(typ="safe").load_all(path))


def compose() -> dict[str, Any]:
    return dict(documents(COMPOSE)[0])


def instructions(stage: str) -> list[tuple[str, str]]:
    """The Dockerfile's lines of one stage as (instruction, rest), continuation lines joined."""
    text = re.sub(r"\\\n", " ", (DOCKER / "Dockerfile").read_text())
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip() and not line.startswith("#")]
    starts = [i for i, line in enumerate(lines) if line[0] == "FROM"]
    begin = next(i for i in starts if lines[i][1].endswith(f"AS {stage}"))
    end = next((i for i in starts if i > begin), len(lines))
    return [(name, rest) for name, rest in lines[begin:end]]


def of(stage: str, name: str) -> list[str]:
    return [rest for each, rest in instructions(stage) if each == name]


def test_the_image_runs_driftd_itself_as_nobody_special_and_stops_by_sigterm() -> None:
    assert of("runtime", "USER") == ["10001:10001"]
    assert of("runtime", "STOPSIGNAL") == ["SIGTERM"]
    assert json.loads(of("runtime", "ENTRYPOINT")[0]) == ["driftd"]
    assert json.loads(of("runtime", "CMD")[0])[0] == "run"
    check = of("runtime", "HEALTHCHECK")[0].split("CMD ")[1]
    assert json.loads(check) == ["driftd", "healthcheck"]


def test_the_commands_of_the_image_and_of_compose_exist() -> None:
    known = {command.name for command in app.registered_commands} | {group.name for group in app.registered_groups}
    used = {service["command"][0] for service in compose()["services"].values() if "command" in service}
    assert used == {"demo", "reference", "run"}
    assert used | {"healthcheck"} <= known


def test_what_the_build_copies_is_there_and_passes_the_ignore_file() -> None:
    passed = {line[1:] for line in (DOCKER / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")}
    for rest in of("build", "COPY"):
        *sources, _ = shlex.split(rest)
        for source in sources:
            assert (ROOT / source).exists(), source
            assert source in passed


def test_the_build_installs_with_the_pins_and_names_no_index() -> None:
    installs = [rest for rest in of("build", "RUN") if "pip install" in rest]
    assert len(installs) == 2
    assert all("-c constraints.txt" in rest for rest in installs)
    for path in (DOCKER / "Dockerfile", COMPOSE, ROOT / "constraints.txt"):
        assert "index-url" not in path.read_text()


def test_docker_compose_accepts_the_file() -> None:
    """By the compose plug-in; else by the older docker-compose, which knows no ``name`` at the top."""
    if shutil.which("docker") and subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0:
        command = ["docker", "compose", "-f", "-", "--project-directory", str(DOCKER), "config", "--quiet"]
        text = COMPOSE.read_text()
    elif shutil.which("docker-compose"):
        command = ["docker-compose", "-f", "-", "--project-directory", str(DOCKER), "config", "--quiet"]
        text = re.sub(r"^name: .*\n", "", COMPOSE.read_text(), flags=re.MULTILINE)
    else:
        pytest.skip("neither docker compose nor docker-compose: compose.yaml was only read as YAML")
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_compose_builds_the_reference_of_the_version_that_the_demo_sends() -> None:
    command = compose()["services"]["reference"]["command"]
    assert command[command.index("--version") + 1] == MODEL_VERSION


def test_compose_wires_services_that_exist_and_waits_for_what_can_be_waited_for() -> None:
    services, volumes = compose()["services"], compose()["volumes"]
    assert set(services) == {"kafka", "postgres", "producer", "reference", "driftd"}
    for name, service in services.items():
        assert "image" in service, name
        for other, wait in service.get("depends_on", {}).items():
            if wait["condition"] == "service_healthy":
                assert "test" in services[other]["healthcheck"], f"{name} waits for the health of {other}, which has no check"
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            assert (DOCKER / source).exists() if source.startswith(".") else source in volumes, source
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), f"{name} is open to the network"


def test_kafka_runs_without_zookeeper_and_tells_its_inside_name_inside() -> None:
    kafka = compose()["services"]["kafka"]["environment"]
    assert kafka["KAFKA_PROCESS_ROLES"] == "broker,controller"
    assert "INTERNAL://kafka:9092" in kafka["KAFKA_ADVERTISED_LISTENERS"]
    assert kafka["KAFKA_LOG_RETENTION_MS"] == -1
    assert compose()["services"]["producer"]["command"][3] == "kafka:9092"


def test_the_configuration_of_compose_is_one_that_driftd_accepts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTGRES_PASSWORD", "driftd")
    settings = load_settings(DOCKER / "driftd.yaml")
    assert settings.http.host == "0.0.0.0"
    assert settings.model_names() == ("flight-delay",)
    assert settings.models()[0].streams[0].topic == "flight.predictions"


def sidecar() -> dict[str, Any]:
    return {each["kind"]: each for each in documents(DOCKER / "kubernetes" / "sidecar.yaml")}


def test_the_sidecar_is_a_native_one_whose_readiness_takes_no_model_server_down() -> None:
    pod = sidecar()["Deployment"]["spec"]["template"]["spec"]
    (daemon,) = pod["initContainers"]
    assert daemon["restartPolicy"] == "Always"
    assert daemon["startupProbe"]["httpGet"]["path"] == daemon["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert "readinessProbe" not in daemon
    assert daemon["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"requests", "limits"} == set(daemon["resources"])
    assert {mount["name"] for mount in daemon["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}


def test_sqlite_in_the_sidecar_has_one_writer() -> None:
    deployment = sidecar()["Deployment"]["spec"]
    assert (deployment["replicas"], deployment["strategy"]) == (1, {"type": "Recreate"})
    assert sidecar()["PersistentVolumeClaim"]["spec"]["accessModes"] == ["ReadWriteOncePod"]


def test_the_configuration_in_the_config_map_is_one_that_driftd_accepts(tmp_path: Path) -> None:
    written = tmp_path / "driftd.yaml"
    written.write_text(sidecar()["ConfigMap"]["data"]["driftd.yaml"])
    settings = load_settings(written)
    assert (settings.http.host, settings.http.port) == ("0.0.0.0", 8765)


def exported() -> set[str]:
    """Every name that a scrape can hold."""
    metrics = Metrics()
    metrics.declare(MODELS)
    families = list(metrics.registry.collect())
    return {f"{family.name}{suffix}" for family in families for suffix in ("", "_total", "_bucket", "_sum", "_count", "_info")}


def used(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:driftd|process)_[a-z_]+", expression))


def test_every_alert_rule_asks_for_metrics_that_exist_and_says_what_to_do() -> None:
    rules = [rule for group in documents(ROOT / "config" / "alert-rules.yaml")[0]["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) >= 10
    for rule in rules:
        assert used(rule["expr"]), rule["alert"]
        assert used(rule["expr"]) <= exported(), rule["alert"]
        assert {"summary", "description"} == set(rule["annotations"]), rule["alert"]
        assert rule["labels"]["severity"] in {"page", "ticket"}


def test_every_panel_asks_for_metrics_that_exist_and_none_overlaps_another() -> None:
    board = json.loads((ROOT / "config" / "grafana-dashboard.json").read_text())
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            assert used(target["expr"]), panel["title"]
            assert used(target["expr"]) <= exported(), panel["title"]
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken, f"{panel['title']} lies over another panel"
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
