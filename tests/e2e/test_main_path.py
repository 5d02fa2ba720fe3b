"""The whole product: real flights, a real broker, a real database, the daemon as a process."""

from __future__ import annotations

import random
import subprocess
import time
import uuid
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest

from monitor.core.profile import CategoricalProfile, NumericProfile
from monitor.storage import open_store
from tests.flights_run import CATEGORICAL, NUMERIC, Run, between, messages, produce

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
MODEL = "flight-delay"


@pytest.fixture(scope="module")
def flights() -> pd.DataFrame:
    frame = between("2013-03-01", "2013-07-01")
    assert len(frame) >= 100_000
    return frame


@pytest.fixture(scope="module")
def topic(kafka, flights: pd.DataFrame) -> str:
    name = f"flight.predictions.{uuid.uuid4().hex[:6]}"
    kafka.create_topic(name, 4)
    produce(kafka.bootstrap, name, messages(flights))
    return name


def run_on(kafka, topic: str, folder: Path, store: str) -> Run:
    run = Run(folder=folder, store=store, bootstrap=kafka.bootstrap, topic=topic, api_version=kafka.api_version)
    run.build_reference(between("2013-01-01", "2013-03-01"))
    return run


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_a_hundred_thousand_flights_are_counted_exactly_as_pandas_counts_them(database, kafka, topic, flights, tmp_path, request):
    url = f"sqlite:///{tmp_path}/driftd.db" if database == "sqlite" else request.getfixturevalue("postgres").create_database()
    run = run_on(kafka, topic, tmp_path, url)
    run.driftd("run", str(run.config), "--until-idle")
    assert_equal_to_pandas(run, flights)


def assert_equal_to_pandas(run: Run, flights: pd.DataFrame) -> None:
    accounts = run.rows("windows", str(run.config), "--model", MODEL)
    by_day = dict(iter(flights.groupby(flights.ts.dt.floor("D"))))
    assert [pd.Timestamp(w["window_start"]) for w in accounts] == list(by_day)
    store = open_store(run.store)
    try:
        for account in accounts:
            day = by_day[pd.Timestamp(account["window_start"])]
            assert account["received"] == account["counted"] == len(day)
            [window] = store.windows(MODEL, pd.Timestamp(account["window_start"]).to_pydatetime())
            assert window.profile is not None
            for name in NUMERIC:
                column = window.profile.columns[name]
                assert isinstance(column, NumericProfile)
                assert column.n == day[name].notna().sum()
                assert column.mean == pytest.approx(day[name].mean(), rel=1e-9, abs=1e-9)
                assert (column.min, column.max) == (day[name].min(), day[name].max())
            for name in CATEGORICAL:
                column = window.profile.columns[name]
                assert isinstance(column, CategoricalProfile)
                counted = dict(zip(column.grid.categories, column.counts.tolist(), strict=True)) | dict(column.new.kept)
                assert {k: v for k, v in counted.items() if v} == day[name].value_counts().to_dict()
    finally:
        store.close()


@pytest.mark.fault(1)
def test_ten_kills_change_nothing_in_the_windows_and_results(kafka, topic, tmp_path):
    (tmp_path / "calm").mkdir()
    (tmp_path / "killed").mkdir()
    calm = run_on(kafka, topic, tmp_path / "calm", f"sqlite:///{tmp_path}/calm/driftd.db")
    calm.driftd("run", str(calm.config), "--until-idle")
    killed = run_on(kafka, topic, tmp_path / "killed", f"sqlite:///{tmp_path}/killed/driftd.db")
    moments = random.Random(20130301)
    progress = [kill_within(killed, moments.uniform(0.0, 0.25)) for _ in range(10)]
    assert progress[0] < progress[-1]  # the kills fell while it worked, not before or after
    killed.driftd("run", str(killed.config), "--until-idle")
    assert len(calm.rows("windows", str(calm.config))) == 122
    for table in ("windows", "results"):
        assert killed.rows(table, str(killed.config)) == calm.rows(table, str(calm.config))


def kill_within(run: Run, seconds: float) -> int:
    """Start the daemon, and kill it so many seconds after it began to read; how many rows are then in the store."""
    process = run.start("--until-idle")
    wait_for_line(run.folder / "daemon.log", "intake.assigned", process)
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=seconds)
        pytest.fail("the daemon ended before it was killed")
    run.kill(process)
    store = open_store(run.store)
    try:
        return sum(window.account.received for window in store.window_accounts(model=MODEL))
    finally:
        store.close()


def wait_for_line(path: Path, text: str, process: subprocess.Popen[bytes]) -> None:
    """Return once the log holds one more line with the text than at the process's start."""
    before = path.read_text().count(text) if path.exists() else 0
    deadline = time.monotonic() + 60
    while path.read_text().count(text) <= before:
        assert process.poll() is None, path.read_text()[-2000:]
        assert time.monotonic() < deadline
        time.sleep(0.02)
