"""Templates of people's own: ``{{ id }}`` in the texts of a JSON value or a header. Only known names are put in; nothing is run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from monitor.errors import UsageError

PLACEHOLDER = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")


def names_in(template: object) -> Iterator[str]:
    """The names that a template asks for, in its order."""
    if isinstance(template, str):
        yield from (match[1] for match in PLACEHOLDER.finditer(template))
    elif isinstance(template, Mapping):
        for value in template.values():
            yield from names_in(value)
    elif isinstance(template, (list, tuple)):
        for value in template:
            yield from names_in(value)


def unknown_names(template: object, known: tuple[str, ...]) -> str:
    """What is wrong with the names of a template, in one sentence; empty where nothing is."""
    strange = sorted({name for name in names_in(template) if name not in known})
    if not strange:
        return ""
    return f"unknown placeholder {', '.join(f'{{{{ {name} }}}}' for name in strange)}; known: {', '.join(sorted(known))}"


def filled(template: object, values: Mapping[str, object]) -> object:
    """The template with its placeholders filled: a text that is one placeholder alone becomes the value itself, whatever its kind.

    A value is never read as a template. Raises UsageError naming the unknown placeholder and those that are known.
    """
    if wrong := unknown_names(template, tuple(values)):
        raise UsageError(wrong)
    return _filled(template, values)


def filled_text(template: str, values: Mapping[str, object]) -> str:
    """The same of a text, which stays one."""
    return text_of(filled(template, values))


def text_of(value: object) -> str:
    """A value inside a text: texts as they are, nothing as nothing, all else as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _filled(template: object, values: Mapping[str, object]) -> object:
    if isinstance(template, str):
        alone = PLACEHOLDER.fullmatch(template.strip())
        return values[alone[1]] if alone else PLACEHOLDER.sub(lambda match: text_of(values[match[1]]), template)
    if isinstance(template, Mapping):
        return {name: _filled(value, values) for name, value in template.items()}
    if isinstance(template, (list, tuple)):
        return [_filled(value, values) for value in template]
    return template
