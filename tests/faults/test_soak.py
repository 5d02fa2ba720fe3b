"""A day's faults in minutes, with the books balanced at the end. The 24 hours are for a machine of one's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MINUTES = os.environ.get("DRIFTD_SOAK_MINUTES", "6")
ROOT = Path(__file__).parent.parent.parent


@pytest.mark.fault(40)
@pytest.mark.long
@pytest.mark.timeout(float(MINUTES) * 60 + 900)
def test_after_minutes_of_every_fault_each_message_is_accounted_for() -> None:
    if not shutil.which("java"):
        pytest.skip("needs a broker that it may kill: install java and maven")
    done = subprocess.run([sys.executable, "-m", "benchmarks.soak", MINUTES], capture_output=True, text=True, cwd=ROOT, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
