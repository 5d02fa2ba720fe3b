"""A YAML document as plain mappings, lists and texts, with the line and column of every key and value.

Scalars stay the text that was written (``2.10`` stays ``2.10``, ``on`` stays ``on``): the settings' types read them, so nothing
depends on what YAML would have guessed. Only a plain empty value, ``~`` or ``null`` is None.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import cast

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from monitor.settings.durations import printable, shown
from monitor.settings.interpolate import interpolate

Loc = tuple[str | int, ...]

MAX_NODES = 50_000  # an alias bomb ends here
MAX_DEPTH = 40
MAX_OPEN = 200  # brackets open at once, in texts and comments too: the parser's time grows with the square of them
LONGEST_SAID = 200  # characters of the parser's own message
_BRACKET = re.compile(r"[\[\]{}]")
NULLS = frozenset({"", "~", "null", "Null", "NULL"})
YAML_TAG = "tag:yaml.org,2002:"
END = "unexpected end of stream"
HINTS = {
    END: "is the quote closed?",
    "mapping values are not allowed here": "does this line, or the one above, lack a colon and a blank after its key?",
    "found character '\\t'": "expected blanks for indentation, not tabs",
    "unknown escape character": "in double quotes a backslash begins an escape; expected single quotes around it",
    "found undefined alias": "expected &NAME before its use, or quotes around a text that begins with *",
    "expected ',' or '}'": "is a comma missing, or the closing brace of a line above?",
    "expected ',' or ']'": "is a comma missing, or the closing bracket of a line above?",
}
"""What people have most likely done when the parser says so."""
KNOWN_TAGS = frozenset(YAML_TAG + name for name in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp", "merge", "value"))


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A line and a column, both counted from 1."""

    line: int = 1
    column: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something wrong at a place of the document."""

    loc: Loc
    message: str
    place: Place


class UnreadableError(Exception):
    """The text is no YAML document that settings can be made of."""

    def __init__(self, message: str, place: Place) -> None:
        self.message = message
        self.place = place
        super().__init__(message)


@dataclass(slots=True)
class Document:
    """The tree, where everything in it stands, and what was wrong already while reading it."""

    root: object = None
    keys: dict[Loc, Place] = field(default_factory=dict)
    values: dict[Loc, Place] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    unread: set[Loc] = field(default_factory=set)

    def key_place(self, loc: Loc) -> Place:
        """Where the key of ``loc`` stands; of the nearest key above where it has none."""
        while loc and loc not in self.keys:
            loc = loc[:-1]
        return self.keys.get(loc, Place())

    def value_place(self, loc: Loc) -> Place:
        """Where the value of ``loc`` stands; of the nearest key above where there is no such value."""
        return self.values[loc] if loc in self.values else self.key_place(loc)


def read_document(text: str, env: Mapping[str, str]) -> Document:
    """Parse one YAML document. Raises UnreadableError for what is no YAML, no mapping, or too large; other faults are findings."""
    _refuse_bottomless(text)
    node = _compose(text)
    if node is None or (isinstance(node, ScalarNode) and node.value in NULLS):
        raise UnreadableError("the file is empty; expected at least store, kafka and models", Place())
    if not isinstance(node, MappingNode):
        raise UnreadableError("expected a mapping of settings at the top of the file", _start(node))
    document = Document()
    reader = _Reader(document, env)
    document.root = reader.read(node, ())
    return document


def _refuse_bottomless(text: str) -> None:
    """Before the parser sees it: 3,000 brackets take it four seconds, and a file may have millions."""
    depth = 0
    for match in _BRACKET.finditer(text):
        depth = depth + 1 if match[0] in "[{" else max(depth - 1, 0)
        if depth > MAX_OPEN:
            before = text[: match.start()]
            raise UnreadableError("nested too deeply", Place(before.count("\n") + 1, len(before) - before.rfind("\n")))


def _compose(text: str) -> Node | None:
    yaml = YAML(typ="rt", pure=True)
    yaml.composer.warn_double_anchors = False
    try:
        node: Node | None = yaml.compose(text)
    except MarkedYAMLError as error:
        raise UnreadableError(f"not YAML: {_said(error)}", _place(error)) from None
    except RecursionError:
        raise UnreadableError("nested too deeply", Place()) from None
    except Exception as error:  # the parser's own ReaderError has no mark, and odd text makes it raise IndexError, ValueError, …
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise UnreadableError(f"not YAML: {printable(said)}", Place()) from None
    return node


def _said(error: MarkedYAMLError) -> str:
    parts = [part for part in (error.context, error.problem) if part]
    said = printable(", ".join(" ".join(part.split()) for part in parts), LONGEST_SAID) or "cannot be parsed"
    return said + next((f"; {hint}" for words, hint in HINTS.items() if words in said), "")


def _place(error: MarkedYAMLError) -> Place:
    """Where the parser stumbled; where it ran to the end of the file, where it set out."""
    ends = END in (error.problem or "")
    mark = (error.context_mark if ends else None) or error.problem_mark or error.context_mark
    return Place(mark.line + 1, mark.column + 1) if mark else Place()


def _start(node: Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)


class _Reader:
    """Turns nodes into plain values and notes where they stand."""

    def __init__(self, document: Document, env: Mapping[str, str]) -> None:
        self._document = document
        self._env = env
        self._open: list[int] = []
        self._nodes = 0

    def read(self, node: Node, loc: Loc) -> object:
        """The value of a node. Raises UnreadableError for too much of anything."""
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise UnreadableError(f"more than {MAX_NODES} values after aliases are followed", _start(node))
        if len(self._open) > MAX_DEPTH:
            raise UnreadableError("nested too deeply", _start(node))
        if id(node) in self._open:
            self._unread(loc, "an alias stands for the value that it is a part of", node)
            return None
        self._document.values[loc] = _start(node)
        if str(node.tag) not in KNOWN_TAGS:
            self._unread(loc, f"tag {printable(str(node.tag))} is not understood; expected a plain value", node)
            return None
        self._open.append(id(node))
        try:
            return self._value(node, loc)
        finally:
            self._open.pop()

    def _value(self, node: Node, loc: Loc) -> object:
        if isinstance(node, MappingNode):
            return self._mapping(node, loc)
        if isinstance(node, SequenceNode):
            return [self.read(item, (*loc, i)) for i, item in enumerate(node.value)]
        return self._scalar(cast(ScalarNode, node), loc)

    def _scalar(self, node: ScalarNode, loc: Loc) -> str | None:
        try:
            text = interpolate(str(node.value), self._env)
        except ValueError as error:
            self._unread(loc, str(error), node)
            return None
        return None if not node.style and text in NULLS else text

    def _mapping(self, node: MappingNode, loc: Loc) -> dict[str, object]:
        result: dict[str, object] = {}
        merged: list[MappingNode] = []
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                self._fault(loc, "a mapping or list cannot be a key; expected a name", _start(key))
            elif key.value == "<<" and not key.style:
                merged += self._merged(value, loc)
            elif key.value in result:
                first = self._document.keys[(*loc, key.value)].line
                self._fault((*loc, key.value), f"duplicate key; first given in line {first}", _start(key))
            else:
                self._document.keys[(*loc, key.value)] = _start(key)
                result[key.value] = self.read(value, (*loc, key.value))
        for source in merged:
            self._merge(source, loc, result)
        return result

    def _merged(self, node: Node, loc: Loc) -> Iterator[MappingNode]:
        for source in node.value if isinstance(node, SequenceNode) else [node]:
            if isinstance(source, MappingNode):
                yield source
            else:
                self._fault((*loc, "<<"), f"expected a mapping to merge, found {shown(str(source.value))}", _start(source))

    def _merge(self, source: MappingNode, loc: Loc, into: dict[str, object]) -> None:
        for key, value in source.value:
            if isinstance(key, ScalarNode) and key.value not in into and key.value != "<<":
                self._document.keys[(*loc, key.value)] = _start(key)
                into[key.value] = self.read(value, (*loc, key.value))

    def _unread(self, loc: Loc, message: str, node: Node) -> None:
        self._document.unread.add(loc)
        self._fault(loc, message, _start(node))

    def _fault(self, loc: Loc, message: str, place: Place) -> None:
        self._document.findings.append(Finding(loc=loc, message=message, place=place))
