"""The memory store's verbs about labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from monitor.core.labels.beside import joined_matches, joined_rows, no_matches
from monitor.core.labels.labels import Joined, Matches
from monitor.core.labels.packing import pack_flags
from monitor.core.labels.predicted import Predicted
from monitor.core.results import Result, identity, latest
from monitor.core.schema import Hashes
from monitor.doubles.kept import NOTHING, ModelLabels, Settled
from monitor.doubles.memory import Data, MemoryBase, is_as_known, may_ask, write_outcome
from monitor.ports import Applied, Checkpoint, Curve, JoinRound, KeptKey, KeptWindow, LabelAccount, Revision, StoredLabels, Tally


class MemoryLabels(MemoryBase):
    """What joining labels needs of the store."""

    def join_number(self, model: str) -> int:
        """How many rounds were written."""
        return self._labels(model).number

    def unsettled(self, model: str, until: datetime) -> Sequence[KeptKey]:
        """Windows with predictions that are not settled yet, that end at or before then."""
        return sorted(key for key in self._labels(model).chunks if key.end <= until)

    def kept_chunks(self, model: str, key: KeptKey) -> Sequence[Predicted]:
        """As checkpoints wrote them; of a settled window a single chunk."""
        mine = self._labels(model)
        return [mine.settled[key].rows] if key in mine.settled else list(mine.chunks.get(key, ()))

    def settled(self, model: str, until: datetime | None = None) -> Sequence[KeptWindow]:
        """Every settled window (that ends at or before then), without its rows."""
        found = sorted(self._labels(model).settled.items(), key=lambda item: item[0])
        return [settled.window for key, settled in found if until is None or key.end <= until]

    def unrevised(self, model: str) -> Sequence[KeptWindow]:
        """Settled windows that have labels which no revision of their results knows."""
        return [window for window in self.settled(model) if window.changes != (window.judged_changes or 0)]

    def settled_ids(self, model: str, key: KeptKey) -> Hashes:
        """The ids of a settled window, ascending; none where it is not there (any more)."""
        settled = self._labels(model).settled.get(key)
        return np.empty(0, dtype=np.uint64) if settled is None else settled.rows.ids

    def settled_flags(self, model: str) -> Mapping[KeptKey, bytes]:
        """Which rows of each settled window have a label, packed."""
        return {key: pack_flags(settled.have) for key, settled in self._labels(model).settled.items()}

    def matches(self, model: str, key: KeptKey, ids: Hashes) -> Matches:  # noqa: ARG002 - those of the rows are known here
        """Every label that was applied to a settled window so far."""
        settled = self._labels(model).settled.get(key)
        return no_matches() if settled is None else joined_matches(settled.matches)

    def label_chunks(self, model: str, *, fresh: bool, most: int) -> Sequence[StoredLabels]:
        """The oldest chunks that together hold at most ``most`` labels, but at least one."""
        found: list[StoredLabels] = []
        held = 0
        for chunk in self._labels(model).labels:
            if chunk.fresh is fresh:
                held += len(chunk.labels)
                if found and held > most:
                    break
                found.append(chunk)
        return found

    def fresh_numbers(self, model: str) -> tuple[int, int] | None:
        """The numbers of the oldest and of the newest fresh chunk of labels; None where there is none."""
        numbers = [chunk.number for chunk in self._labels(model).labels if chunk.fresh]
        return (min(numbers), max(numbers)) if numbers else None

    def joined(self, model: str, key: KeptKey) -> Joined | None:
        """A settled window's predictions with their labels as they stand."""
        settled = self._labels(model).settled.get(key)
        return None if settled is None else joined_rows(settled.rows, joined_matches(settled.matches))

    def record_join(self, done: JoinRound) -> bool:
        """By compare-and-set on the number of the round, and on the rows of the windows that it settles."""
        with self._write() as data:
            mine = data.labels.get(done.model, NOTHING)
            progress = data.progress.get(done.model)
            done.check_sealed(None if progress is None else progress.sealed_until)
            whole = all(len(rows) == sum(map(len, mine.chunks.get(key, ()))) for key, rows in done.settled)
            if mine.number != done.number or not whole:
                return False
            data.labels[done.model] = _after(mine, done)
        return True

    def curves(self, model: str, newest: int) -> Sequence[Curve]:
        """How labels came in for the last windows that wait no longer, oldest first."""
        found = [curve for _, curve in sorted(self._labels(model).curves.items(), key=lambda item: item[0])]
        return found[max(len(found) - newest, 0) :]

    def window_results(self, model: str, start: datetime) -> Sequence[Result]:
        """The latest revision of every result of the windows that start then."""
        found = latest(r for r in self._data.results.values() if (r.model, r.window_start) == (model, start))
        return sorted(found.values(), key=identity)

    def record_revision(self, revision: Revision) -> bool:
        """By compare-and-set on the known label changes and on the state of the incident."""
        with self._write() as data:
            mine = data.labels.get(revision.model, NOTHING)
            unchanged = is_as_known(data, revision) and may_ask(data, revision)
            if not unchanged or not all(_is_known(mine, known.key, known.before) for known in revision.known):
                return False
            judged = {known.key: _judged(mine.settled[known.key], known.changes) for known in revision.known}
            tallies = {tally.key: tally for tally in revision.tallies}
            data.labels[revision.model] = replace(mine, settled={**mine.settled, **judged}, tallies={**mine.tallies, **tallies})
            write_outcome(data, revision, revision.at)
        return True

    def tallies(self, model: str, since: datetime | None = None, *, segment: str | None = None) -> Sequence[Tally]:
        """The counts of windows that start at or after then, of one segment (None: of all), ordered by key."""
        found = sorted(self._labels(model).tallies.items(), key=lambda item: item[0])
        return [tally for key, tally in found if (since is None or key.start >= since) and segment in (None, key.segment)]

    def label_account(self, model: str) -> LabelAccount:
        """The sums of all rounds; ``waiting`` counts what is in the store."""
        mine = self._labels(model)
        return replace(mine.account, waiting=sum(len(chunk.labels) for chunk in mine.labels))

    def _labels(self, model: str) -> ModelLabels:
        return self._data.labels.get(model, NOTHING)


