"""``python -m tests.fuzz [--inputs N] [--seconds S] [TARGET …]``: each target in a process of its own; exit 1 on findings."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.fuzz.catalog import MODULES, target
from tests.fuzz.engine import Bounds, has_atheris, main

INPUTS = 1_030_000
SECONDS = 3_600.0
GRACE = 120.0
"""Seconds for imports and the last input before a run is killed."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzzes what reads bytes from outside.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(MODULES)}; all where none is named")
    parser.add_argument("--inputs", type=int, default=INPUTS, help="of all targets together, shared out as their cost has it")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each target at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", choices=["guided", "plain"], default="guided" if has_atheris() else "plain")
    parser.add_argument("--out", type=Path, help="where findings are kept; a temporary folder where left out")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser.parse_args()


def share(name: str, inputs: int) -> int:
    """A target's part of all inputs."""
    return -(-inputs * target(name).inputs // sum(target(each).inputs for each in MODULES))


def run(name: str, given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """One target in a process of its own: what it came to, a death included."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").unlink(missing_ok=True)
    inputs = share(name, given.inputs) if not given.targets or len(given.targets) > 1 else given.inputs
    bounds = ["--inputs", str(inputs), "--seconds", str(given.seconds), "--seed", str(given.seed)]
    options = [*bounds, "--engine", given.engine, "--out", str(folder)]
    command = [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-m", "tests.fuzz", "--child", name, *options]
    with (folder / "output").open("w") as output:
        try:
            code = subprocess.run(command, stdout=output, stderr=output, timeout=given.seconds + GRACE, check=False).returncode
        except subprocess.TimeoutExpired:
            code = -1
    if (folder / "report.json").exists():
        return dict(json.loads((folder / "report.json").read_text()))
    death = {"where": f"died or hung, exit {code}", "said": (folder / "output").read_text()[-1500:], "file": str(folder / "current")}
    return {"inputs": 0, "seconds": 0.0, "corpus": 0, "findings": [death]}


def whole(given: argparse.Namespace) -> int:
    """All that was asked for."""
    out = given.out or Path(tempfile.mkdtemp(prefix="driftd-fuzz-"))
    total = found = 0
    print(f"{given.engine} run, seed {given.seed}; findings are kept in {out}", flush=True)
    for name in given.targets or MODULES:
        report = run(name, given, out / name)
        total, found = total + report["inputs"], found + len(report["findings"])
        print(
            f"{name:<16}{report['inputs']:>9,} inputs{report['seconds']:>8.0f} s{report['corpus']:>7,} in the corpus"
            f"{len(report['findings']):>4} findings", flush=True,
        )  # fmt: skip
        for finding in report["findings"]:
            print(f"    {finding['where']}: {finding['said']}\n    {finding['file']}", flush=True)
    print(f"{'in all':<16}{total:>9,} inputs, {found} findings")
    return 1 if found else 0


if __name__ == "__main__":
    given = arguments()
    if given.child:
        main(given.child, given.engine, Bounds(inputs=given.inputs, seconds=given.seconds, seed=given.seed), given.out)
        sys.exit(0)
    sys.exit(whole(given))
