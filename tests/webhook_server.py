"""A webhook's receiver over HTTP: records every request, and fails as scripted."""

from __future__ import annotations

from monitor.demo.scripted_http import Reply, Request, ScriptedServer


class WebhookReceiver(ScriptedServer):
    """Answers 202; ``processed`` are the ids of the messages that it was asked to work on, in order."""

    def __init__(self) -> None:
        self.processed: list[str] = []
        super().__init__()
        self.url = f"{self.root}/hooks/retrain?key=hush"

    @property
    def trainings(self) -> list[str]:
        """What was really done: an id that is known already starts nothing."""
        return list(dict.fromkeys(self.processed))

    def process(self, request: Request) -> Reply:
        self.processed.append(request.headers.get("webhook-id", ""))
        return Reply(status=202)
