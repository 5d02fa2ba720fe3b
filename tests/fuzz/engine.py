"""Engines: ``plain`` makes inputs by mutation alone, the same ones for the same seed; ``guided`` asks atheris which ones reach new code.

A guided run is a process of its own: libFuzzer does not come back.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from monitor import log
from tests.fuzz.catalog import target
from tests.fuzz.mutation import Mutator
from tests.fuzz.target import Target
from tests.fuzz.trial import Trial

OWN_MUTATIONS = 2
"""One in so many inputs of a guided run is libFuzzer's own mutation; the others are ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """When a run ends: after ``inputs``, or ``seconds`` if that is sooner. ``seed``: of all choices."""

    inputs: int
    seconds: float
    seed: int


def has_atheris() -> bool:
    """Whether atheris is installed: there are no wheels for every machine."""
    return importlib.util.find_spec("atheris") is not None


def quiet(folder: Path) -> None:
    """Logs are written as in production, for they must not fail either; to a file that nobody reads."""
    log.configure(form="json", stream=(folder / "log").open("w", buffering=1 << 16, errors="strict"))
    logging.raiseExceptions = True


def plain(fuzzed: Target, bounds: Bounds, folder: Path, current: Path | None = None) -> Trial:
    """Run seeds and mutations of them."""
    mutator = Mutator(fuzzed.seeds(), fuzzed.words, fuzzed.longest, bounds.seed)
    with fuzzed.opened(folder) as check:
        trial = Trial(check, current)
        until = time.monotonic() + bounds.seconds
        for data in fuzzed.seeds():
            trial(data)
        while trial.inputs < bounds.inputs and time.monotonic() < until:
            trial(mutator.make())
        trial.close()
    return trial


def guided(name: str, bounds: Bounds, folder: Path, report: Callable[[Trial, float], None]) -> None:
    """Run under atheris; ends the process once ``report`` has been called with the trial and its seconds."""
    import atheris

    with atheris.instrument_imports(include=["monitor"]):
        fuzzed = target(name)
    mutator = Mutator(fuzzed.seeds(), fuzzed.words, fuzzed.longest, bounds.seed)
    corpus = folder / "corpus"
    corpus.mkdir(exist_ok=True)
    for at, data in enumerate(fuzzed.seeds()):
        (corpus / f"seed{at:03}").write_bytes(data)
    with fuzzed.opened(folder) as check:
        trial, began = Trial(check, folder / "current"), time.monotonic()

        def one(data: bytes) -> None:
            trial(data)
            if trial.inputs >= bounds.inputs or time.monotonic() - began > bounds.seconds:
                report(trial, time.monotonic() - began)
                sys.stdout.flush()
                os._exit(0)

        def mutate(data: bytes, longest: int, seed: int) -> bytes:
            mutator.reseed(seed)
            return bytes(atheris.Mutate(data, longest)) if seed % OWN_MUTATIONS else mutator.change(data)[:longest]

        arguments = [f"-seed={bounds.seed}", f"-max_len={fuzzed.longest}", "-verbosity=0", "-rss_limit_mb=4096", "-len_control=0"]
        atheris.Setup([sys.argv[0], *arguments, str(corpus)], one, custom_mutator=mutate)
        atheris.Fuzz()


def told(trial: Trial, seconds: float, folder: Path) -> None:
    """Write down what a run came to, its findings with their inputs."""
    found = []
    for at, finding in enumerate(trial.findings.values()):
        (folder / f"finding{at}").write_bytes(finding.data)
        (folder / f"finding{at}.txt").write_text(finding.trace, errors="backslashreplace")
        found.append({"where": finding.where, "said": finding.said, "file": str(folder / f"finding{at}")})
    report = {"inputs": trial.inputs, "seconds": seconds, "findings": found, "corpus": len(list((folder / "corpus").glob("*")))}
    (folder / "report.json").write_text(json.dumps(report, indent=1))


def main(name: str, engine: str, bounds: Bounds, folder: Path) -> None:
    """A whole run in this process."""
    quiet(folder)
    if engine == "guided":
        guided(name, bounds, folder, lambda trial, seconds: told(trial, seconds, folder))
        return
    began = time.monotonic()
    trial = plain(target(name), bounds, folder, folder / "current")
    told(trial, time.monotonic() - began, folder)
