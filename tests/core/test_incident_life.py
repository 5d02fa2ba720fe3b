"""A machine that tries everything: windows, labels, people, silences, old windows and maintenance, in any order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from monitor.core.incidents import (
    CALLING,
    OPEN,
    Incident,
    IncidentEvent,
    IncidentState,
    MuteReason,
    NotifyKind,
    Step,
    TransitionReason,
    acknowledge,
    resolve,
    revise,
    step,
)
from monitor.core.maintenance import OneOff
from monitor.core.messages import incident_dedupe
from monitor.core.muting import HOLDING, mute
from monitor.core.rules import AlertRules
from tests.core.test_incident_table import DAY, START, WALL, hold, window

LETTERS, MUTES = ".!2qvpbws", "...zcko"
STILL = tuple(OneOff(starts=START + n * DAY, ends=START + (n + 2) * DAY) for n in range(5, 500, 11))
PLAIN = AlertRules(open_after=2, open_within=3, resolve_after=2, repeat_after=2 * DAY)
MUTED_ONLY = ("notified_at", "muted")


@dataclass(frozen=True)
class Did:
    """One thing that happened: a letter of the table, the window that it is about, what it said before, what muted it.

    ``revision``: of the window's results.
    """

    letter: str
    n: int = 0
    before: str = ""
    mute: str = "."
    revision: int = 0


def happened(did: Did, incident: Incident | None, rules: AlertRules, *, muting: bool = True) -> Step:
    if did.letter in "AX":
        assert incident is not None
        return (acknowledge if did.letter == "A" else resolve)(incident, by="eve", at=WALL)
    judged = replace(window(did.n, did.letter), revision=did.revision)
    taken = revise(incident, window(did.n, did.before).results, judged, rules) if did.before else step(incident, judged, rules)
    return mute(taken, incident, judged.end, hold(did.mute, taken, judged)) if muting else taken


def alike(incident: Incident | None) -> Incident | None:
    """All of it but what muting may change."""
    return None if incident is None else replace(incident, **dict.fromkeys(MUTED_ONLY))


class Life(RuleBasedStateMachine):
    """``plain`` is the same life without anything that mutes it."""

    def __init__(self) -> None:
        super().__init__()
        self.rules = replace(PLAIN, maintenance=STILL)
        self.n = 0
        self.incident: Incident | None = None
        self.plain: Incident | None = None
        self.said: dict[int, str] = {}
        self.revisions: dict[int, int] = {}
        self.done: list[Did] = []
        self.told: list[tuple[str, NotifyKind]] = []
        self.keys: list[str] = []
        self.history: list[IncidentEvent] = []
        self.ended: dict[str, Incident] = {}

    def take(self, did: Did) -> None:
        opened = self.incident
        taken, plain = happened(did, self.incident, self.rules), happened(did, self.plain, self.rules, muting=False)
        assert alike(taken.incident) == alike(plain.incident), "people alone are muted"
        self.done.append(did)
        self.history += taken.events
        after = taken.incident
        if taken.notify is not None and taken.notify.kind is not NotifyKind.UPDATE:  # an update of the first message tells nobody
            assert after is not None
            self.told.append((after.id, taken.notify.kind))
            self.keys.append(incident_dedupe("slack", after, taken.notify))
            assert taken.notify.kind not in CALLING or (after.notified_at, after.muted) == (after.updated_at, None)
        if after is not None and after.state is IncidentState.RESOLVED:
            known = opened is not None and opened.id == after.id and opened.notified_at is not None
            assert (taken.notify is not None) == known, "the end is told to those who were told, whatever is silenced, and to no others"
            assert after.id not in self.ended
            self.ended[after.id] = after
        self.incident = after if after is not None and after.state in OPEN else None
        self.plain = plain.incident if plain.incident is not None and plain.incident.state in OPEN else None

    @rule(letters=st.lists(st.tuples(st.sampled_from(LETTERS), st.sampled_from(MUTES)), min_size=1, max_size=5))
    def windows(self, letters: Sequence[tuple[str, str]]) -> None:
        for letter, muted in letters:
            self.said[self.n] = letter
            self.take(Did(letter, n=self.n, mute=muted))
            self.n += 1

    @precondition(lambda self: self.n > 0)
    @rule(back=st.integers(1, 6), letter=st.sampled_from(".!pbs"), muted=st.sampled_from(MUTES))
    def labels_come(self, back: int, letter: str, muted: str) -> None:
        n = max(self.n - back, 0)
        self.revisions[n] = self.revisions.get(n, 0) + 1
        self.take(Did(letter, n=n, before=self.said[n], mute=muted, revision=self.revisions[n]))
        self.said[n] = letter

    @precondition(lambda self: self.incident is not None and self.incident.state is IncidentState.FIRING)
    @rule()
    def somebody_acknowledges(self) -> None:
        self.take(Did("A"))

    @precondition(lambda self: self.incident is not None)
    @rule()
    def somebody_resolves(self) -> None:
        self.take(Did("X"))

    @invariant()
    def nothing_is_told_twice(self) -> None:
        assert len(self.keys) == len(set(self.keys))
        by_incident: dict[str, list[NotifyKind]] = {}
        for incident, kind in self.told:
            by_incident.setdefault(incident, []).append(kind)
        for kinds in by_incident.values():
            assert kinds[0] is NotifyKind.FIRING
            assert kinds.count(NotifyKind.FIRING) == 1
            assert NotifyKind.RESOLVED not in kinds[:-1]

    @invariant()
    def what_fires_is_told_or_says_why_not(self) -> None:
        incident = self.incident
        if incident is not None and incident.state is IncidentState.FIRING:
            assert incident.notified_at is not None or incident.muted in HOLDING
        if incident is not None and incident.muted is not None:
            line = TransitionReason.MAINTENANCE if incident.muted == MuteReason.MAINTENANCE else TransitionReason.HELD_BACK
            assert line in [event.reason for event in self.history if event.incident == incident.id]

    @invariant()
    def who_was_told_of_a_beginning_is_told_of_the_end(self) -> None:
        begun = {incident for incident, kind in self.told if kind is NotifyKind.FIRING}
        over = {incident for incident, kind in self.told if kind is NotifyKind.RESOLVED}
        assert begun - over <= ({self.incident.id} if self.incident is not None else set())
        assert {id for id, each in self.ended.items() if each.notified_at is not None} == over

    @invariant()
    def the_history_is_whole(self) -> None:
        states: dict[str, IncidentState] = {}
        for event in self.history:
            assert event.before == states.get(event.incident)
            states[event.incident] = event.after
        known = [*self.ended.values(), *([self.incident] if self.incident is not None else [])]
        assert states == {each.id: each.state for each in known}

    def teardown(self) -> None:
        """The same again writes the same history."""
        again: list[IncidentEvent] = []
        incident: Incident | None = None
        for did in self.done:
            taken = happened(did, incident, self.rules)
            again += taken.events
            incident = taken.incident if taken.incident is not None and taken.incident.state in OPEN else None
        assert again == self.history
        assert incident == self.incident


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=100, stateful_step_count=25, deadline=None)


def broken(life: Life) -> None:
    life.keys.append(life.keys[0])


def silent(life: Life) -> None:
    assert life.incident is not None
    life.incident = replace(life.incident, notified_at=None)


def forgotten(life: Life) -> None:
    life.told.append(("inc_9", NotifyKind.FIRING))


@pytest.mark.parametrize(("harm", "check"), [
    (broken, Life.nothing_is_told_twice), (silent, Life.what_fires_is_told_or_says_why_not),
    (forgotten, Life.who_was_told_of_a_beginning_is_told_of_the_end),
])  # fmt: skip
def test_the_machine_would_notice(harm: Callable[[Life], None], check: Callable[[Life], None]) -> None:
    life = Life()
    life.windows([("!", "."), ("!", ".")])
    check(life)
    harm(life)
    with pytest.raises(AssertionError):
        check(life)
