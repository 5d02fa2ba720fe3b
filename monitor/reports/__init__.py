"""Evidently, pandas and scikit-learn, in a worker process of their own: nothing here that the daemon imports brings them in."""

from monitor.reports.html import report_html
from monitor.reports.process import Died, Limits, Stopped, Worker, worker_of
from monitor.reports.tester import MOST_DEATHS, EvidentlyTester, known_tests, lacking

__all__ = ["MOST_DEATHS", "Died", "EvidentlyTester", "Limits", "Stopped", "Worker", "known_tests", "lacking", "report_html", "worker_of"]
