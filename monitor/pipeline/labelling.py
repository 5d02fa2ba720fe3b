"""From labels to performance: settle sealed windows, join labels with them, revise what they came to, and let go of them in the end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Protocol

import numpy as np

from monitor.core.labels.chunks import by_id, joined_labels, joined_predicted
from monitor.core.labels.join import Block, Found, revised
from monitor.core.labels.labels import Labels, Matches
from monitor.core.labels.packing import unpack_flags
from monitor.core.rules import Model, StreamKind
from monitor.core.schema import Flags, Hashes, Ints, to_micros
from monitor.errors import DecodeError
from monitor.log import Action, logger
from monitor.metrics import Metrics
from monitor.pipeline.alone import Alone
from monitor.pipeline.judge import STALE_CLAIM
from monitor.pipeline.keptids import MOST_BYTES, KeptIds
from monitor.ports import (
    Applied,
    Clock,
    Curve,
    JoinRound,
    KeptKey,
    KeptWindow,
    LabelAccount,
    LabelStore,
    Mark,
    Progress,
    StoredLabels,
    TopicPartition,
)

log = logger(__name__)

LABELS_AT_ONCE = 1_000_000
"""Labels of one round: their ids and what is found of them are held in memory, about 100 bytes each."""
MUCH = LABELS_AT_ONCE // 2
"""From so many in a round on, more are taken to lie behind them: chunks are taken whole, so a round is seldom full to the last label."""
SETTLED_AT_ONCE = 2_000_000
"""Predictions that one round settles, or those of a single window."""
REST = 20
"""A round asks of every window that waits: the next one comes so many times its duration later, unless much has come."""
STEP = 0.05
"""Of a window's rows: when so many more labels have come, its results are revised."""
REVISE_EVERY = timedelta(hours=1)
"""Labels that are fewer wait so long at most, and are taken in together."""
OF_AGE = 1 / 16
"""Of the time since a window's end, where that is longer: a few labels an hour over a month make some eighty revisions, not 720."""

BEGINNING = datetime.min.replace(tzinfo=UTC)


class LabellingStore(LabelStore, Protocol):
    """What labelling reads of the store besides."""

    def progress(self, model: str) -> Progress:
        """How far the model is sealed and judged."""

    def marks(self, model: str) -> Sequence[Mark]:
        """Every partition's mark of a model."""


class Revising(Protocol):
    """What makes results of labels."""

    def revise(self, model: Model, start: datetime, windows: Sequence[KeptWindow]) -> bool:
        """Judge the performance of windows of one start anew. False: another replica was first."""

    def curve(self, model: Model, key: KeptKey) -> Curve | None:
        """How the labels of a window came in; None where none did."""


