"""The HTTP surface: probes, metrics, the API and the page. It reads the store; a person's change of an incident is all it writes."""

from monitor.web.server import WebServer

__all__ = ["WebServer"]
