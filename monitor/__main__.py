"""``python -m monitor`` is ``driftd``."""

from monitor.cli.app import main

main()
