"""A mapping guessed from messages: which place is the id, which the time, and which are features. A person is to look at it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

from monitor.core.rules import Task
from monitor.core.schema import Kind
from monitor.formats.fields import Fields, Seen

NEARLY = 0.95
"""Of a field's rows; a few broken ones are no other field."""
FEW = 20
"""Distinct numbers up to which a prediction is taken for classes."""
MANY = 0.5
"""A larger share of distinct texts than this is that of ids, names or free text, no categories."""
ENOUGH = 50
"""Texts below which a large share of distinct ones proves nothing."""
FEATURE_OBJECTS = ("features", "inputs", "input", "x", "data", "attributes")
IDS = ("prediction_id", "inference_id", "request_id", "event_id", "id", "uuid", "key")
TIMES = ("event_time", "timestamp", "ts", "time", "occurred_at", "created_at", "at", "datetime", "date")
VERSIONS = ("model_version", "version", "model_ver")
PREDICTIONS = ("prediction", "predicted", "pred", "y_pred", "y_hat", "predicted_class", "predicted_label", "output", "decision")
SCORES = ("score", "probability", "proba", "prob", "confidence", "p", "prediction_score", "scores", "probabilities")
LABELS = ("label", "actual", "target", "truth", "ground_truth", "y_true", "y", "outcome")
_PROBABILITY = re.compile(r"(p|prob|proba|score)_\w+|\w+_(score|prob|proba|probability)", re.IGNORECASE)
Fits = Callable[[Seen], bool]
"""Whether what was seen may be what is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """Dotted places, None where nothing fits. ``columns`` are named as inside of ``features``, or as whole places without it.

    ``left_out``: why other places are no columns, by place.
    """

    task: Task
    id: str | None = None
    time: str | None = None
    version: str | None = None
    prediction: str | None = None
    score: str | None = None
    label: str | None = None
    features: str | None = None
    columns: Mapping[str, Kind] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)


def guess(fields: Fields) -> Guess:
    """The mapping that these fields suggest, by their names first and what they hold."""
    leaves = dict(fields.leaves)
    taken: set[str] = set()

    def take(names: Collection[str], fits: Fits) -> str | None:
        found = _best(leaves, names, fits, taken)
        taken.update([found] if found else [])
        return found

    time = take(TIMES, _is_time) or _only(path for path, seen in leaves.items() if _is_time(seen))
    taken.update([time] if time else [])
    id = take(IDS, _is_id)
    version = take(VERSIONS, lambda seen: seen.only(str, int, float))
    scores = _scores_object(fields, leaves)
    score = scores or take(SCORES, _is_chance) or _only(p for p, s in leaves.items() if _PROBABILITY.fullmatch(_last(p)) and _is_chance(s))
    taken.update(path for path in leaves if score and (path == score or path.startswith(f"{score}.")))
    prediction = take(PREDICTIONS, lambda seen: seen.only(str, int, float, bool))
    label = take(LABELS, lambda seen: seen.only(str, int, float, bool))
    features = _features(fields, taken)
    inside = [path for path in leaves if path not in taken and (features is None or path.startswith(f"{features}."))]
    kinds = {path: _kind(leaves[path]) for path in inside}
    cut = 0 if features is None else len(features) + 1
    return Guess(
        task=_task(leaves.get(prediction or ""), score is not None, scores is not None),
        id=id, time=time, version=version, prediction=prediction, score=score, label=label, features=features,
        columns={path[cut:]: kind for path, kind in kinds.items() if isinstance(kind, Kind)},
        left_out={path: kind for path, kind in kinds.items() if not isinstance(kind, Kind)},
    )


def _best(leaves: Mapping[str, Seen], names: Collection[str], fits: Fits, taken: Collection[str]) -> str | None:
    """The place whose last key comes first among ``names``, of two the less deep one; None where none fits."""
    found = [
        (rank, path.count("."), path)
        for rank, name in enumerate(names)
        for path, seen in leaves.items()
        if _last(path).lower() == name and path not in taken and fits(seen)
    ]
    return min(found)[2] if found else None


def _only(paths: Iterator[str]) -> str | None:
    """The one place there is; of several nobody can tell."""
    found = list(paths)
    return found[0] if len(found) == 1 else None


def _last(path: str) -> str:
    return path.rpartition(".")[2]


def _is_time(seen: Seen) -> bool:
    return seen.given > 0 and seen.times >= NEARLY * seen.given


def _is_id(seen: Seen) -> bool:
    return seen.only(str, int) and seen.distinct >= NEARLY


def _is_chance(seen: Seen) -> bool:
    return seen.only(float, int) and seen.chances >= NEARLY * seen.given


def _scores_object(fields: Fields, leaves: Mapping[str, Seen]) -> str | None:
    """An object of probabilities by class."""
    objects = (path for path in fields.objects if _last(path).lower() in SCORES)
    inside = {path: [seen for leaf, seen in leaves.items() if leaf.startswith(f"{path}.")] for path in objects}
    return _only(path for path, found in inside.items() if len(found) > 1 and all(map(_is_chance, found)))


def _features(fields: Fields, taken: Collection[str]) -> str | None:
    """The object of the columns: by its name, or since most of what is left lies in it."""
    left = {path: sum(leaf.startswith(f"{path}.") and leaf not in taken for leaf in fields.leaves) for path in fields.objects}
    named = [path for name in FEATURE_OBJECTS for path in left if _last(path).lower() == name and left[path]]
    if named:
        return named[0]
    most = max(left, key=lambda path: left[path], default=None)
    whole = sum(leaf not in taken for leaf in fields.leaves)
    return most if most is not None and "." not in most and 2 * left[most] > whole else None


def _kind(seen: Seen) -> Kind | str:
    """The kind of a column, or why it is none."""
    if not seen.given:
        return "holds no values"
    if seen.only(bool):
        return Kind.BOOLEAN
    if _is_time(seen):
        return "holds times"
    if seen.only(int, float):
        return Kind.NUMERIC
    if not seen.only(str, int, float, bool):
        return "holds lists or objects"
    if seen.given >= ENOUGH and seen.distinct > MANY:
        return "nearly every value is another one, as those of ids and free text are"
    return Kind.CATEGORICAL


def _task(prediction: Seen | None, scored: bool, by_class: bool) -> Task:
    if by_class:
        return Task.MULTICLASS
    if prediction is None or scored:
        return Task.BINARY
    if prediction.only(float, int) and len(prediction.values) > FEW:
        return Task.REGRESSION
    return Task.BINARY if len(prediction.values) <= 2 else Task.MULTICLASS
