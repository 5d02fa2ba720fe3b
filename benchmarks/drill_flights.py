"""The table of docs/drill.md: real flights, January and February as the reference, March and April drilled by ``driftd drill`` itself.

Days in UTC. The model is the delay at departure: a flight that leaves late arrives late, with the more probability the later it leaves.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from monitor.clock import SystemClock
from monitor.core.labels.labels import Joined
from monitor.core.labels.predicted import Predicted
from monitor.core.performed import counted
from monitor.core.profile import NumericGrid, Profile
from monitor.core.reference import Reference
from monitor.core.results import Account, WindowKey
from monitor.core.rules import Model
from monitor.core.schema import Batch, CategoricalValues, NumericValues, Values
from monitor.demo.flights import load_flights
from monitor.demo.scenario import CATEGORICAL_FEATURES, DAY, LATE_AFTER_MINUTES, NUMERIC_FEATURES
from monitor.log import configure
from monitor.metrics import Metrics
from monitor.pipeline import Judge, References, Routes, Telling
from monitor.ports import Checkpoint, Revision, Store, Tally, WindowDelta
from monitor.references import build_reference
from monitor.settings import load_settings
from monitor.storage import open_store

QUICK = "--quick" in sys.argv  # ten days
START = datetime(2013, 3, 1, tzinfo=UTC)
END = datetime(2013, 3, 11, tzinfo=UTC) if QUICK else datetime(2013, 5, 1, tzinfo=UTC)
REFERENCE_START = datetime(2013, 1, 2, tzinfo=UTC)
SAMPLE_ROWS = 200


def flights() -> pd.DataFrame:
    """Predictions with their labels."""
    frame = load_flights().frame.rename(columns={"departed_at": "ts"})
    frame["p_late"] = 1 / (1 + np.exp(-(frame["dep_delay"] - LATE_AFTER_MINUTES) / 10))
    frame["late"] = (frame["dep_delay"] > LATE_AFTER_MINUTES).astype(int).astype(str)
    frame["arrived_late"] = frame["arrived_late"].astype("object").where(frame["arrived_late"].notna(), None).map(str, na_action="ignore")
    return frame


def configuration(folder: Path) -> Path:
    """One model, on SQLite."""
    streams = {
        "predictions": {"topic": "flights", "time": "ts", "id": "prediction_id", "prediction": "late", "score": "p_late"},
        "labels": {"topic": "landed", "time": "ts", "id": "prediction_id", "label": "arrived_late"},
    }
    model = {
        "task": "binary", "window": "1d", "min_rows": 200, "dedupe": False, "streams": streams,
        "columns": dict.fromkeys(NUMERIC_FEATURES, "numeric") | dict.fromkeys(CATEGORICAL_FEATURES, "categorical"),
        "performance": {"metrics": ["roc_auc", "log_loss"], "max_drop": 0.03, "label_delay": "2d"},
    }
    path = folder / "driftd.yaml"
    path.write_text(json.dumps({"store": f"sqlite:///{folder}/driftd.db", "kafka": {"bootstrap_servers": "127.0.0.1:1"},
                                "models": {"flight-delay": model}}))
    return path


def categories(values: pd.Series) -> CategoricalValues:
    codes, texts = pd.factorize(values)
    return CategoricalValues(codes=codes.astype(np.int32), dictionary=tuple(map(str, texts)))


def fill(store: Store, model: Model, reference: Reference, rows: pd.DataFrame) -> None:
    """A window and a tally of every day."""
    for number, (start, day) in enumerate(rows.groupby(rows["ts"].dt.floor("1D"))):
        columns: dict[str, Values] = {
            name: NumericValues(values=day[name].to_numpy(dtype=float)) if isinstance(grid, NumericGrid) else categories(day[name])
            for name, grid in reference.grid.columns.items()
        }
        size, profile = len(day), Profile.empty(reference.grid, sample_rows=SAMPLE_ROWS)
        profile.fold(Batch(offsets=np.arange(size), times=np.zeros(size, dtype=np.int64), versions=None, ids=None, columns=columns), number)
        began = start.to_pydatetime()
        key = WindowKey(model=model.name, version="*", start=began, end=began + DAY)
        store.checkpoint(Checkpoint(at=began, windows=(WindowDelta(key=key, account=Account(counted=size), profile=profile),)))
        predicted = Predicted(ids=np.arange(size, dtype=np.uint64), prediction=categories(day["late"]), scores=day[["p_late"]].to_numpy(),
                              classes=(), segments={})
        labels = categories(day["arrived_late"])
        tally = counted(Joined(rows=predicted, labels=labels, times=np.zeros(size, dtype=np.int64)), model, reference)
        if tally is not None:
            kept = (Tally(key=key, data=tally.to_bytes()),)
            store.record_revision(Revision(model=model.name, start=began, known=(), tallies=kept, at=began))


def main() -> None:
    """Fill a store, judge it, and let the command print its table."""
    configure(level="error")
    with tempfile.TemporaryDirectory() as folder:
        config, frame = configuration(Path(folder)), flights()
        model = load_settings(config).models()[0]
        path = Path(folder) / "reference.parquet"
        frame[(frame["ts"] >= REFERENCE_START) & (frame["ts"] < START)].to_parquet(path)
        reference = build_reference(path, model, time_column="ts")
        store, clock = open_store(f"sqlite:///{folder}/driftd.db"), SystemClock()
        store.add_reference(reference, activate=True, at=START)
        fill(store, model, reference, frame[(frame["ts"] >= START) & (frame["ts"] < END)])
        Judge(store=store, models=[model], references=References(store, clock), clock=clock, metrics=Metrics(),
              telling=Telling({model.name: Routes()}), partitions=frozenset).finish()
        store.close()
        sys.stdout.flush()
        subprocess.run([sys.executable, "-m", "monitor", "drill", str(config)], check=True)


if __name__ == "__main__":
    main()
