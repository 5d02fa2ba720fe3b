from tests.cli.driftd import driftd

__all__ = ["driftd"]
