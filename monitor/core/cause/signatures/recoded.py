"""Truncated or re-encoded categories: the new names are known ones in another spelling."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from monitor.core.cause.names import common, shares_by_name
from monitor.core.cause.scene import Scene
from monitor.core.cause.sentence import short
from monitor.core.cause.signatures.sign import FIT, Sign
from monitor.core.finding import number, percent

LEAST_SHARE = 0.02  # of rows in new spellings: fewer are typing errors
EXPLAINED = 0.8  # of the rows with new names
WORST_FIT = 0.8  # distance that stays, in units of the whole one, where the rest is as usual for the column
SHORTEST_CUT = 3  # characters that a truncated name has left
SHOWN = 2  # spellings that are shown

Key = Callable[[str], str]
"""What two spellings of one category have in common."""


def _number(text: str) -> str:
    """``1``, ``1.0``, ``01`` and ``1e0`` are one; other texts are themselves."""
    if re.fullmatch(r"\s*[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?\s*", text):
        value = float(text)
        return repr(value) if math.isfinite(value) else text
    return text


def _plain(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def _read_right(text: str) -> str:
    """Text whose UTF-8 bytes were read as Latin-1 or Windows-1252, as it was meant; other texts are themselves."""
    for wrong in ("cp1252", "latin-1"):
        with suppress(UnicodeError):
            return text.encode(wrong).decode("utf-8")
    return text


def _letters(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())


TRUTHS = {"true": "true", "t": "true", "yes": "true", "y": "true", "1": "true", "1.0": "true",
          "false": "false", "f": "false", "no": "false", "n": "false", "0": "false", "0.0": "false"}  # fmt: skip

SPELLINGS: Mapping[str, Key] = {
    "blanks": str.strip,
    "letter case": str.casefold,
    "quotes": lambda text: text.strip("\"'`"),
    "number format": _number,
    "accents": _plain,
    "text encoding": _read_right,
    "truth values": lambda text: TRUTHS.get(text.strip().casefold(), text),
    "punctuation and case": _letters,
}
"""How spellings differ, the most particular first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """``renamed``: new names with the known ones that they stand for, under one way of spelling. ``under``: the same for all names."""

    way: str
    renamed: Mapping[str, str]
    under: Mapping[str, str]

    def share(self, after: Mapping[str, float]) -> float:
        """Of rows with renamed categories."""
        return sum(after[name] for name in self.renamed)

    def undone(self, shares: Mapping[str, float]) -> Mapping[str, float]:
        """Shares under the known names; known ones that are spelt alike under one of them."""
        back: dict[str, float] = {}
        for name, share in shares.items():
            known = self.under.get(name, name)
            back[known] = back.get(known, 0.0) + share
        return back


def recoded(scene: Scene) -> Sign | None:
    """Of the share of rows with new spellings. The shares must fit too: what came under the new names went under the old."""
    before, after = shares_by_name(scene.reference, scene.name), shares_by_name(scene.window, scene.name)
    new = sorted(name for name in after if name not in before)
    unseen = sum(after[name] for name in new)
    if unseen < LEAST_SHARE or not before:
        return None
    best = max(_readings(before, new), key=lambda reading: reading.share(after), default=None)
    if best is None or best.share(after) < max(EXPLAINED * unseen, LEAST_SHARE):
        return None
    plain, rest = 1 - common(before, after), 1 - common(best.undone(before), best.undone(after))
    if rest > FIT * plain and rest > min(WORST_FIT * plain, scene.slack):
        return None
    share = best.share(after)
    evidence = f"{percent(unseen)} of rows have new names; distance {number(plain)} as it is, {number(rest)} under the known ones"
    return Sign(said=f"{_examples(best, after)} in {percent(share)} of rows ({best.way})", evidence=evidence, share=share)


def _examples(reading: _Reading, after: Mapping[str, float]) -> str:
    ordered = sorted(reading.renamed, key=lambda name: (-after[name], name))
    shown = ", ".join(f'"{short(reading.renamed[name])}" → "{short(name)}"' for name in ordered[:SHOWN])
    more = len(ordered) - SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def _readings(before: Mapping[str, float], new: Sequence[str]) -> Iterator[_Reading]:
    """Every way of spelling that knows some of the new names."""
    width = max(map(len, new))
    ways: dict[str, tuple[Key, Sequence[str]]] = {f"re-encoded: {way}": (key, tuple(before)) for way, key in SPELLINGS.items()}
    if width >= SHORTEST_CUT:
        longer = tuple(name for name in before if len(name) > width)
        ways[f"truncated to {width} characters"] = (lambda text: text[:width].rstrip(), longer)
    for way, (key, names) in ways.items():
        known: dict[str, str] = {}
        for name in sorted(names, key=lambda name: (before[name], name)):
            known[key(name)] = name  # of several that are spelt alike, the one with most rows
        renamed = {name: known[key(name)] for name in new if key(name) in known}
        if renamed:
            yield _Reading(way=way, renamed=renamed, under={name: known[key(name)] for name in names} | renamed)
