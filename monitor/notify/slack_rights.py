"""Who may do what by Slack: a pure decision with its reason in words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from monitor.notify.slack_envelope import Person
from monitor.settings.receivers import SlackSettings


class Deed(StrEnum):
    """What a person may want."""

    ACKNOWLEDGE = "acknowledge"
    SILENCE = "silence"
    EXPECT = "expect"
    APPROVE = "approve"
    ASK = "ask"


WEIGHTY = frozenset({Deed.EXPECT, Deed.APPROVE})
"""They change what is usual, or start a training: seeing a channel is not enough for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """``users``: None for everybody of the workspace. ``approvers`` may do all of it, the weighty deeds too, and nobody else may those."""

    users: frozenset[str] | None = None
    approvers: frozenset[str] = frozenset()

    def refusal(self, deed: Deed, person: Person) -> str | None:
        """Why this person may not; None: they may."""
        if person.id in self.approvers:
            return None
        yours = f"your id there would be {person.id}"
        if deed in WEIGHTY:
            return f"only those in slack.approvers may {WORDS[deed]} by Slack; {yours}"
        if self.users is None:
            return f"you are of another workspace, and not in slack.allow_users; {yours}" if person.guest else None
        return None if person.id in self.users else f"only those in slack.allow_users may {WORDS[deed]} by Slack; {yours}"

    def offered(self) -> frozenset[Deed]:
        """What buttons are shown for: none that nobody may press."""
        return frozenset(Deed) - (frozenset() if self.approvers else WEIGHTY)


WORDS = {
    Deed.ACKNOWLEDGE: "acknowledge", Deed.SILENCE: "silence", Deed.EXPECT: "accept a shift", Deed.APPROVE: "approve a retraining",
    Deed.ASK: "ask",
}


def rights_of(slack: SlackSettings) -> Rights:
    """As the configuration has it."""
    users = None if slack.allow_users is None else frozenset(slack.allow_users)
    return Rights(users=users, approvers=frozenset(slack.approvers))
