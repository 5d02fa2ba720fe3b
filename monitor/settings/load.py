"""Reading a configuration: all its problems at once, or settings without any."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import ValidationError

from monitor.errors import Problem, SettingsError
from monitor.settings.block import Context
from monitor.settings.crosscheck import cross_check
from monitor.settings.document import Document, Finding, Place, UnreadableError, read_document
from monitor.settings.durations import shown
from monitor.settings.file import FileSettings
from monitor.settings.problems import findings_of, path_text
from monitor.settings.repair import repaired
from monitor.settings.settings import Settings

MAX_BYTES = 2_000_000
EXTENSION = "x-"  # top-level keys that begin so are the writer's own: a place for anchors


def load_settings(path: Path, env: Mapping[str, str] | None = None) -> Settings:
    """Read, check and resolve a configuration; ``env`` stands in for the environment.

    Raises SettingsError, and nothing else, with every problem of the file.
    """
    try:
        text = _text(path)
        document = read_document(text, os.environ if env is None else env)
    except UnreadableError as error:
        raise _refused(path, [Finding(loc=(), message=error.message, place=error.place)]) from None
    return _settings(path, document)


def _settings(path: Path, document: Document) -> Settings:
    if isinstance(document.root, dict):
        for name in [name for name in document.root if name.startswith(EXTENSION)]:
            del document.root[name]
    context = Context(path.parent)
    findings = list(document.findings)
    file, errors = _validated(document.root, context, document)
    findings += errors
    if file is None:
        file, _ = _validated(repaired(document.root, errors + findings), context, document)
    if file is not None:
        findings += cross_check(file, document, findings)
    if findings or file is None:
        raise _refused(path, findings)
    return Settings(path=path, file=file, places=Document(keys=document.keys, values=document.values))


def _validated(root: object, context: Context, document: Document) -> tuple[FileSettings | None, list[Finding]]:
    try:
        return FileSettings.model_validate(root, context=context), []
    except ValidationError as error:
        return None, findings_of(error.errors(include_url=False), document, context.known)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UnreadableError(f"cannot read the file: {reason}", Place()) from None
    if len(data) > MAX_BYTES:
        raise UnreadableError(f"larger than {MAX_BYTES} bytes", Place())
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        place = Place(before.count(b"\n") + 1, len(before) - before.rfind(b"\n"))
        raise UnreadableError(f"not UTF-8 (byte {shown(hex(data[error.start]))})", place) from None


def _refused(path: Path, findings: Iterable[Finding]) -> SettingsError:
    unique = {(finding.place, path_text(finding.loc), finding.message) for finding in findings}
    file = str(path)
    problems = [Problem(file=file, line=at.line, column=at.column, path=where, message=said) for at, where, said in sorted(unique)]
    return SettingsError(problems)
