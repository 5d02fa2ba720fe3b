"""The same estimates as NannyML 0.13.1 (CBPE, its defaults), which was asked once, in an environment of its own.

The recipe: ``python -m venv A && A/bin/pip install nannyml==0.13.1 statsmodels 'pandas<3'``, then ``NANNYML_PYTHON=A/bin/python python -m
benchmarks estimated`` on ``tests.core.estimating.ORACLE_SETS``; the numbers are ``value`` of each chunk, one a window, to six digits.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from monitor.core.estimated.estimate import Estimate
from tests.core.estimating import ORACLE_SETS

NANNYML: Mapping[str, Mapping[str, tuple[float, ...]]] = {
    "calibrated": {
        "roc_auc": (0.814916, 0.817501, 0.812847, 0.810579, 0.81651, 0.822663, 0.8187, 0.813942),
        "f1": (0.431746, 0.519944, 0.588953, 0.649633, 0.714409, 0.462561, 0.523859, 0.590325),
        "precision": (0.648403, 0.677836, 0.683564, 0.707398, 0.726032, 0.650992, 0.674938, 0.688373),
        "recall": (0.323614, 0.421713, 0.517347, 0.60059, 0.703152, 0.358727, 0.428046, 0.516726),
        "accuracy": (0.813956, 0.787842, 0.76146, 0.742473, 0.735303, 0.818471, 0.788357, 0.761141),
    },
    "distorted": {
        "roc_auc": (0.814916, 0.817501, 0.812847, 0.810579, 0.81651, 0.822663, 0.8187, 0.813942),
        "f1": (0.185961, 0.316289, 0.386434, 0.47919, 0.574245, 0.237215, 0.29706, 0.387891),
        "precision": (0.831398, 0.826138, 0.825135, 0.834869, 0.8446, 0.807377, 0.827516, 0.83666),
        "recall": (0.104688, 0.195585, 0.252295, 0.336031, 0.435002, 0.139032, 0.181022, 0.252471),
        "accuracy": (0.799831, 0.769628, 0.735356, 0.709638, 0.696293, 0.805286, 0.766978, 0.734623),
    },
    "three classes": {
        "roc_auc": (0.821013, 0.822633, 0.814403, 0.822551, 0.822711, 0.816433, 0.815961, 0.824436),
        "f1": (0.626002, 0.632121, 0.617089, 0.620869, 0.602606, 0.622529, 0.625173, 0.629846),
        "precision": (0.642204, 0.64344, 0.638335, 0.639465, 0.642741, 0.637233, 0.635286, 0.647284),
        "recall": (0.617079, 0.625903, 0.608862, 0.611946, 0.585719, 0.614273, 0.619627, 0.621956),
        "accuracy": (0.662744, 0.660258, 0.650929, 0.666954, 0.69071, 0.657953, 0.652323, 0.66499),
    },
    "breast cancer": {
        "roc_auc": (0.967499, 0.968625, 0.966561, 0.971406, 0.971424, 0.968212, 0.974775, 0.974827),
        "f1": (0.820336, 0.849671, 0.848045, 0.865561, 0.880054, 0.872547, 0.897907, 0.90643),
        "precision": (0.791959, 0.825397, 0.816009, 0.83876, 0.844973, 0.837506, 0.870539, 0.870123),
        "recall": (0.850822, 0.875417, 0.882698, 0.894132, 0.918173, 0.910648, 0.927052, 0.945898),
        "accuracy": (0.913275, 0.910335, 0.907885, 0.910891, 0.906256, 0.895771, 0.907354, 0.908741),
    },
}
CLOSE: Mapping[str, float] = {"roc_auc": 0.005, "accuracy": 0.005, "f1": 0.01, "precision": 0.01, "recall": 0.01}
"""Calibrations may differ where it hardly matters whether scores are calibrated: "calibrated" is 0.002 off, the others 0.001 or less."""


def level(found: Estimate) -> float:
    assert found.value is not None
    return found.value


@pytest.mark.parametrize("name", sorted(NANNYML))
def test_every_window_is_estimated_as_nannyml_estimates_it(name: str) -> None:
    made = ORACLE_SETS[name]()
    model = made.taught()
    theirs = NANNYML[name]
    for number in range(8):
        found = model.estimate(made.window(number)[0], None, list(theirs))
        for metric, values in theirs.items():
            assert level(found[metric]) == pytest.approx(values[number], abs=CLOSE[metric]), (number, metric)


def test_where_both_calibrate_they_agree_to_the_third_digit() -> None:
    for name in ("distorted", "three classes", "breast cancer"):
        made = ORACLE_SETS[name]()
        model = made.taught()
        ours = [level(model.estimate(made.window(number)[0], None, ["roc_auc"])["roc_auc"]) for number in range(8)]
        assert ours == pytest.approx(NANNYML[name]["roc_auc"], abs=5e-4)
