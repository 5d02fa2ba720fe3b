"""Beside judging: a version without a reference brings its own from the registry, and is told there what driftd says of it.

What fails is told in the log and tried again; no verdict and no message waits for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from monitor.core.reference import Reference
from monitor.core.results import ALL_ROWS, OTHER_VERSIONS, Result, Verdict, latest
from monitor.core.rules import Model
from monitor.core.schema import rfc3339
from monitor.core.signals import Signal, signal
from monitor.errors import DecodeError, Permanent, Retryable
from monitor.log import Action, logger
from monitor.pipeline.references import References
from monitor.ports import Clock, Store

log = logger(__name__)

NEWEST = 400
"""Window rows and results that are looked at: those of the last windows of all versions."""
ASK_AGAIN = 600.0
"""Seconds until a version that brought no reference is asked for again: it may be uploaded after the version appears."""
MOST_REMEMBERED = 1000


class Registry(Protocol):
    """What is asked and told. Raises Retryable or Permanent."""

    def reference(self, name: str, version: str) -> str | None:
        """The text of a version's reference file; None where there is none."""

    def tag(self, name: str, version: str, key: str, value: str) -> None:
        """Set one tag of a version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Version:
    """One version of a model that is in the registry."""

    model: Model
    name: str
    version: str


class RegistryLink:
    """Used by one thread at a time. ``names``: by model, its name in the registry. What was told is remembered by the process alone:
    after a start it is told once more."""

    def __init__(self, *, store: Store, models: Sequence[Model], names: Mapping[str, str], registry: Registry, references: References,
                 clock: Clock) -> None:
        self._store = store
        self._models = [model for model in models if model.name in names]
        self._names = names
        self._registry = registry
        self._references = references
        self._clock = clock
        self._asked: dict[tuple[str, str], float] = {}
        self._told: dict[tuple[str, str, str], str] = {}
        self._trouble = ""

    def sweep(self) -> int:
        """Ask and tell what is due; how many references came and tags were set. Raises Retryable when the store is away."""
        done = 0
        for model in self._models:
            for version in self._versions(model):
                done += self._attempt(partial(self._bring, version)) + self._attempt(partial(self._tell, version))
        return done

    def _attempt(self, work: partial[int]) -> int:
        """What fails is told once for each reason."""
        try:
            done = work()
        except (Retryable, Permanent, DecodeError, UnicodeDecodeError) as error:
            why = f"{type(error).__name__}: {error}"
            if why != self._trouble:
                log.warning("the registry could not be asked or told", action=Action.REGISTRY_FAILED, detail=why)
            self._trouble = why
            return 0
        self._trouble = "" if done else self._trouble
        return done

    def _versions(self, model: Model) -> list[_Version]:
        found = self._store.window_accounts(model=model.name, segment=ALL_ROWS, newest=NEWEST)
        own = sorted({window.key.version for window in found if window.account.counted} - {OTHER_VERSIONS})
        return [_Version(model=model, name=self._names[model.name], version=version) for version in own]

    # --- a reference -----------------------------------------------------------------------------------------

    def _bring(self, of: _Version) -> int:
        """1 where a version that had none has its reference now."""
        key, now = (of.model.name, of.version), self._clock.monotonic()
        if of.model.merges or of.version in self._references.versions(of.model.name) or now - self._asked.get(key, -ASK_AGAIN) < ASK_AGAIN:
            return 0
        self._forget(self._asked)
        self._asked[key] = now
        text = self._registry.reference(of.name, of.version)
        if text is None:
            return 0
        found = Reference.from_json(text)
        if found.window != of.model.window:
            raise Permanent(f"the reference of {of.name} version {of.version} is of windows of {found.window}, not of {of.model.window}")
        notes = {**found.provenance, "registry": f"{of.name}/{of.version}"}
        kept = self._store.add_reference(replace(found, model=of.model.name, version=of.version, provenance=notes), activate=True,
                                         at=self._clock.now())
        self._references.forget(of.model.name)
        log.info("a version brought its reference from the registry", action=Action.REFERENCE_ADDED, model=of.model.name,
                 version=of.version, reference=kept.number)
        return 1

    # --- tags ------------------------------------------------------------------------------------------------

    def _tell(self, of: _Version) -> int:
        """How many tags were set."""
        done = 0
        for key, value in self._tags(of):
            if self._told.get((of.name, of.version, key)) != value:
                self._registry.tag(of.name, of.version, key, value)
                self._forget(self._told)
                self._told[of.name, of.version, key] = value
                done += 1
        return done

    def _tags(self, of: _Version) -> Iterator[tuple[str, str]]:
        results = [r for r in self._store.results(model=of.model.name, segment=ALL_ROWS, newest=NEWEST) if r.version == of.version]
        if results:
            end = max(result.window_end for result in results)
            yield "driftd.last_window", rfc3339(end)
            yield "driftd.state", _state([r for r in latest(results).values() if r.window_end == end])
        came = [r for r in self._store.retrainings(model=of.model.name) if r.new_version == of.version and r.verdict]
        if came:
            yield "driftd.helped", "unknown" if came[-1].helped is None else str(came[-1].helped)
            yield "driftd.verdict", came[-1].verdict

    @staticmethod
    def _forget(known: dict) -> None:  # type: ignore[type-arg]
        """The oldest, where there are very many."""
        if len(known) >= MOST_REMEMBERED:
            known.pop(next(iter(known)))


def _state(results: Sequence[Result]) -> str:
    """One word for the last window: alert, warn, ok, or undecided."""
    if signal(results) is Signal.BAD:
        return str(Verdict.ALERT)
    if any(result.verdict is Verdict.WARN for result in results):
        return str(Verdict.WARN)
    return str(Verdict.OK) if signal(results) is Signal.GOOD else "undecided"
