"""What windows, people and mutes lead to: one row a story, read from left to right.

``windows``   . good   ! drift of x   2 drift of x and y   q quality   v volume   p performance   b drift and quality
              w quality and performance   s cannot tell   and people between them: A acknowledge   X resolve
``mutes``     of each of them: . none   z all is silenced   c column x is   k the check drift is   i the first incident is
              o the window is old   m maintenance
``states``    . none   p pending   f firing   a acknowledged   r resolved
``told``      F it fires   R reminder   D data fault too   P performance dropped too   L told late, as the first message   l told late
              u who acknowledged   r resolved   . nothing; and lines of history besides: h held back   m stands still   i inhibited
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby

import pytest

from monitor.core.incidents import (
    Incident,
    IncidentState,
    Judged,
    MuteReason,
    NotifyKind,
    Step,
    TransitionReason,
    acknowledge,
    incident_id,
    resolve,
    step,
)
from monitor.core.maintenance import OneOff
from monitor.core.muting import Hold, by_silence, mute, told_of
from monitor.core.results import Check, Result, Verdict
from monitor.core.rules import AlertRules
from monitor.core.silences import Silence, silencing

START = datetime(2013, 7, 1, tzinfo=UTC)
DAY = timedelta(days=1)
WALL = datetime(2030, 1, 1, tzinfo=UTC)
NEVER = timedelta(days=10_000)

ALERTS: dict[str, tuple[tuple[Check, str | None], ...]] = {
    "!": ((Check.DRIFT, "x"),),
    "2": ((Check.DRIFT, "x"), (Check.DRIFT, "y")),
    "q": ((Check.QUALITY, None),),
    "v": ((Check.VOLUME, None),),
    "p": ((Check.PERFORMANCE, None),),
    "b": ((Check.DRIFT, "x"), (Check.QUALITY, None)),
    "w": ((Check.QUALITY, None), (Check.PERFORMANCE, None)),
}
SILENCE = Silence(id="sil_1", model="*", starts_at=WALL, ends_at=WALL + DAY, by="eve")
SILENCES = {
    "z": SILENCE,
    "c": replace(SILENCE, model="m", column="x"),
    "k": replace(SILENCE, model="m", check="drift"),
    "i": replace(SILENCE, model="m", incident=incident_id("m", START)),
}
STATES = {None: ".", IncidentState.PENDING: "p", IncidentState.FIRING: "f", IncidentState.ACKNOWLEDGED: "a", IncidentState.RESOLVED: "r"}
TOLD = {
    TransitionReason.OPEN_AFTER_REACHED: "F", TransitionReason.REPEAT_INTERVAL_ELAPSED: "R", TransitionReason.DATA_FAULT_TOO: "D",
    TransitionReason.PERFORMANCE_DROPPED_TOO: "P", TransitionReason.TOLD_LATE: "l", TransitionReason.RESOLVE_AFTER_REACHED: "r",
    TransitionReason.RESOLVED_BY_PERSON: "r", TransitionReason.ACKNOWLEDGED_BY_PERSON: "u",
}  # fmt: skip
LINES = {TransitionReason.HELD_BACK: "h", TransitionReason.MAINTENANCE: "m", TransitionReason.INHIBITED: "i"}


@dataclass(frozen=True, kw_only=True)
class Row:
    """``muted``: what the incident says in the end."""

    windows: str
    mutes: str
    states: str
    told: str
    rules: AlertRules
    muted: str | None = None

    def __str__(self) -> str:
        return f"{self.windows}|{self.mutes}|{self.rules.open_after}-{self.rules.resolve_after}-{self.rules.repeat_after.days}"


def row(windows: str, states: str, told: str, mutes: str = "", *, opens: int = 1, within: int | None = None, resolves: int = 2,
        repeat: timedelta = NEVER, muted: str | None = None) -> Row:
    rules = AlertRules(open_after=opens, open_within=within, resolve_after=resolves, repeat_after=repeat)
    return Row(windows=windows, mutes=mutes or " ".join("." for _ in windows.split()), states=states, told=told, rules=rules, muted=muted)


SILENCED, OLD, STILL = MuteReason.SILENCED, MuteReason.OLD_WINDOW, MuteReason.MAINTENANCE
TABLE = [
    # windows alone
    row(". ! ! s . .", ". f f f f r", ". F . . . r"),
    row("s s", ". .", ". ."),
    row("!", "p", ".", opens=2),
    row("! !", "p f", ". F", opens=2),
    row("! . !", "p r p", ". . .", opens=2),
    row("! s !", "p p f", ". . F", opens=2),
    row("! . !", "p p f", ". . F", opens=2, within=3),
    row("q", "f", "F"),
    row("p", "f", "F"),
    row("! . ! . .", "f f f f r", "F . . . r"),
    row("! ! !", "f f f", "F R R", repeat=DAY),
    row("! . . ! . .", "f f r f f r", "F . r F . r"),
    # people
    row("! A ! !", "f a a a", "F u . .", repeat=DAY),
    row("! A . .", "f a a r", "F u . r"),
    row("! X", "f r", "F r"),
    row("! X !", "f r f", "F r F"),
    row("! X", "p r", ". .", opens=2),
    # a data fault over drift over decay
    row("! q", "f f", "F D"),
    row("! v", "f f", "F D"),
    row("! p", "f f", "F P"),
    row("p !", "f f", "F ."),
    row("p q", "f f", "F D"),
    row("q !", "f f", "F i"),
    row("q p", "f f", "F i"),
    row("q ! p", "f f f", "F i i"),
    row("q ! !", "f f f", "F i ."),
    row("v !", "f f", "F i"),
    row("q v", "f f", "F ."),
    row("! p q", "f f f", "F P D"),
    row("! q p", "f f f", "F D i"),
    row("! b", "f f", "F D"),
    row("! w", "f f", "F D"),
    row("b !", "f f", "F ."),
    row("! A q", "f a a", "F u D"),
    row("q A !", "f a a", "F u i"),
    row("q !", "f f", "F iR", repeat=DAY),
    row("! q", "p f", ". F", opens=2),
    # silences
    row("!", "f", "h", "z", muted=SILENCED),
    row("! !", "f f", "h .", "z z", muted=SILENCED),
    row("! ! !", "f f f", "h . L", "z z ."),
    row("! . .", "f f r", "h . .", "z . .", muted=SILENCED),
    row("! . .", "f f r", "F . r", ". z z"),
    row("! ! . .", "f f f r", "h L . r", "z . . ."),
    row("! ! !", "f f f", "F h l", ". z .", repeat=DAY),
    row("! ! ! !", "f f f f", "F h . l", ". z z .", repeat=DAY),
    row("! ! !", "f f f", "h . .", "z z z", repeat=DAY, muted=SILENCED),
    row("! q", "f f", "F h", ". z", muted=SILENCED),
    row("! q !", "f f f", "F h l", ". z ."),
    row("! q . .", "f f f r", "F h . r", ". z . ."),
    row("! q p", "f f f", "h h i", "z z z", muted=SILENCED),
    row("! A !", "f a a", "h . .", "z . ."),
    row("! A . .", "f a a r", "h . . .", "z . . ."),
    row("! A q", "f a a", "h . D", "z . ."),
    row("! X", "f r", "h .", "z .", muted=SILENCED),
    row("! X", "f r", "F r", ". z"),
    row("! !", "p f", ". h", "z z", opens=2, muted=SILENCED),
    row("! ! !", "p f f", ". F .", "z . .", opens=2),
    row("! s !", "f f f", "h . L", "z . ."),
    row("! . !", "f f f", "h . L", "z . ."),
    row("! ! !", "f f f", "h L R", "z . .", repeat=DAY),
    row("!", "f", "h", "c", muted=SILENCED),
    row("2", "f", "F", "c"),
    row("! 2", "f f", "h L", "c c"),
    row("! 2 !", "f f f", "h L .", "c c c"),
    row("! 2 !", "f f f", "h L h", "c c c", repeat=DAY, muted=SILENCED),
    row("! q", "f f", "h L", "c c"),
    row("q", "f", "F", "c"),
    row("2", "f", "h", "k", muted=SILENCED),
    row("! p", "f f", "h L", "k k"),
    row("! . . !", "f f r f", "h . . F", "i i i i"),
    # old windows
    row("!", "f", "h", "o", muted=OLD),
    row("! ! !", "f f f", "h . .", "o o o", repeat=DAY, muted=OLD),
    row("! ! !", "f f f", "h . L", "o o ."),
    row("! ! ! !", "f f f f", "h . L R", "o o . .", repeat=DAY),
    row("! . .", "f f r", "h . .", "o o o", muted=OLD),
    row("! . . !", "f f r f", "h . . F", "o o o ."),
    row("! . . ! . . !", "f f r f f r f", "h . . h . . h", "o o o o o o o", muted=OLD),
    row("! . . .", "f f f r", "h . . .", "o o . .", resolves=3, muted=OLD),
    row("! ! ! !", "f f f f", "F h . l", ". o o .", repeat=DAY),
    row("! . .", "f f r", "F . r", ". o o"),
    row("! ! !", "f f f", "h h L", "o z ."),
    row("! ! ! !", "f f f f", "h h . L", "o z z ."),
    # maintenance
    row("!", ".", ".", "m"),
    row("! !", ". f", ". F", "m ."),
    row("! ! !", "f f f", "F m .", ". m ."),
    row("! . .", "f f f", "F m .", ". m m", muted=STILL),
    row("! . . . .", "f f f f r", "F m . . r", ". m m . ."),
    row("! . . .", "f f f r", "F . m r", ". . m ."),
    row("! !", "p p", ". m", ". m", opens=2, muted=STILL),
    row("! ! !", "p p f", ". m F", ". m .", opens=2),
    row("! . !", "p p f", ". m F", ". m .", opens=2),
    row("! s s", "f f f", "F . .", ". m m"),
    row("! ! ! ! !", "f f f f f", "F m . m .", ". m . m ."),
    row("! ! !", "f f f", "F m R", ". m .", repeat=DAY),
    row("! A ! .", "f a a r", "F u m r", ". . m .", resolves=1),
    row("! q !", "f f f", "F m .", ". m ."),
    row("! ! ! !", "f f f f", "h m . L", "z m m ."),
    row("! X", "f r", "F r", ". m"),
]  # fmt: skip


def result(n: int, verdict: Verdict, check: Check, column: str | None) -> Result:
    return Result(
        model="m", version="1", segment="*", window_start=START + n * DAY, window_end=START + (n + 1) * DAY, check=check, column=column,
        metric="psi", value=1.0, threshold=0.2, p_value=None, verdict=verdict, reason="", rows=1000,
    )  # fmt: skip


def window(n: int, letter: str) -> Judged:
    alerts = tuple(result(n, Verdict.ALERT, check, column) for check, column in ALERTS.get(letter, ()))
    verdict = Verdict.INSUFFICIENT if letter == "s" else Verdict.OK
    others = tuple(result(n, verdict, check, "z") for check in Check)
    return Judged(model="m", start=START + n * DAY, end=START + (n + 1) * DAY, results=alerts or others)


def hold(letter: str, taken: Step, judged: Judged) -> Hold | None:
    if letter == "o":
        return Hold(reason=MuteReason.OLD_WINDOW)
    if letter not in SILENCES or taken.incident is None:
        return None
    found = silencing([SILENCES[letter]], taken.incident, told_of(judged), WALL)
    return None if found is None else by_silence(found)


def in_maintenance(row: Row) -> tuple[OneOff, ...]:
    """One time of maintenance for each run of m."""
    letters = [m for w, m in zip(row.windows.split(), row.mutes.split(), strict=True) if w not in "AX"]
    runs = [(letter, [n for n, _ in found]) for letter, found in groupby(enumerate(letters), key=lambda each: each[1])]
    return tuple(OneOff(starts=START + ns[0] * DAY, ends=START + (ns[-1] + 1) * DAY) for letter, ns in runs if letter == "m")


def lived(row: Row) -> Iterator[Step]:
    incident: Incident | None = None
    rules, n = replace(row.rules, maintenance=in_maintenance(row)), 0
    for letter, muted in zip(row.windows.split(), row.mutes.split(), strict=True):
        if letter in "AX":
            assert incident is not None
            taken = (acknowledge if letter == "A" else resolve)(incident, by="eve", at=WALL)
        else:
            judged, n = window(n, letter), n + 1
            taken = step(incident, judged, rules)
            taken = mute(taken, incident, judged.end, hold(muted, taken, judged))
        yield taken
        incident = taken.incident


def said(taken: Step) -> str:
    told = "" if taken.notify is None else TOLD[taken.notify.reason]
    if taken.notify is not None and taken.notify.kind is NotifyKind.FIRING and told == "l":
        told = "L"
    return "".join(LINES.get(event.reason, "") for event in taken.events) + told or "."


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_windows_people_and_mutes_lead_to_states_and_messages(row: Row) -> None:
    steps = list(lived(row))
    assert " ".join(STATES[taken.incident and taken.incident.state] for taken in steps) == row.states
    assert " ".join(map(said, steps)) == row.told
    last = steps[-1].incident
    assert (last and last.muted) == row.muted


def test_the_table_has_its_rows_once() -> None:
    assert len(TABLE) >= 60
    assert len({(str(row), row.rules.open_within) for row in TABLE}) == len(TABLE)


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_muting_changes_no_state_and_the_history_is_whole(row: Row) -> None:
    """Every change of state is a line of history, and the lines follow one another."""
    steps, quiet = list(lived(row)), list(lived(replace(row, mutes="".join("m" if each == "m" else "." if each != " " else " "
                                                                           for each in row.mutes))))
    assert [taken.incident and taken.incident.state for taken in steps] == [taken.incident and taken.incident.state for taken in quiet]
    states: dict[str, IncidentState | None] = {}
    for event in (event for taken in steps for event in taken.events):
        assert event.before == states.get(event.incident)
        states[event.incident] = event.after
    assert states == {taken.incident.id: taken.incident.state for taken in steps if taken.incident is not None}
