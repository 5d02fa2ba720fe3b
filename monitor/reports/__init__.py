"""Evidently, pandas and scikit-learn, in a worker process of their own: nothing here that the daemon imports brings them in."""

from monitor.reports.absent import absent, lacking
from monitor.reports.html import EvidentlyPages, report_html
from monitor.reports.process import Died, Limits, Stopped, Worker, worker_of
from monitor.reports.shelf import Shelf
from monitor.reports.tester import EvidentlyTester, known_tests

__all__ = ["Died", "EvidentlyPages", "EvidentlyTester", "Limits", "Shelf", "Stopped", "Worker", "absent", "known_tests", "lacking",
           "report_html", "worker_of"]
