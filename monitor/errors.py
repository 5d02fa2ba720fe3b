"""The errors of driftd, named by what the caller does about them."""

from __future__ import annotations

from dataclasses import dataclass


class DriftdError(Exception):
    """Base of every error that driftd raises on purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One fault of a settings file: where it stands and what was expected."""

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.path}: {self.message}"


class SettingsError(DriftdError):
    """The configuration cannot be used: tell the person, exit 2. Carries every problem of the file."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(map(str, problems)))


class UsageError(DriftdError):
    """A command was given something it cannot use (a file, a name): tell the person, exit 1."""


class UnknownError(UsageError):
    """What was named is not there."""


class DecodeError(DriftdError):
    """A message or a stored document cannot be read: quarantine it and go on. What it repeats of the document has an end."""

    LONGEST = 1_000

    def __init__(self, message: str) -> None:
        super().__init__(message if len(message) <= self.LONGEST else f"{message[: self.LONGEST]}…")


class Retryable(DriftdError):
    """An edge failed in a way that may pass: try again later, not before ``retry_after`` seconds."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class StoreUnavailable(Retryable):
    """The database is away or locked."""


class StoreFull(StoreUnavailable):
    """There is no room for what the database should write."""


class MemoryShort(Retryable):
    """The process is at its limit of memory: nothing more is read until some is free."""


class Permanent(DriftdError):
    """An edge failed in a way that trying again cannot mend: give up and say so."""


class Gone(Permanent):
    """The receiver said for good that it wants nothing more: send it nothing until a person has looked."""


class Fenced(DriftdError):
    """Another replica owns what we tried to write: drop what is in memory and read the store again."""