class Labelling:
    """Safe to run in several replicas: the store lets one win each round. A model that fails keeps no other from its labels."""

    def __init__(self, *, store: LabellingStore, models: Sequence[Model], reviser: Revising, clock: Clock, metrics: Metrics,
                 partitions: Callable[[], frozenset[TopicPartition]], alive: Callable[[], object] = lambda: None,
                 id_bytes: int = MOST_BYTES) -> None:
        self._store = store
        self._models = [model for model in models if model.performance is not None]
        self._reviser = reviser
        self._clock = clock
        self._metrics = metrics
        self._partitions = partitions
        self._alive = alive
        self._ids = KeptIds(store, id_bytes)
        self._turn = threading.Lock()  # a sweep that runs on where the schedule has stopped, and the end of a short run
        self._rest_until: dict[str, float] = {}
        self._revised_at: dict[tuple[str, datetime], float] = {}
        self._told: set[tuple[str, KeptKey]] = set()
        self._read: dict[str, tuple[datetime | None, int]] = {}
        self._alone = Alone("labels could not be joined", Action.LABELLING_FAILED)

    def sweep(self) -> int:
        """Do what is due; how many rounds and revisions were written. Raises Retryable when the store is away."""
        with self._turn:
            return sum(self._alone.attempt(model.name, partial(self._advance, model, insist=False)) for model in self._models)

    def finish(self) -> int:
        """The end of the topics is the end of time: join all that has come, and revise every window that it changes."""
        done = 0
        with self._turn:
            while more := sum(self._alone.attempt(model.name, partial(self._advance, model, insist=True)) for model in self._models):
                done += more
        return done

    @property
    def failing(self) -> Mapping[str, str]:
        """Models whose labels cannot be joined, and why."""
        return self._alone.failing

    def _advance(self, model: Model, *, insist: bool) -> int:
        progress = self._store.progress(model.name)
        if progress.sealed_until is None:
            return 0
        if not model.awaits_labels:
            return self._forget(model, progress)
        done = self._settle(model, progress.sealed_until)
        if self._store.unsettled(model.name, progress.sealed_until):
            return done  # another replica is at it: labels of these windows must not be taken for nobody's
        done += self._join(model, progress.sealed_until, insist=insist)
        done += self._revise(model, progress, insist=insist)
        return done + self._release(model, progress, insist=insist)

    def _forget(self, model: Model, progress: Progress) -> int:
        """Where no labels come, predictions are kept until their window is judged, and those of a time when some came while they wait."""
        number = self._store.join_number(model.name)
        judged = () if progress.judged_until is None else tuple(self._store.unsettled(model.name, progress.judged_until))
        over = tuple(window.key for window in self._store.settled(model.name, _over_until(model, progress)))
        dropped = (*judged, *over)
        return int(bool(dropped) and self._store.record_join(JoinRound(model=model.name, number=number, dropped=dropped)))

    # --- settle ----------------------------------------------------------------------------------------------

    def _settle(self, model: Model, sealed_until: datetime) -> int:
        """Sealed windows take no more rows: their predictions become one chunk, ordered by id."""
        done = 0
        while keys := self._store.unsettled(model.name, sealed_until):
            number = self._store.join_number(model.name)
            settled, dropped, rows = [], [], 0
            for key in keys:
                self._alive()
                try:
                    chunks = self._store.kept_chunks(model.name, key)
                except DecodeError as error:
                    self._damaged(model, key, error)
                    dropped.append(key)
                    continue
                settled += [(key, by_id(joined_predicted(chunks)))] if chunks else []
                rows += sum(map(len, chunks))
                if rows >= SETTLED_AT_ONCE:
                    break
            done_with = JoinRound(model=model.name, number=number, settled=tuple(settled), dropped=tuple(dropped))
            if not (settled or dropped) or not self._record(done_with):
                return done
            done += 1
        return done

    # --- join ------------------------------------------------------------------------------------------------

    def _join(self, model: Model, sealed_until: datetime, *, insist: bool) -> int:
        done = 0
        while insist or self._clock.monotonic() >= self._rest_until.get(model.name, 0.0):
            began = self._clock.monotonic()
            number = self._store.join_number(model.name)
            chunks = self._store.label_chunks(model.name, fresh=True, most=LABELS_AT_ONCE)
            lost = [chunk for chunk in chunks if chunk.damage]
            if not chunks or not self._record(_without(model, number, lost) if lost else self._round(model, number, chunks, sealed_until)):
                break
            done += 1
            much = sum(len(chunk.labels) for chunk in chunks) >= MUCH
            self._rest_until[model.name] = 0.0 if much else began + (REST + 1) * (self._clock.monotonic() - began)
        return done

    def _round(self, model: Model, number: int, chunks: Sequence[StoredLabels], sealed_until: datetime) -> JoinRound:
        """One block of labels, looked for in every window that waits, the earliest first."""
        labels = joined_labels([chunk.labels for chunk in chunks])
        block, applied = Block(labels), []
        windows, have = self._store.settled(model.name), self._store.settled_flags(model.name)
        self._ids.only(model.name, windows)
        for window in windows:
            self._alive()
            try:
                ids = self._ids.of(model.name, window)
                found = _looked(window, ids, block, have)
                if found is not None:
                    block.change(self._changed(model, window.key, ids, found))
            except DecodeError as error:
                self._damaged(model, window.key, error)
                continue
            if found is not None:
                applied.append(_applied(window, found))
        here = block.matched
        waits = ~here & (labels.times > to_micros(sealed_until - model.label_delay))
        account = LabelAccount(matched=block.first, revised=block.changed, repeated=int(here.sum()) - block.first - block.changed,
                               expired=len(labels) - int(here.sum()) - int(waits.sum()))
        return JoinRound(model=model.name, number=number, applied=tuple(applied), consumed=tuple(chunk.number for chunk in chunks),
                         waiting=_waiting(labels, waits), account=account)

    def _damaged(self, model: Model, key: KeptKey, error: DecodeError) -> None:
        """One window that cannot be read keeps no other from its labels; said once."""
        if (model.name, key) not in self._told:
            log.error("what is kept of a window cannot be read: it gets no labels", action=Action.LABELLING_FAILED, model=model.name,
                      window_start=key.start.isoformat(), version=key.version, detail=str(error))
        self._told.add((model.name, key))

    def _changed(self, model: Model, key: KeptKey, ids: Hashes, found: Found) -> Ints:
        """Places in the block of the labels that replace an earlier one of another value."""
        if not len(found.again):
            return found.again
        again = Matches(rows=found.matches.rows[found.again], labels=found.matches.labels.take(found.again))
        rows = revised(self._store.matches(model.name, key, ids), again)
        return found.places[np.isin(found.matches.rows, rows)]

    # --- revise and release ----------------------------------------------------------------------------------

    def _revise(self, model: Model, progress: Progress, *, insist: bool) -> int:
        changed = [window for window in self._store.unrevised(model.name) if _is_judged(window, progress)]
        self._forget_times(model, {window.key.start for window in changed})
        done = 0
        for start, group in groupby(changed, key=lambda window: window.key.start):
            windows = list(group)
            if insist or any(self._is_due(model, window, progress) for window in windows):
                done += self._reviser.revise(model, start, windows)
                self._revised_at[model.name, start] = self._clock.monotonic()
                self._alive()
        return done

    def _is_due(self, model: Model, window: KeptWindow, progress: Progress) -> bool:
        """Whether enough is new: much of the window, all of it, nothing for a while, or nothing more will come."""
        new, age = window.changes - (window.judged_changes or 0), (progress.sealed_until or window.key.end) - window.key.end
        known = self._revised_at.setdefault((model.name, window.key.start), self._clock.monotonic())
        return (new >= STEP * window.rows or window.labelled == window.rows or _is_over(window, model, progress)
                or self._clock.monotonic() - known >= max(REVISE_EVERY, age * OF_AGE).total_seconds())

    def _forget_times(self, model: Model, starts: set[datetime]) -> None:
        """Of windows that need no revision now: another replica may have made it, or let go of them."""
        self._revised_at = {of: at for of, at in self._revised_at.items() if of[0] != model.name or of[1] in starts}

    def _release(self, model: Model, progress: Progress, *, insist: bool) -> int:
        """Windows that were waited for long enough, once everything that is in the labels' topic is read and joined."""
        number = self._store.join_number(model.name)  # before the windows are read: a round that comes between makes this one void
        over = self._over(model, progress)
        until = self._joined_until(model, progress, insist=insist) if over else None
        over = [window for window in over if until is not None and window.key.end + model.label_delay <= until]
        if not over or not self._last_looks(model, over):
            return 0
        curves = [curve for window in over if (curve := self._curve(model, window.key)) is not None]
        account = LabelAccount(unlabelled=sum(window.rows - window.labelled for window in over))
        return int(self._record(JoinRound(model=model.name, number=number, dropped=tuple(window.key for window in over),
                                          curves=tuple(curves), account=account)))

    def _joined_until(self, model: Model, progress: Progress, *, insist: bool) -> datetime | None:
        """Windows that waited until then have every label that was in the topic by then; None while that cannot be said.

        What was fresh when the topic was seen to be read is waited for, and nothing that comes after it: there is always something
        fresh where labels come all the time.
        """
        if model.name not in self._read and self._all_read(model, insist=insist):
            fresh = self._store.fresh_numbers(model.name)  # after the marks: labels are written together with theirs
            self._read[model.name] = (progress.sealed_until, fresh[1] if fresh else 0)
        sealed_until, newest = self._read.get(model.name, (None, 0))
        left = self._store.fresh_numbers(model.name)
        if sealed_until is None or (left is not None and left[0] <= newest):
            return None
        del self._read[model.name]
        return sealed_until

    def _over(self, model: Model, progress: Progress) -> list[KeptWindow]:
        """Windows that are judged, with all of their labels, and wait for no more."""
        return [window for window in self._store.settled(model.name, _over_until(model, progress))
                if window.changes == (window.judged_changes or 0) and _is_judged(window, progress)]

    def _curve(self, model: Model, key: KeptKey) -> Curve | None:
        self._alive()
        try:
            return self._reviser.curve(model, key)
        except DecodeError as error:  # nothing is learned of it, and it goes all the same
            self._damaged(model, key, error)
            return None

    def _last_looks(self, model: Model, over: Sequence[KeptWindow]) -> bool:
        """Nothing more will come: a look that earlier ones could not take for the last. What it finds again is not written again."""
        labelled = [window for window in over if window.labelled]
        done = [self._last_look(model, start, list(group)) for start, group in groupby(labelled, key=lambda window: window.key.start)]
        return all(done)

    def _last_look(self, model: Model, start: datetime, windows: Sequence[KeptWindow]) -> bool:
        self._alive()
        return self._reviser.revise(model, start, windows)

    def _all_read(self, model: Model, *, insist: bool) -> bool:
        """Whether every partition of the labels was read to its end just now; at the end of a short run, at its last checkpoint."""
        topics = {stream.topic for stream in model.streams if stream.kind is StreamKind.LABELS}
        expected = {partition for partition in self._partitions() if partition.topic in topics}
        now, marks = self._clock.now(), self._store.marks(model.name)
        read = {mark.partition for mark in marks if mark.caught_up and (insist or abs(now - mark.at) <= STALE_CLAIM)}
        return bool(expected) and expected <= read

    def _record(self, done: JoinRound) -> bool:
        if not self._store.record_join(done):
            return False
        self._metrics.labels_joined(done.model, done.account)
        if done.applied or done.consumed:
            log.info("labels joined", action=Action.LABELS_JOINED, model=done.model, matched=done.account.matched,
                     revised=done.account.revised, repeated=done.account.repeated, expired=done.account.expired,
                     windows=len(done.applied))
        return True


