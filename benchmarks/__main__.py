"""``python -m benchmarks [NAME …] [--quick]``: every benchmark, or those named.

Ratios in one run; absolute figures depend on the machine.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

BY_HAND = {"soak", "nannyml_days", "nannyml_estimates", "choosing", "holdout"}
"""As many minutes as it is told to; two scripts for another interpreter; for whoever chooses constants; wants a file."""
NAMES = sorted(p.stem for p in Path(__file__).parent.glob("*.py") if not p.stem.startswith("_") and p.stem not in BY_HAND)

if __name__ == "__main__":
    options = [word for word in sys.argv[1:] if word.startswith("--")]
    asked = [word for word in sys.argv[1:] if word not in options] or NAMES
    unknown = sorted(set(asked) - set(NAMES))
    if unknown:
        sys.exit(f"unknown benchmark {', '.join(unknown)}: there are {', '.join(NAMES)}")
    sys.argv[1:] = options
    for name in asked:
        print(f"── {name}", flush=True)
        runpy.run_module(f"benchmarks.{name}", run_name="__main__")
