"""The daily digest as Slack's Block Kit: pure, within Slack's limits. What comes from logs stands in plain text."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.core.digest import Digest, ModelPart, headline
from monitor.core.messages import moment
from monitor.core.results import Verdict
from monitor.notify.slack_message import (
    HEADER_LIMIT,
    LOOKS,
    Block,
    SlackMessage,
    context,
    fallback,
    link,
    one_line,
    plain,
    section,
)

ROOM = 9_000
"""Characters of all parts: 4,000 more, and Slack refuses the message."""
HELD_ROOM = 2_500
"""Characters of the incidents held back: within one section."""


def build_digest(digest: Digest) -> SlackMessage:
    """What was held back and what was given up, and a section for each model as far as there is room."""
    look, said = LOOKS[Verdict.WARN], headline(digest)
    header: Block = {"type": "header", "text": plain(f"{look.sign} {one_line(said)}", HEADER_LIMIT)}
    rest = [text for text in (_held(digest), "\n".join(map(one_line, digest.dead))) if text]
    kept = _fitting([_model(part) for part in digest.models], ROOM - sum(map(len, rest)))
    hidden = len(digest.models) - len(kept) + digest.more_models
    blocks: list[Block] = [
        context(f"{moment(digest.since)} to {moment(digest.until)}"),
        *map(section, kept),
        *([context(f"… and {hidden} more {'model' if hidden == 1 else 'models'}")] if hidden else []),
        *map(section, rest),
        *link(digest.models[0].url if len(digest.models) == 1 else None),
    ]
    text = fallback(look, said)
    return SlackMessage(text=text, blocks=(header,), attachments=({"color": look.colour, "blocks": blocks, "fallback": text},))


def _model(part: ModelPart) -> str:
    lines = [one_line(part.model), *(f"• {one_line(line)}" for line in part.lines)]
    return "\n".join([*lines, *([f"… and {part.more} more"] if part.more else [])])


def _held(digest: Digest) -> str:
    lines = _fitting([f"• {one_line(line)}" for line in digest.held], HELD_ROOM)
    hidden = len(digest.held) - len(lines) + digest.more_held
    return "\n".join(["Held back:", *lines, *([f"… and {hidden} more"] if hidden else [])]) if digest.held else ""


def _fitting(texts: Sequence[str], room: int) -> list[str]:
    """The first of them, as far as there is room; none is cut in two."""
    kept: list[str] = []
    for text in texts:
        room -= len(text) + 1
        if room < 0:
            break
        kept.append(text)
    return kept
