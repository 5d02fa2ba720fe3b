"""Evidently, pandas and scikit-learn, in a worker process of their own: nothing here that the daemon imports brings them in."""

from monitor.reports.process import Died, Limits, Worker
from monitor.reports.tester import EvidentlyTester

__all__ = ["Died", "EvidentlyTester", "Limits", "Worker"]
