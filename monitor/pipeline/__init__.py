"""The loop's steps. Reader: poll, decode, fold, checkpoint. Judge: seal, evaluate, decide, record."""

from monitor.pipeline.judge import Judge
from monitor.pipeline.reader import Pace, Reader
from monitor.pipeline.references import References
from monitor.pipeline.telling import Routes, Telling

__all__ = ["Judge", "Pace", "Reader", "References", "Routes", "Telling"]
