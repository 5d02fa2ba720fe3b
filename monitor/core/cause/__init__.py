"""What probably happened: the bad results of a window as sentences, the likeliest cause first."""

from monitor.core.cause.causes import Cause, ColumnCause
from monitor.core.cause.ranking import explain

__all__ = ["Cause", "ColumnCause", "explain"]
