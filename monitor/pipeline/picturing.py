"""Pictures for what people are told: taken where the window, its reference and its results are at hand."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.core.cause import Cause
from monitor.core.evaluate import Subject
from monitor.core.incidents import Step
from monitor.core.picture import Picture
from monitor.core.picture.course import COURSE_WINDOWS, shown_result, within
from monitor.core.picture.taken import taken
from monitor.core.results import Result
from monitor.core.rules import Model
from monitor.pipeline.telling import TakePicture
from monitor.ports import JudgingStore


def picture_of(
    store: JudgingStore, model: Model, step: Step, cause: Cause, subjects: Sequence[Subject], results: Sequence[Result]
) -> TakePicture:
    """Takes the picture when it is asked for: only then are the windows before this one read. Raises Retryable where the store is away."""

    def take(sentence: str) -> Picture | None:
        if step.incident is None:
            return None
        lead = shown_result(results, cause, () if model.performance is None else model.performance.metrics)
        history = [] if lead is None else store.recent_results(model.name, [lead.check], COURSE_WINDOWS)
        shown = None if lead is None else within(lead, results, history, step.incident.since)
        return taken(step.incident, sentence, cause, subjects, results, shown, history)

    return take
