"""Run by the interpreter of a virtual environment that has NannyML: what it estimates for each window, with its defaults.

``python nannyml_estimates.py FOLDER``: reads ``sets.json`` there and, of every set, ``NAME.reference.parquet`` and ``NAME.judged.parquet``:
columns ``truth``, ``decided``, ``window`` (a number), the scores or the features. Prints one JSON object: by set and metric the estimates
by window, its confidence boundaries, and the seconds that it took.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
    warnings.filterwarnings("ignore")
    import nannyml
    import pandas as pd

    folder = Path(sys.argv[1])

    def read(name: str, part: str) -> pd.DataFrame:
        rows = pd.read_parquet(folder / f"{name}.{part}.parquet")
        within = rows.groupby("window").cumcount() / rows.groupby("window")["window"].transform("size")
        first = pd.Timestamp("2020-01-01" if part == "judged" else "2010-01-01")
        return rows.assign(ts=first + pd.to_timedelta(rows["window"] + 0.9 * within, unit="D"))

    def estimator(one: dict[str, Any]) -> Any:
        common = {"y_true": "truth", "timestamp_column_name": "ts", "chunk_period": "D", "metrics": one["metrics"], "y_pred": "decided"}
        if one["kind"] == "regression":
            return nannyml.DLE(feature_column_names=one["features"], **common)
        proba = one["scores"] if one["kind"] == "multiclass" else one["scores"]["1"]
        return nannyml.CBPE(problem_type=f"classification_{one['kind']}", y_pred_proba=proba, **common)

    found = {}
    for name, one in json.loads((folder / "sets.json").read_text()).items():
        reference, judged = read(name, "reference"), read(name, "judged")
        start = time.process_time()
        fitted = estimator(one).fit(reference)
        learned = time.process_time()
        table = fitted.estimate(judged).filter(period="analysis").to_df()
        parts = ("value", "lower_confidence_boundary", "upper_confidence_boundary")
        found[name] = {metric: [table[(metric, part)].tolist() for part in parts] for metric in one["metrics"]}
        found[name]["seconds"] = [learned - start, time.process_time() - learned]
    print(json.dumps({"version": nannyml.__version__, "found": found}))
