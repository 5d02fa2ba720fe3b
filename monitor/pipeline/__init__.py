"""The loop's steps. Reader: poll, decode, fold, checkpoint. Judge: seal, evaluate, decide, record. Labelling: join labels, revise.
SelfWatch: what stands in the way. Digests: what was not worth a message of its own."""

from monitor.pipeline.bootstrap import Bootstrap
from monitor.pipeline.desk import Desk
from monitor.pipeline.digest import Daily, Digests, audience_of
from monitor.pipeline.judge import Judge
from monitor.pipeline.labelling import Labelling
from monitor.pipeline.loop import RetrainingLoop
from monitor.pipeline.muting import Muting
from monitor.pipeline.pages import IncidentPages
from monitor.pipeline.reader import Pace, Reader
from monitor.pipeline.references import References
from monitor.pipeline.registry import RegistryLink
from monitor.pipeline.retention import Retention
from monitor.pipeline.revising import Reviser
from monitor.pipeline.selfwatch import NoEventTime, Probe, SelfWatch, judging_fails, kafka_away, receivers_fail, rows_are_stale
from monitor.pipeline.standards import Standard, Standards
from monitor.pipeline.telling import Routes, Telling, routes_of

__all__ = [
    "Bootstrap",
    "Daily",
    "Desk",
    "Digests",
    "IncidentPages",
    "Judge",
    "Labelling",
    "Muting",
    "NoEventTime",
    "Pace",
    "Probe",
    "Reader",
    "References",
    "RegistryLink",
    "Retention",
    "RetrainingLoop",
    "Reviser",
    "Routes",
    "SelfWatch",
    "Standard",
    "Standards",
    "Telling",
    "audience_of",
    "judging_fails",
    "kafka_away",
    "receivers_fail",
    "routes_of",
    "rows_are_stale",
]
