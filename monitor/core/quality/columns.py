"""Columns that messages begin to carry though nothing watches them, or no longer carry: what was renamed is one of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

from monitor.core.finding import Finding
from monitor.core.profile.unmapped import MIXED, NOTHING, Unmapped
from monitor.core.results import Check, Verdict
from monitor.core.rules import QualityRules, Switch

RECENT = 8  # messages looked at that say what is sent now
BEFORE = 40  # and what was sent before: of 40, one that a twentieth of the messages carries is missed once in eight
SENT = 0.5  # share of the recent messages from which on a column is one that is sent, not a rare one that shows now
STEADY = 0.9  # share of the messages before in which a column was that is missed now: 8 messages lack one of .8 once in 400,000 times
PARTLY = 1  # windows between both that may be partly this and partly that: producers change in the middle of one
NAMED = 5  # columns named in a reason
LONGEST_NAME = 80  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Paths that came and that went, by name."""

    new: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()

    def without(self, other: Change) -> Change:
        """What is not in another."""
        return Change(new=self.new - other.new, gone=self.gone - other.gone)


def judge_columns(window: Unmapped, earlier: Sequence[Unmapped], rules: QualityRules) -> list[Finding]:
    """One finding for a version's window: it warns in the first window that tells of a change, and no more in those that follow.

    ``earlier``: the same of the windows before it, oldest first; those that were read by another mapping are passed over, for
    columns that begin to be watched are not gone. Nothing where too few messages were looked at to say anything.
    """
    if rules.schema_changes is Switch.OFF or not window.looked or window.mapping == MIXED:
        return []
    history = [looks for looks in (*earlier, window) if looks.looked and looks.mapping == window.mapping]
    change = _change(history)
    if change is None:
        return []
    for back in range(1, len(_recent(history)) + PARTLY + 1):
        if change == Change():
            break
        change = change.without(_change(history[:-back]) or Change())
    return [_finding(change, window.looked)]


def _recent(history: Sequence[Unmapped]) -> Sequence[Unmapped]:
    """The last windows, as many as ``RECENT`` messages take."""
    return history[_from(history, RECENT) :]


def _from(history: Sequence[Unmapped], messages: int) -> int:
    looked = 0
    for at in range(len(history) - 1, -1, -1):
        looked += history[at].looked
        if looked >= messages:
            return at
    return 0


def _change(history: Sequence[Unmapped]) -> Change | None:
    """Between the last windows and those before; None where either are too few."""
    recent = _recent(history)
    rest = history[: max(len(history) - len(recent) - PARTLY, 0)]
    now, before = _together(recent), _together(rest[_from(rest, BEFORE) :])
    if now.looked < RECENT or before.looked < BEFORE:
        return None
    return Change(
        new=frozenset(p for p in now.kept if now.share(p) >= SENT and p not in before.kept and before.tells(p)),
        gone=frozenset(p for p in before.kept if before.share(p) >= STEADY and p not in now.kept and now.tells(p)),
    )


def _together(windows: Iterable[Unmapped]) -> Unmapped:
    return reduce(Unmapped.merge, windows, NOTHING)


def _finding(change: Change, looked: int) -> Finding:
    count = len(change.new) + len(change.gone)
    said = [
        f"{verb} {_columns(len(paths))}: {_listed(paths)}"
        for verb, paths in (("sends since this window", change.new), ("no longer sends", change.gone))
        if paths
    ]
    return Finding(
        check=Check.QUALITY,
        column=None,
        metric="schema_changes",
        verdict=Verdict.WARN if count else Verdict.OK,
        reason="; ".join(said) or f"beside the watched columns nothing came or went in {looked:,} messages looked at",
        value=float(count),
        threshold=0.0,
    )


def _columns(count: int) -> str:
    return f"{count} column{'' if count == 1 else 's'} that nothing watches"


def _listed(paths: Iterable[str]) -> str:
    names = sorted(paths)
    more = len(names) - NAMED
    return ", ".join(map(_shown, names[:NAMED])) + (f" and {more} more" if more > 0 else "")


def _shown(path: str) -> str:
    """A name out of a message, on one line and not endless."""
    path = path if len(path) <= LONGEST_NAME else f"{path[:LONGEST_NAME]}…"
    return path if path.isprintable() else repr(path)
