"""An Evidently of our own making, for what the real one does only on a bad day: its tests are named for what happens."""

from __future__ import annotations

from pathlib import Path

REGISTRY = '''
import os, signal, subprocess, sys, time

class StatTestInvalidFeatureTypeError(ValueError): pass
class StatTestNotFoundError(ValueError): pass

class Result:
    drift_score, drifted, actual_threshold = 0.5, True, 0.1

def answers(reference, window, kind, threshold): return Result
def raises(*_): raise RuntimeError("no luck\\nat all")
def hangs(*_): time.sleep(600)
def crashes(*_): os.kill(os.getpid(), signal.SIGSEGV)
def exits(*_):
    print("a last word", file=sys.stderr, flush=True)
    os._exit(3)
def hogs(*_):
    import numpy as np
    return [np.ones(2**27) for _ in range(100)]
def grows(*_):
    import numpy as np
    Result.kept = np.ones(2**25)  # 256 MiB
    return Result
def prints(*_):
    print("chatter" * 1000, flush=True)
    return Result
def babbles(*_):
    os.write(int(sys.argv[1]), b"\\xff" * 64)
    time.sleep(600)
def rambles(*_):
    os.write(int(sys.argv[1]), (5).to_bytes(8, "big") + b"hello")
    time.sleep(600)
def bears(*_):
    child = subprocess.Popen(["sleep", "600"])
    open(os.environ["NOTE"], "w").write(f"{os.getpid()} {child.pid}")
    time.sleep(600)
def calls(*_):
    import socket
    socket.create_connection(("127.0.0.1", 9))
def tells(*_):
    raise RuntimeError(",".join(sorted(os.environ)))
def not_a_number(*_):
    class Odd(Result): drift_score = float("nan")
    return Odd

_registered_stat_tests = {name: found for name, found in globals().items() if callable(found) and name.islower()}

def get_registered_stattest(name, kind):
    if name not in _registered_stat_tests: raise StatTestNotFoundError(name)
    return _registered_stat_tests[name]
'''


def fake_evidently(folder: Path) -> Path:
    """Write the package; the folder is to be first on the path."""
    package = folder / "evidently" / "legacy" / "calculations" / "stattests"
    package.mkdir(parents=True)
    for place in (package, *list(package.parents)[:3]):
        (place / "__init__.py").write_text("")
    (folder / "evidently" / "__init__.py").write_text("class ColumnType:\n    Numerical, Categorical = 'num', 'cat'\n")
    (package / "registry.py").write_text(REGISTRY)
    info = folder / "evidently-9.9.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: evidently\nVersion: 9.9\n")
    return folder


def broken_package(folder: Path, name: str) -> Path:
    """As if a package were not installed."""
    (folder / name).mkdir(parents=True)
    said = f"No module named {name!r}"
    (folder / name / "__init__.py").write_text(f"raise ModuleNotFoundError({said!r}, name={name!r})\n")
    return folder
