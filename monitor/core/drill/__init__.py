"""Drills: stored windows with injected faults, judged in a shadow. Which would have been seen?

On profiles alone: a fault is arithmetic on counts and moments, and the same functions judge them as judge every window.
"""

from monitor.core.drill.base import Fault, FaultName, Size
from monitor.core.drill.faults import FAULTS
from monitor.core.drill.outcome import AtSize, Line, Seen
from monitor.core.drill.scene import Scene

__all__ = ["FAULTS", "AtSize", "Fault", "FaultName", "Line", "Scene", "Seen", "Size"]
