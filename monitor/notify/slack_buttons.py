"""The buttons under an incident's message, and the message as it reads once one was pressed: pure, within Slack's limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitor.core.incidents import Incident, IncidentEvent, IncidentState, NotifyKind, TransitionReason
from monitor.core.messages import IncidentMessage, moment
from monitor.core.retraining import Retraining, RetrainingState
from monitor.core.silences import Silence
from monitor.notify.slack_message import FIELD_LIMIT, Block, one_line, plain
from monitor.notify.slack_rights import Deed

ACTIONS_ID, SAID_ID, PROPOSAL_ID = "driftd_actions", "driftd_said", "driftd_proposal"
"""Names of our blocks, by which they are found again in a message: buttons, what was done, and the button of a proposal."""
OURS = frozenset({ACTIONS_ID, SAID_ID, PROPOSAL_ID})

LABEL_LIMIT, CONFIRM_TITLE_LIMIT, CONFIRM_TEXT_LIMIT, CONFIRM_BUTTON_LIMIT, VALUE_LIMIT = 75, 100, 300, 30, 2000
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """``action`` is what Slack sends back. ``asks``: what is to be confirmed first; empty where a click can be taken back."""

    action: str
    deed: Deed
    label: str
    style: str = ""
    asks: str = ""


ACKNOWLEDGE = Button(action="driftd_acknowledge", deed=Deed.ACKNOWLEDGE, label="Acknowledge", style="primary")
SILENCE_HOUR = Button(action="driftd_silence_1h", deed=Deed.SILENCE, label="Silence 1 h")
SILENCE_DAY = Button(action="driftd_silence_1d", deed=Deed.SILENCE, label="Silence 1 d")
EXPECT = Button(action="driftd_expect", deed=Deed.EXPECT, label="Expected shift", asks=(
    "The windows of this incident become what is usual: driftd will not alert on the like of them again."))
APPROVE = Button(action="driftd_approve", deed=Deed.APPROVE, label="Approve retraining", style="primary", asks=(
    "The request to retrain goes out now."))

SILENCES: Mapping[str, timedelta] = {SILENCE_HOUR.action: HOUR, SILENCE_DAY.action: DAY}
"""How long each button silences."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How an incident stands, for the lines and buttons under its message.

    ``silence``: the one in force that ends last. ``retraining``: the last one asked for because of it.
    """

    incident: Incident
    history: tuple[IncidentEvent, ...] = ()
    silence: Silence | None = None
    retraining: Retraining | None = None


def buttons(message: IncidentMessage, offered: frozenset[Deed]) -> list[Block]:
    """What stands under an incident's own message while it goes on; nothing once it is over."""
    if message.kind is NotifyKind.RESOLVED:
        return []
    shown = [*([] if message.acknowledged_by else [ACKNOWLEDGE]), SILENCE_HOUR, SILENCE_DAY, *([] if message.condition else [EXPECT])]
    return _actions([(button, message.incident) for button in shown if button.deed in offered], ACTIONS_ID)


def proposal_buttons(retraining: str, offered: frozenset[Deed]) -> list[Block]:
    """What stands under a message that proposes a retraining, given the request's id."""
    return _actions([(APPROVE, retraining)] if APPROVE.deed in offered else [], PROPOSAL_ID)


def proposal_blocks(asked: Retraining, offered: frozenset[Deed]) -> list[Block]:
    """What takes the place of a proposal's button, once it was pressed."""
    if asked.state is RetrainingState.PROPOSED:
        return proposal_buttons(asked.id, offered)
    return _lines([_approved(asked) if asked.approved_by else f"🔁 Retraining {asked.state}"], PROPOSAL_ID)


def is_proposal(message: Mapping[str, object]) -> bool:
    """Whether a message, as Slack gave it back, is one that proposes a retraining."""
    return any(block.get("block_id") == PROPOSAL_ID for each in _lists(message) for block in each)


def standing_blocks(standing: Standing, offered: frozenset[Deed]) -> list[Block]:
    """What takes the place of the first buttons: what people did, and what can still be done."""
    return [*_lines(_said(standing), SAID_ID),
            *_actions([(button, value) for button, value in _possible(standing) if button.deed in offered], ACTIONS_ID)]


def edited(message: Mapping[str, object], blocks: Sequence[Block]) -> Mapping[str, object] | None:
    """A message, as Slack gave it back, with ``blocks`` in the place of our own; None where it has none of ours.

    ``text``, ``blocks`` and ``attachments`` as they are sent; what Slack has added to them is left out.
    """
    attached, where = _attachments(message.get("attachments")), _lists(message)
    if not any(_is_ours(block) for each in where for block in each):
        return None
    first, *rest = [_replaced(each, blocks) for each in where]
    told = [{**each, "blocks": its} for each, its in zip(attached, rest, strict=True)]
    return {"text": str(message.get("text") or ""), "blocks": first, "attachments": told}


