"""No file of the package over 400 lines: a file is one noun."""

import sys
from pathlib import Path

LIMIT = 400

long = [(path, n) for path in Path("monitor").rglob("*.py") if (n := len(path.read_text().splitlines())) > LIMIT]
for path, n in long:
    print(f"{path}: {n} lines, at most {LIMIT}: cut it before you add to it")
print("file sizes are fine" if not long else f"{len(long)} files are too long")
sys.exit(bool(long))