def add_kept(data: Data, checkpoint: Checkpoint) -> None:
    """What a checkpoint has of predictions that wait for labels, and of labels."""
    for delta in checkpoint.windows:
        if delta.kept is not None and len(delta.kept):
            mine = data.labels.get(delta.key.model, NOTHING)
            key = KeptKey(start=delta.key.start, end=delta.key.end, version=delta.key.version)
            data.labels[delta.key.model] = replace(mine, chunks={**mine.chunks, key: (*mine.chunks.get(key, ()), delta.kept)})
    for new in checkpoint.labels:
        data.labels[new.model] = data.labels.get(new.model, NOTHING).with_labels(new.labels, fresh=True)


def _after(mine: ModelLabels, done: JoinRound) -> ModelLabels:
    settled = dict(mine.settled)
    for key, rows in done.settled:
        window = KeptWindow(key=key, rows=len(rows), labelled=0, changes=0, judged_changes=None)
        settled[key] = Settled(window=window, rows=rows, have=np.zeros(len(rows), dtype=np.bool_))
    for applied in done.applied:
        settled[applied.key] = _applied(settled[applied.key], applied)
    fresh = tuple(chunk for chunk in mine.labels if chunk.number not in done.consumed)
    chunks = {key: chunks for key, chunks in mine.chunks.items() if key not in dict(done.settled)}
    curves = {**mine.curves, **{curve.key: curve for curve in done.curves}}
    account = replace(mine.account + done.account, waiting=0)
    after = replace(mine, number=mine.number + 1, settled=settled, labels=fresh, chunks=chunks, curves=curves, account=account)
    after = after if done.waiting is None else after.with_labels(done.waiting, fresh=False)
    return (after.woken() if done.settled else after).without(done.dropped)


def _applied(settled: Settled, applied: Applied) -> Settled:
    window = replace(settled.window, labelled=applied.labelled, changes=applied.changes)
    return replace(settled, window=window, have=applied.have, matches=(*settled.matches, applied.matches))


def _is_known(mine: ModelLabels, key: KeptKey, before: int | None) -> bool:
    settled = mine.settled.get(key)
    return settled is not None and settled.window.judged_changes == before


def _judged(settled: Settled, changes: int) -> Settled:
    return replace(settled, window=replace(settled.window, judged_changes=changes))
