"""PagerDuty's Events API v2 over HTTP: refuses what its documentation says that it refuses, and keeps alerts by their key."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema_rs

from monitor.demo.scripted_http import Reply, Request, ScriptedServer

SCHEMA = Path(__file__).parent / "data" / "schemas" / "pagerduty_event.json"
MAX_BYTES = 512 * 1024


class PagerDutyServer(ScriptedServer):
    """Knows one integration key. ``alerts``: by key of deduplication, whether it is open. ``events``: what was accepted, in order."""

    def __init__(self, routing_key: str) -> None:
        self.alerts: dict[str, str] = {}
        self.events: list[dict[str, object]] = []
        self._key = routing_key
        self._schema = jsonschema_rs.validator_for(json.loads(SCHEMA.read_text(encoding="utf-8")), validate_formats=True)
        super().__init__()

    def process(self, request: Request) -> Reply:
        if request.path != "/v2/enqueue" or request.method != "POST":
            return Reply(status=404)
        if len(request.body) > MAX_BYTES:
            return self._invalid(f"Event of {len(request.body)} bytes is larger than {MAX_BYTES}")
        try:
            event = json.loads(request.body)
        except ValueError:
            return self._invalid("JSON parse error")
        wrong = [f"{error.instance_path}: {error.message}" for error in self._schema.iter_errors(event)]
        if wrong:
            return self._invalid(*wrong)
        if event["routing_key"] != self._key:
            return self._invalid(f"routing_key {event['routing_key']} is unknown")
        return self._accept(event)

    def _accept(self, event: dict[str, object]) -> Reply:
        self.events.append(event)
        key, action = str(event["dedup_key"]), event["event_action"]
        if action == "trigger":
            self.alerts[key] = "triggered"
        elif self.alerts.get(key) not in (None, "resolved"):  # else it is dropped
            self.alerts[key] = "resolved" if action == "resolve" else "acknowledged"
        return Reply(status=202, body=json.dumps({"status": "success", "message": "Event processed", "dedup_key": key}).encode())

    @staticmethod
    def _invalid(*errors: str) -> Reply:
        body = {"status": "invalid event", "message": "Event object is invalid", "errors": list(errors)}
        return Reply(status=400, body=json.dumps(body).encode())
