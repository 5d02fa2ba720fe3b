"""Made-up predictions and labels to store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from monitor.core.labels.labels import Joined, Labels, Matches
from monitor.core.labels.packing import unpack_flags
from monitor.core.labels.predicted import Predicted
from monitor.core.results import Account, Check, Result, Verdict, WindowKey
from monitor.core.schema import CategoricalValues, Flags, to_micros
from monitor.ports import Applied, JoinRound, KeptKey, Known, NewLabels, Revision, Store, WindowDelta
from tests.contracts.store_story import HOUR, NOW, START, checkpoint, key, result

CLASSES = ("no", "yes")


def kept_key(hour: int = 0, version: str = "1") -> KeptKey:
    return KeptKey(start=START + hour * HOUR, end=START + (hour + 1) * HOUR, version=version)


def predicted(*ids: int) -> Predicted:
    """Predictions with these ids; class and score follow from the id."""
    numbers = np.array(ids, dtype=np.uint64)
    said = CategoricalValues(codes=(numbers % 2).astype(np.int32), dictionary=CLASSES)
    origins = CategoricalValues(codes=(numbers % 3).astype(np.int32), dictionary=("EWR", "JFK", "LGA"))
    return Predicted(ids=numbers, prediction=said, scores=(numbers % 10 / 10.0)[:, np.newaxis], segments={"origin": origins})


def kept(where: WindowKey, *ids: int) -> WindowDelta:
    return WindowDelta(key=where, account=Account(counted=len(ids)), profile=None, kept=predicted(*ids))


def labels(*found: tuple[int, str, int], offset: int = 0, partition: int = 0) -> Labels:
    """Labels as (id, class, event time in microseconds), their offsets counted from ``offset``."""
    ids, classes, times = zip(*found, strict=True) if found else ((), (), ())
    return Labels(
        ids=np.array(ids, dtype=np.uint64),
        values=CategoricalValues(codes=np.array([CLASSES.index(name) for name in classes], dtype=np.int32), dictionary=CLASSES),
        times=np.array(times, dtype=np.int64),
        offsets=offset + np.arange(len(ids)),
        partitions=np.full(len(ids), partition, dtype=np.int64),
    )


def labelled_rows(store: Store, where: KeptKey) -> Flags:
    """Which rows of a settled window have a label."""
    return unpack_flags(store.settled_flags("m")[where], len(store.settled_ids("m", where)))


def applied(store: Store, where: KeptKey, rows: Sequence[int], found: Labels) -> Applied:
    """These labels for these rows of a settled window, as a round would have it."""
    [window] = [window for window in store.settled("m") if window.key == where]
    have = labelled_rows(store, where)
    after = have.copy()
    after[list(rows)] = True
    matches = Matches(rows=np.array(rows, dtype=np.int64), labels=found)
    return Applied(key=where, matches=matches, have=after, labelled=int(after.sum()), changes=window.changes + len(found))


def joining(number: int, **parts: object) -> JoinRound:
    return replace(JoinRound(model="m", number=number), **parts)  # type: ignore[arg-type]


def new_labels(found: Labels, model: str = "m") -> NewLabels:
    return NewLabels(model=model, labels=found)


def store_kept(store: Store, *deltas: WindowDelta) -> None:
    store.checkpoint(checkpoint(*deltas))


def settled_window(store: Store, *ids: int, hour: int = 0) -> KeptKey:
    """A window with these predictions, sealed and settled by one round."""
    store_kept(store, kept(key(hour), *ids))
    sealed = store.progress("m").sealed_until
    assert store.seal("m", key(hour).end, sealed)
    assert store.record_join(joining(store.join_number("m"), settled=((kept_key(hour), predicted(*sorted(ids))),)))
    return kept_key(hour)


def performance(hour: int = 0, revision: int = 1, **fields: object) -> Result:
    parts = {"metric": "accuracy", "verdict": Verdict.OK, "labelled": 2, "estimated": False, "ci_low": 0.5, "ci_high": 0.75}
    return result(hour, None, check=Check.PERFORMANCE, revision=revision, **{**parts, **fields})


def revision(where: KeptKey, before: int | None, changes: int, *, at: datetime = NOW, **parts: object) -> Revision:
    made = Revision(model="m", start=where.start, known=(Known(key=where, before=before, changes=changes),), at=at)
    return replace(made, **parts)  # type: ignore[arg-type]


def classes_of(joined: Joined | None) -> list[str | None]:
    """The label of each row."""
    assert joined is not None
    assert isinstance(joined.labels, CategoricalValues)
    return [None if code < 0 else joined.labels.dictionary[code] for code in joined.labels.codes.tolist()]


def at(hour: int, seconds: int = 0) -> int:
    """Microseconds of a moment that long after an hour's start."""
    return to_micros(START + hour * HOUR) + seconds * 1_000_000
