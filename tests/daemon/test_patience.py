import pytest

from monitor.errors import Retryable, StoreUnavailable
from monitor.health import Health, NotReady
from monitor.patience import Patience
from tests.pipeline.world import World


class NeverStopped:
    def wait(self, seconds: float) -> None:
        """No time passes."""


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (StoreUnavailable("sqlite:///d.db: database or disk is full"), NotReady.STORE_UNAVAILABLE),
        (Retryable("no Kafka broker answers"), NotReady.KAFKA_UNREACHABLE),
    ],
)
def test_the_probes_name_who_is_away_and_forget_it_when_all_is_well(error: Retryable, reason: NotReady):
    world, health = World(), Health()
    health.clear(NotReady.STARTING)
    patience = Patience(reader=world.reader, health=health, clock=world.clock, stop=NeverStopped())

    def fails() -> None:
        raise error

    assert patience.attempt(fails) is None
    assert health.ready() == (False, [f"{reason}: {error}"])
    assert patience.trouble == str(error)
    patience.attempt(world.reader.step)
    assert health.ready() == (True, [])
    assert patience.trouble is None
