"""Routing: which receivers hear of an incident, by its model, its severity and what it is about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from monitor.core.incidents import CALLING, Incident, NotifyKind
from monitor.core.results import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Whom to tell of what fits. ``models``: patterns of file names, ``*`` and ``?``; an empty condition fits everything.

    ``checks``: of windows, or the kinds of conditions. ``goes_on``: later routes are looked at too. No ``receivers``: nobody.
    """

    receivers: tuple[str, ...]
    models: tuple[str, ...] = ()
    severity: Verdict | None = None
    checks: tuple[str, ...] = ()
    goes_on: bool = False

    def fits(self, model: str, severity: Verdict | None = None, check: str = "") -> bool:
        """Whether what is of a model goes this way; what is of no severity or check, only where the route asks for none."""
        return (
            (not self.models or any(fnmatchcase(model, pattern) for pattern in self.models))
            and self.severity in (None, severity)
            and (not self.checks or check in self.checks)
        )


def routed(incident: Incident, routes: Sequence[Route], everybody: Sequence[str]) -> tuple[str, ...]:
    """Who is to hear of an incident as it is now, in the order of ``everybody``.

    Each of its checks is routed for itself: the first route that fits counts, and those after it as long as they go on. So a check
    that joins later adds receivers and takes none away. What fits no route is told to everybody: nothing is lost by leaving it out.
    """
    ways = [[route for route in routes if route.fits(incident.model, incident.severity, check)] for check in incident.checks or ("",)]
    found = {name for fitting in ways for name in _named(fitting, everybody)}
    return tuple(name for name in everybody if name in found)


def routed_of_model(model: str, routes: Sequence[Route], everybody: Sequence[str]) -> tuple[str, ...]:
    """Who is to hear of what is about a model, but about none of its checks."""
    found = set(_named([route for route in routes if route.fits(model)], everybody))
    return tuple(name for name in everybody if name in found)


def audience(
    kind: NotifyKind, incident: Incident, routes: Sequence[Route], everybody: Sequence[str], told: Iterable[str] = ()
) -> tuple[str, ...]:
    """Who gets a message about an incident. ``told``: those for whom there were messages about it before.

    The first one goes where the routes say. A reminder goes there and to all who were told. The end, as all that calls nobody, is
    told to those who were told, whatever has become of the incident or of the routes since: an alert that is open somewhere is
    closed there. Where nobody knows who was told, the routes say.
    """
    known = frozenset(told)
    heard = tuple(name for name in everybody if name in known)
    if kind not in CALLING and heard:
        return heard
    due = routed(incident, routes, everybody)
    return tuple(name for name in everybody if name in due or (name in known and kind is not NotifyKind.FIRING))


def _named(fitting: Sequence[Route], everybody: Sequence[str]) -> Iterator[str]:
    """Of the routes that fit, those up to the first that does not go on."""
    if not fitting:
        yield from everybody
    for route in fitting:
        yield from route.receivers
        if not route.goes_on:
            return
