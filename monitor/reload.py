"""A new configuration for a running daemon: read, checked and held against what is there, before the one in force is given up."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from monitor.errors import DriftdError, SettingsError
from monitor.log import Action, logger
from monitor.metrics import Metrics
from monitor.ports import Clock
from monitor.prepare import StartStore, unready
from monitor.settings import Settings, load_settings
from monitor.storage import only_daemon, open_store

log = logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reload:
    """The configuration in force, and the file that may hold another by now."""

    settings: Settings
    config: Path
    store: StartStore
    metrics: Metrics
    clock: Clock

    def in_force(self) -> None:
        """Say in the metrics that what runs was loaded now."""
        self.metrics.config_good.set(1)
        self.metrics.config_loaded.set(self.clock.now().timestamp())

    def accepted(self) -> bool:
        """Whether to begin anew with what the file holds now. If not, every problem is in the log and the old one stays in force."""
        problems = self._problems()
        for problem in problems:
            log.error("the new configuration is refused", action=Action.CONFIG_REFUSED, problem=problem)
        self.metrics.config_good.set(not problems)
        if not problems:
            log.info("the new configuration is good: beginning anew with it", action=Action.CONFIG_ACCEPTED, config=self.config.name)
        return not problems

    def _problems(self) -> list[str]:
        try:
            settings = load_settings(self.config)
        except SettingsError as error:
            return [str(problem) for problem in error.problems]
        try:
            return [f"{self.config}: {obstacle}" for obstacle in self._obstacles(settings)]
        except DriftdError as error:  # the store is away: the one in force waits for it, and a new one can be tried again then
            return [f"{self.config}: cannot be held against what is there now: {error}"]

    def _obstacles(self, new: Settings) -> Iterator[str]:
        """What would end a daemon at its start although the file is without faults: then the old one must not be stopped for it."""
        moved = new.store != self.settings.store
        if moved:
            yield from _store(new)
        else:
            yield from unready(new, self.store)
        if (new.http.host, new.http.port) != (self.settings.http.host, self.settings.http.port):
            yield from _port(new.http.host, new.http.port)


def _store(new: Settings) -> Iterator[str]:
    """Another store begins another account of everything: it must be there, be ours to open, and hold what the file asks for."""
    try:
        give_back = only_daemon(new.store)
        try:
            with closing(open_store(new.store)) as store:
                yield from list(unready(new, store))
        finally:
            give_back()
    except DriftdError as error:
        yield f"store: {error}"


def _port(host: str, port: int) -> Iterator[str]:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        socket.create_server((address[0], address[1]), family=family).close()
    except OSError as error:
        yield f"http: cannot listen on {host}:{port}: {error.strerror or error}"
