"""A real Prometheus Alertmanager for tests: the one that is installed, else Debian's package unpacked into a cache, without root."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

GIVEN = "DRIFTD_TEST_ALERTMANAGER"  # the path of a binary
PACKAGE = "prometheus-alertmanager"
NAMES = (PACKAGE, "alertmanager")
START_SECONDS = 30
FETCH_SECONDS = 300


class AlertmanagerServer:
    """``url`` is its address."""

    def __init__(self, url: str) -> None:
        self.url = url

    def alerts(self) -> list[dict[str, object]]:
        """What its API lists: alerts that are not over."""
        found: list[dict[str, object]] = httpx.get(f"{self.url}/api/v2/alerts", trust_env=False).json()
        return found


def command() -> list[str]:
    """How to start it. Skips, saying so, where it cannot be had."""
    if given := os.environ.get(GIVEN):
        return [given]
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    return [found] if found else _inside(_unpacked())


def _inside(tree: Path) -> list[str]:
    """Debian's looks for its templates in /usr/share: for it alone, the package's own is put there (a mount namespace, no root needed)."""
    script = f'mount --bind "$0/usr/share" /usr/share && exec "$0/usr/bin/{PACKAGE}" "$@"'
    enter = ["unshare", "-m" if os.geteuid() == 0 else "-rm", "--", "sh", "-c", script]
    if shutil.which("unshare") is None or not _ran(*enter, str(tree), "--version", cwd=tree):
        pytest.skip(f"no Alertmanager on the PATH, {GIVEN} is not set, and no namespace can be made to run {PACKAGE} unpacked")
    return [*enter, str(tree)]


def _unpacked() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "driftd-tests" / PACKAGE
    wanted = cache / "usr" / "bin" / PACKAGE
    if wanted.exists():
        return cache
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        pytest.skip(f"no Alertmanager on the PATH, {GIVEN} is not set, and there is no apt-get to fetch Debian's package with")
    fetched = cache.parent / f"{PACKAGE}-fetched"
    shutil.rmtree(fetched, ignore_errors=True)
    fetched.mkdir(parents=True)
    if not _ran("apt-get", "download", "-qq", PACKAGE, cwd=fetched):
        _ran("apt-get", "update", "-qq", cwd=fetched)  # a fresh machine has no lists
        if not _ran("apt-get", "download", "-qq", PACKAGE, cwd=fetched):
            pytest.skip(f"no Alertmanager on the PATH, {GIVEN} is not set, and apt-get cannot fetch {PACKAGE}")
    (package,) = fetched.glob("*.deb")
    subprocess.run(["dpkg-deb", "-x", package, fetched / "tree"], check=True, timeout=FETCH_SECONDS)
    shutil.rmtree(cache, ignore_errors=True)
    (fetched / "tree").rename(cache)
    shutil.rmtree(fetched)
    return cache


def _ran(*words: str, cwd: Path) -> bool:
    done = subprocess.run(words, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, timeout=FETCH_SECONDS, check=False)
    return done.returncode == 0


@contextmanager
def running(folder: Path, webhook: str) -> Iterator[AlertmanagerServer]:
    """One that groups by model within a second, and tells ``webhook`` of each group."""
    port = _free_port()
    config = {
        "route": {"receiver": "hook", "group_by": ["model"], "group_wait": "1s", "group_interval": "1s", "repeat_interval": "1h"},
        "receivers": [{"name": "hook", "webhook_configs": [{"url": webhook, "send_resolved": True}]}],
    }
    file = folder / "alertmanager.yml"
    file.write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML
    arguments = [f"--config.file={file}", f"--storage.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}",
                 "--cluster.listen-address=", "--log.level=debug"]  # fmt: skip
    with (folder / "alertmanager.log").open("wb") as log:
        process = subprocess.Popen([*command(), *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        server = AlertmanagerServer(f"http://127.0.0.1:{port}")
        _wait_until_ready(server, process, folder / "alertmanager.log")
        yield server
    finally:
        process.terminate()
        process.wait(10)


def _wait_until_ready(server: AlertmanagerServer, process: subprocess.Popen[bytes], log: Path) -> None:
    ends = time.monotonic() + START_SECONDS
    while time.monotonic() < ends and process.poll() is None:
        try:
            if httpx.get(f"{server.url}/-/ready", trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"Alertmanager does not start: {log.read_text(errors='replace')[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
