"""Answers about row samples on their way into the results of a window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from monitor.core.evaluate import Subject
from monitor.core.finding import Finding
from monitor.core.results import Check, Verdict
from monitor.core.rules import DriftRules, DriftTest, Model
from monitor.errors import Retryable
from monitor.pipeline.replay import rejudge
from tests.pipeline.test_judge import RULES, put_hour, the_reference
from tests.pipeline.world import P0, Unsteady, World, message

ASKING = replace(RULES, retraining=None, drift=DriftRules(tests=(DriftTest(method="evidently:ks"),)))


class Answers:
    """Says what it was asked, until it is told to stop."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.stopped = False

    def findings(self, subject: Subject, rules: Model) -> Sequence[Finding]:
        if self.stopped:
            raise Retryable("the worker is being stopped")
        self.asked.append(f"{rules.name} {subject.key.version}")
        return [Finding(check=Check.DRIFT, column="delay", metric="evidently:ks", verdict=Verdict.ALERT, reason="far off", value=0.001)]


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def world(answers: Answers) -> World:
    made = World(store=Unsteady(), models=(ASKING,), tester=answers)
    made.store.add_reference(the_reference(), activate=True, at=made.clock.now())
    made.crash()
    return made


def test_what_is_found_of_a_sample_is_a_result_and_opens_an_incident(world: World, answers: Answers) -> None:
    put_hour(world, 0)
    world.read_all()
    assert world.judge.finish() == 1
    [result] = [r for r in world.store.results() if r.metric == "evidently:ks"]
    assert (result.verdict, result.column, result.value) == (Verdict.ALERT, "delay", 0.001)
    assert answers.asked == ["m 1"]
    [incident] = world.store.incidents()
    assert incident.columns == ("delay",)


def test_nothing_is_asked_of_a_version_without_a_reference(world: World, answers: Answers) -> None:
    world.put(P0, message("a", 0).replace(b'"v": "1"', b'"v": "9"'))
    world.read_all()
    world.judge.finish()
    assert answers.asked == []
    assert {r.version for r in world.store.results()} == {"9"}


def test_a_stop_leaves_the_window_to_the_next_start(world: World, answers: Answers) -> None:
    put_hour(world, 0)
    world.read_all()
    answers.stopped = True
    with pytest.raises(Retryable):
        world.judge.finish()
    assert not world.store.results()
    answers.stopped = False
    assert world.judge.finish() == 1


def test_replaying_the_same_rules_asks_again_and_says_the_same(world: World, answers: Answers) -> None:
    put_hour(world, 0)
    world.read_all()
    world.judge.finish()
    again = [result for judgement in rejudge(world.store, ASKING, world.clock, tester=answers) for result in judgement.results]
    assert again == list(world.store.results())
    assert answers.asked == ["m 1", "m 1"]
    alone = [result for judgement in rejudge(world.store, ASKING, world.clock) for result in judgement.results]
    assert {r.verdict for r in alone if r.metric == "evidently:ks"} == {Verdict.SKIPPED}
