"""Which texts are classes, and which of two is the positive one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from monitor.core.labels.labels import Joined
from monitor.core.rules import PerformanceRules, Task
from monitor.core.schema import CategoricalValues, Ints, Values

POSITIVE, NEGATIVE, NO_CLASS, UNKNOWN, WRONG = 1, 0, -1, -2, -3  # what a text is to a binary model; the last three to any
YES = frozenset({"1", "true"})
NO = frozenset({"0", "false"})
MAX_CLASSES = 1000  # of a multiclass model; further ones are unknown
LISTED = 5  # classes that a fault names


@dataclass(frozen=True, slots=True, kw_only=True)
class Classes:
    """The classes of a model: ``names`` of a multiclass model, sorted; of a binary one the texts of either class.

    ``fault``: why no class can be told, empty where they can.
    """

    names: tuple[str, ...] = ()
    positive: frozenset[str] = frozenset()
    negative: frozenset[str] = frozenset()
    fault: str = ""

    def codes(self, values: Values | None, rows: int) -> Ints:
        """What each row says, shape (n,): for a binary model 1 or 0, else a position in ``names``; below 0 no class at all."""
        if values is None:
            return np.full(rows, NO_CLASS)
        if not isinstance(values, CategoricalValues):
            return np.full(rows, WRONG)
        by_text = self._by_text()
        found: Ints = np.array([WRONG, NO_CLASS, *(by_text.get(text, UNKNOWN) for text in values.dictionary)])[values.codes + 2]
        return found

    def _by_text(self) -> Mapping[str, int]:
        if self.names:
            return {name: i for i, name in enumerate(self.names)}
        return dict.fromkeys(self.negative, NEGATIVE) | dict.fromkeys(self.positive, POSITIVE)


def classes_of(joined: Joined, task: Task, rules: PerformanceRules, known: Sequence[str] = ()) -> Classes:
    """The classes of a window's rows. ``known``: those of the reference; without any the predictions tell them, and the labels of
    a binary model. Slices and chunks of a window should share one answer."""
    if task is Task.REGRESSION:
        return Classes()
    if task is Task.MULTICLASS:
        names = sorted({*known, *used(joined.rows.prediction), *joined.rows.classes})
        return Classes(names=tuple(names[:MAX_CLASSES]))
    return binary_classes(rules.positive, known or joined.rows.classes, used(joined.rows.prediction), used(joined.labels))


def binary_classes(positive: str, known: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> Classes:
    """The two sides of a binary model. Without ``positive``, "1" and "true" stand for yes, "0" and "false" for no, each for the other
    too: predictions may say 1 where labels say true."""
    seen = sorted({*known, *(() if known else (*predicted, *labels))})
    if positive:
        others = frozenset(known or predicted) - {positive} or frozenset(seen) - {positive}
        return Classes(positive=frozenset({positive}), negative=others)
    if seen and not set(seen) & (YES | NO):
        named = ", ".join(map(repr, seen[:LISTED])) + (" …" if len(seen) > LISTED else "")
        return Classes(fault=f'the positive class is not known: the classes are {named}, neither "1" nor "true" is one; name it in '
                             "performance.positive")
    others = frozenset(seen if known else predicted) - YES - NO
    return Classes(positive=YES, negative=NO | others)


def used(values: Values | None) -> list[str]:
    """The categories that rows have, sorted."""
    if not isinstance(values, CategoricalValues):
        return []
    codes = np.unique(values.codes[values.codes >= 0])
    return sorted(values.dictionary[code] for code in codes.tolist())
