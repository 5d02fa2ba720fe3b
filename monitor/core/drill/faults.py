"""The faults by name. A new one is a file and a line here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from monitor.core.drill.base import Fault, FaultName
from monitor.core.drill.category import NEW_CATEGORY
from monitor.core.drill.constant import CONSTANT
from monitor.core.drill.labels import LABEL_FLIP
from monitor.core.drill.missing import MISSING
from monitor.core.drill.nulls import NULLS
from monitor.core.drill.recode import RECASE, TRUNCATE
from monitor.core.drill.scale import SCALE
from monitor.core.drill.shift import SHIFT
from monitor.core.drill.volume import VOLUME

FAULTS: Mapping[FaultName, Fault] = MappingProxyType({
    fault.name: fault
    for fault in (SHIFT, SCALE, NULLS, CONSTANT, MISSING, NEW_CATEGORY, RECASE, TRUNCATE, VOLUME, LABEL_FLIP)
})
