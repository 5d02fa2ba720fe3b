"""Evidently, pandas, scikit-learn and matplotlib, in a worker process of their own: nothing here that the daemon imports brings them in."""

from monitor.reports.absent import absent, lacking
from monitor.reports.html import EvidentlyPages, report_html
from monitor.reports.painter import WorkerPainter, painter_of
from monitor.reports.process import Died, Limits, Stopped, Worker, worker_of
from monitor.reports.shelf import Shelf
from monitor.reports.tester import EvidentlyTester, known_tests

__all__ = ["Died", "EvidentlyPages", "EvidentlyTester", "Limits", "Shelf", "Stopped", "Worker", "WorkerPainter", "absent", "known_tests",
           "lacking", "painter_of", "report_html", "worker_of"]
