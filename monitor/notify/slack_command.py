"""``/driftd``: what a person may ask by Slack, and the answer as plain data. Only who asked sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from monitor.core.incidents import IncidentState
from monitor.core.messages import moment
from monitor.core.results import Check
from monitor.core.rules import Model
from monitor.notify.slack_envelope import Command
from monitor.notify.slack_message import SECTION_LIMIT, Block, clip, escape, fields, one_line, plain, section
from monitor.notify.slack_rights import Deed, Rights
from monitor.notify.slack_status import Status, fact_pairs, headline
from monitor.ports import ReadStore, Store
from monitor.settings.problems import suggestion

MOST_LISTED = 20
"""Models and incidents in one answer; more are counted."""
NEWEST = 200
"""Incidents that are looked through for open ones, windows' results for performance."""
HELP = (
    "/driftd status MODEL – how a model does: state, last window, open incident, performance",
    "/driftd models – the models that are watched",
    "/driftd incidents – what is open now",
    "/driftd help – this",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What is answered: ``text`` for notifications, escaped; ``blocks`` for the eye."""

    text: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """What questions are answered with. ``lag``: messages of a model not read yet, where this process knows."""

    store: Store
    models: tuple[Model, ...]
    rights: Rights
    now: Callable[[], datetime]
    lag: Callable[[Model], int | None] = lambda _: None


def reply(questions: Questions, command: Command) -> Reply:
    """The answer to a command, whatever was typed. Raises Retryable for the store."""
    refused = questions.rights.refusal(Deed.ASK, command.person)
    if refused is not None:
        return _lines("Not answered", [f"{refused}."])
    word, _, rest = command.text.strip().partition(" ")
    ask = COMMANDS.get(word.lower() or "help")
    if ask is None:
        return _lines("Unknown command", [f'"{one_line(word)}" is not known{suggestion(word, sorted(COMMANDS))}', *HELP])
    return ask(questions, rest.strip())


def _help(_questions: Questions, _rest: str) -> Reply:
    return _lines("driftd", HELP)


def _models(questions: Questions, _rest: str) -> Reply:
    names = [model.name for model in questions.models]
    return _lines("Models", [f"• {name}" for name in names[:MOST_LISTED]], more=len(names) - MOST_LISTED)


def _incidents(questions: Questions, _rest: str) -> Reply:
    found = [incident for incident in questions.store.incidents(newest=NEWEST) if incident.state is not IncidentState.RESOLVED]
    lines = [f"• {incident.model}, {incident.state} since {moment(incident.since)}: {incident.cause or incident.summary} ({incident.id})"
             for incident in reversed(found)]
    return _lines("Open incidents", lines[:MOST_LISTED] or ["None is open."], more=len(lines) - MOST_LISTED)


def _status(questions: Questions, rest: str) -> Reply:
    known = {model.name: model for model in questions.models}
    name = rest if rest or len(known) != 1 else next(iter(known))
    model = known.get(name)
    if model is None:
        told = f'"{one_line(name)}" is no model that is watched' if name else "which model?"
        return _lines("No such model" if name else "Status", [told + suggestion(name, sorted(known)[:MOST_LISTED])])
    status = status_of(questions, model)
    title = one_line(f"{status.sign} {model.name}")
    blocks: list[Block] = [section(title), section(headline(status)), fields(fact_pairs(status))]
    return Reply(text=clip(escape(f"{title}: {one_line(headline(status))}"), SECTION_LIMIT), blocks=tuple(blocks))


def status_of(questions: Questions, model: Model) -> Status:
    """What is known of a model now, as the store has it."""
    store: ReadStore = questions.store
    at, incident = questions.now(), questions.store.open_incident(model.name)
    silences = [each for each in questions.store.silences(at=at) if each.model in ("*", model.name)]
    return Status(
        model=model,
        incident=incident,
        counts=tuple(store.verdict_counts(model.name, windows=1)),
        accounts=tuple(store.window_accounts(model=model.name, segment="*", newest=model.max_versions)),
        performance=tuple(store.results(model=model.name, check=Check.PERFORMANCE, segment="*", newest=NEWEST)),
        silence=max(silences, key=lambda silence: silence.ends_at, default=None),
        retraining=next(iter(questions.store.recent_retrainings(model.name, 1)), None),
        lag=questions.lag(model),
    )


def _lines(title: str, lines: Sequence[str], more: int = 0) -> Reply:
    """A title and lines in one section; what does not fit is cut at its end."""
    said = [one_line(line) for line in lines] + ([f"… and {more} more"] if more > 0 else [])
    head: Block = {"type": "header", "text": plain(one_line(title), 150)}
    return Reply(text=clip(escape(one_line(f"{title}: {' '.join(said)}")), SECTION_LIMIT), blocks=(head, section("\n".join(said))))


COMMANDS: Mapping[str, Callable[[Questions, str], Reply]] = {
    "help": _help,
    "models": _models,
    "incidents": _incidents,
    "status": _status,
}