def _looked(window: KeptWindow, ids: Hashes, block: Block, have: Mapping[KeptKey, bytes]) -> Found | None:
    """None where a window has nothing of the block, or was taken away by another replica, whose round makes this one void."""
    start = to_micros(window.key.start)
    hits = block.look(start, ids)
    if not len(hits) or window.key not in have:
        return None
    return block.give(start, hits, unpack_flags(have[window.key], len(ids)))


def _applied(window: KeptWindow, found: Found) -> Applied:
    return Applied(key=window.key, matches=found.matches, have=found.have, labelled=int(found.have.sum()),
                   changes=window.changes + len(found.matches.rows))


def _without(model: Model, number: int, lost: Sequence[StoredLabels]) -> JoinRound:
    """Labels that cannot be read will never be: they are counted as expired, and keep no others waiting."""
    for chunk in lost:
        log.error("stored labels cannot be read", action=Action.LABELLING_FAILED, model=model.name, labels=chunk.lost, detail=chunk.damage)
    account = LabelAccount(expired=sum(chunk.lost for chunk in lost))
    return JoinRound(model=model.name, number=number, consumed=tuple(chunk.number for chunk in lost), account=account)


def _waiting(labels: Labels, waits: Flags) -> Labels | None:
    return labels.take(waits) if waits.any() else None


def _is_over(window: KeptWindow, model: Model, progress: Progress) -> bool:
    return window.key.end <= _over_until(model, progress)


def _over_until(model: Model, progress: Progress) -> datetime:
    """Windows that end by then were waited for long enough."""
    return BEGINNING if progress.sealed_until is None else progress.sealed_until - model.label_delay


def _is_judged(window: KeptWindow, progress: Progress) -> bool:
    return progress.judged_until is not None and window.key.end <= progress.judged_until

