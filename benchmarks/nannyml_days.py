"""Run by the interpreter of a virtual environment that has NannyML: which days alarm, by column, with its defaults and daily chunks.

``python nannyml_days.py FOLDER``: reads ``reference.parquet`` and every ``judged*.parquet`` there, with ``ts`` and six columns, and prints
one JSON object: file → column → days with an alarm. Jensen-Shannon distance, limits learned from the reference's chunks.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path

NUMERIC = ("dep_delay", "distance", "hour")
CATEGORICAL = ("carrier", "origin", "dest")

if __name__ == "__main__":
    os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
    warnings.filterwarnings("ignore")
    import nannyml
    import pandas as pd

    folder = Path(sys.argv[1])
    names = [*NUMERIC, *CATEGORICAL]
    calculator = nannyml.UnivariateDriftCalculator(
        column_names=names,
        treat_as_categorical=list(CATEGORICAL),
        timestamp_column_name="ts",
        chunk_period="D",
        continuous_methods=["jensen_shannon"],
        categorical_methods=["jensen_shannon"],
    )

    def read(path: Path) -> pd.DataFrame:
        rows = pd.read_parquet(path)
        rows["ts"] = rows["ts"].dt.tz_localize(None)
        return rows

    calculator.fit(read(folder / "reference.parquet"))
    found = {}
    for path in sorted(folder.glob("judged*.parquet")):
        days = calculator.calculate(read(path)).filter(period="analysis").to_df()
        starts = days[("chunk", "chunk", "start_date")].dt.strftime("%Y-%m-%d")
        found[path.name] = {name: sorted(starts[days[(name, "jensen_shannon", "alert")].to_numpy(dtype=bool)]) for name in names}
    print(json.dumps({"version": nannyml.__version__, "alarms": found}))