def _possible(standing: Standing) -> list[tuple[Button, str]]:
    incident, asked = standing.incident, standing.retraining
    open_ = incident.state in (IncidentState.FIRING, IncidentState.ACKNOWLEDGED)
    return [
        *([(ACKNOWLEDGE, incident.id)] if incident.state is IncidentState.FIRING else []),
        *([(SILENCE_HOUR, incident.id), (SILENCE_DAY, incident.id)] if open_ else []),
        *([(EXPECT, incident.id)] if open_ and incident.condition is None else []),
        *([(APPROVE, asked.id)] if asked is not None and asked.state is RetrainingState.PROPOSED else []),
    ]


def _said(standing: Standing) -> list[str]:
    incident, silence, asked = standing.incident, standing.silence, standing.retraining
    return [
        *([f"✋ Acknowledged by {incident.acknowledged_by}{_when(standing, TransitionReason.ACKNOWLEDGED_BY_PERSON)}"]
          if incident.acknowledged_by else []),
        *([f"🔕 Silenced until {moment(silence.ends_at)} by {silence.by}"]
          if silence is not None and incident.state is not IncidentState.RESOLVED else []),
        *([_approved(asked)] if asked is not None and asked.approved_by else []),
        *([f"🟢 Resolved{_how(standing)}"] if incident.state is IncidentState.RESOLVED else []),
    ]


def _approved(asked: Retraining) -> str:
    return f"🔁 Retraining approved by {asked.approved_by}"


def _when(standing: Standing, reason: TransitionReason) -> str:
    at = _last(standing, reason)
    return "" if at is None else f", {moment(at)}"


def _how(standing: Standing) -> str:
    last = next((event for event in reversed(standing.history) if event.after is IncidentState.RESOLVED), None)
    return "" if last is None else f": {last.reason} ({last.detail})" if last.detail else f": {last.reason}"


def _last(standing: Standing, reason: TransitionReason) -> datetime | None:
    return next((event.at for event in reversed(standing.history) if event.reason is reason), None)


def _lines(lines: Sequence[str], id: str) -> list[Block]:
    """Small lines; Slack takes no empty block."""
    return [{"type": "context", "block_id": id, "elements": [plain(one_line(line), FIELD_LIMIT) for line in lines]}] if lines else []


def _actions(pairs: Sequence[tuple[Button, str]], id: str) -> list[Block]:
    """One row of buttons; Slack takes no empty one."""
    return [{"type": "actions", "block_id": id, "elements": [_element(button, value) for button, value in pairs]}] if pairs else []


def _element(button: Button, value: str) -> Mapping[str, object]:
    confirm = {"confirm": {
        "title": plain(f"{button.label}?", CONFIRM_TITLE_LIMIT), "text": plain(button.asks, CONFIRM_TEXT_LIMIT),
        "confirm": plain(button.label, CONFIRM_BUTTON_LIMIT), "deny": plain("Cancel", CONFIRM_BUTTON_LIMIT),
    }} if button.asks else {}
    return {"type": "button", "action_id": button.action, "text": plain(button.label, LABEL_LIMIT), "value": value[:VALUE_LIMIT],
            **({"style": button.style} if button.style else {}), **confirm}


def _is_ours(block: Mapping[str, object]) -> bool:
    return block.get("block_id") in OURS


def _replaced(blocks: Sequence[Block], ours: Sequence[Block]) -> list[Block]:
    """Ours where the first of ours stood; in a list without any, nothing changes."""
    at = next((n for n, block in enumerate(blocks) if _is_ours(block)), None)
    if at is None:
        return list(blocks)
    return [*blocks[:at], *ours, *(block for block in blocks[at:] if not _is_ours(block))]


def _lists(message: Mapping[str, object]) -> list[list[Block]]:
    """The blocks on top, then those of each attachment."""
    return [_blocks(message.get("blocks")), *(_blocks(each.get("blocks")) for each in _attachments(message.get("attachments")))]


def _blocks(told: object) -> list[Block]:
    return [_sendable(block) for block in told if isinstance(block, Mapping)] if isinstance(told, list) else []


def _sendable(block: Block) -> Block:
    """Slack adds sizes and addresses to pictures, and takes none of them back."""
    file = block.get("slack_file")
    if block.get("type") != "image" or not isinstance(file, Mapping):
        return block
    kept = {name: block[name] for name in ("type", "block_id", "alt_text", "title") if name in block}
    return {**kept, "slack_file": {"id": file.get("id")}}


def _attachments(told: object) -> list[Mapping[str, object]]:
    given = [each for each in told if isinstance(each, Mapping)] if isinstance(told, list) else []
    return [{name: _colour(each[name]) if name == "color" else each[name] for name in ("color", "fallback", "blocks") if name in each}
            for each in given]


def _colour(told: object) -> object:
    """Slack gives colours back without their sign."""
    return f"#{told}" if isinstance(told, str) and not told.startswith("#") else told
