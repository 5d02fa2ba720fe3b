"""The quality check: what of a window bears no usable value, or is odd by itself, against given limits or learned ones.

One file per check. A new one is a file, a kind, a line in ``QUALITY_CHECKS`` and a limit in the rules.
"""

from monitor.core.quality.checks import QUALITY_CHECKS, judge_quality
from monitor.core.quality.columns import judge_columns
from monitor.core.quality.duplicates import judge_duplicates
from monitor.core.quality.unseen import NAMED, unseen_names
from monitor.core.quality.usual import FLOOR, Usual

__all__ = ["FLOOR", "NAMED", "QUALITY_CHECKS", "Usual", "judge_columns", "judge_duplicates", "judge_quality", "unseen_names"]
