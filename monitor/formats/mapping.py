"""A stream's dotted paths as msgspec structs made at run time, so that one C call reads what is mapped and skips the rest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import xxhash

from monitor.core.rules import Stream
from monitor.core.schema import Column, Ints, Kind

Tree = dict[str, Any]
"""The mapped keys of an object: by key the path of a value, or the tree of an object inside."""

LOOKED_AT = 512
"""One of so many messages is looked at whole: that costs a hundredth of decoding all of them."""
_CHOSEN = np.uint64(2**64 - 2**64 // LOOKED_AT)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio: no rhythm of offsets is missed or hit by its multiples

IdType = str | int | None
VersionType = str | int | float | None
TimeType = str | int | float | None
FAST_TYPES: Mapping[Kind, Any] = {
    Kind.NUMERIC: float | None,
    Kind.CATEGORICAL: str | int | float | bool | None,
    Kind.BOOLEAN: bool | int | None,
}
ScoresType = dict[str, float | None] | list[float | None] | None


def wanted(stream: Stream) -> dict[str, Any]:
    """By path, the type that the fast path asks for; a path of several uses with different types takes anything."""
    uses = [(stream.id, IdType), (stream.version, VersionType), (stream.time, TimeType), (stream.scores, ScoresType)]
    uses += [(place_of(column), FAST_TYPES[column.kind]) for column in stream.columns]
    types: dict[str, Any] = {}
    for path, kind in uses:
        if path:
            types[path] = kind if types.get(path, kind) == kind else Any
    return types


def place_of(column: Column) -> str:
    """The dotted path of a column's values."""
    return column.path or column.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One object of a message: the leaves and the objects in it, in the order of the struct's fields."""

    struct: type[msgspec.Struct]
    paths: tuple[str | None, ...]
    inner: tuple[Level | None, ...]


def tree_of(paths: Iterable[str]) -> Tree:
    """The tree of these paths. Raises ValueError where one path is a value and another lies inside it."""
    tree: Tree = {}
    for path in sorted(paths):
        _plant(tree, path, path.split("."))
    return tree


def level_of(types: Mapping[str, Any]) -> Level:
    """The structs for these paths. Raises ValueError where one path is a value and another lies inside it."""
    return _level("Message", tree_of(types), types)


def _plant(tree: Tree, path: str, keys: Sequence[str]) -> None:
    for key in keys[:-1]:
        tree = tree.setdefault(key, {})
        if not isinstance(tree, dict):
            raise ValueError(f"path {path!r} lies inside {tree!r}, which is mapped as a value")
    if keys[-1] in tree:
        raise ValueError(f"path {path!r} is mapped as a value, and others lie inside it")
    tree[keys[-1]] = path


def _level(name: str, tree: Tree, types: Mapping[str, Any]) -> Level:
    fields: list[tuple[str, Any, Any]] = []
    paths: list[str | None] = []
    inner: list[Level | None] = []
    for number, below in enumerate(tree.values()):
        if isinstance(below, dict):
            level = _level(f"{name}_{number}", below, types)
            fields.append((f"f{number}", level.struct | None, None))
        else:
            level = None
            fields.append((f"f{number}", types[below], None))
        paths.append(below if isinstance(below, str) else None)
        inner.append(level)
    names = {f"f{number}": key for number, key in enumerate(tree)}
    struct = msgspec.defstruct(name, fields, rename=names, gc=False)
    return Level(struct=struct, paths=tuple(paths), inner=tuple(inner))


def by_path(level: Level, rows: Sequence[Any]) -> dict[str, Sequence[object]]:
    """The values of every path, in the order of the rows."""
    if not rows:
        return dict.fromkeys(_leaves(level), ())
    values: dict[str, Sequence[object]] = {}
    # a list, so that the tuples of rows are gone before those of inner objects come: so many alive would start a garbage collection
    columns = list(zip(*map(msgspec.structs.astuple, rows), strict=True))
    for path, inner, column in zip(level.paths, level.inner, columns, strict=True):
        if inner is None and path is not None:
            values[path] = column
        elif inner is not None:
            blank = inner.struct()
            values |= by_path(inner, [blank if below is None else below for below in column])
    return values


def _leaves(level: Level) -> Iterable[str]:
    for path, inner in zip(level.paths, level.inner, strict=True):
        if path is not None:
            yield path
        elif inner is not None:
            yield from _leaves(inner)


def looked_at(offsets: Ints) -> list[int]:
    """The positions of the messages to look at whole, by their offsets alone: the same ones however they come in batches.

    Multiples of the golden ratio lie evenly (Knuth, The Art of Computer Programming 3, 6.4): an offset in 512, also of every second
    or fifth one, as transactions and compaction leave them.
    """
    chosen: list[int] = (offsets.view(np.uint64) * _GOLDEN > _CHOSEN).nonzero()[0].tolist()  # wraps at 2^64
    return chosen


def mapping_of(paths: Iterable[str]) -> str:
    """A digest of what is mapped, 16 hexadecimal digits: which other paths a message has depends on it."""
    return xxhash.xxh3_64_hexdigest("\n".join(sorted(paths)).encode("utf-8", "surrogatepass"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """The mapped keys of an object, and of the objects in it that hold what is mapped."""

    keys: frozenset[str]
    inner: tuple[tuple[str, Mapped], ...]


def mapped_of(tree: Tree) -> Mapped:
    """The same keys, for looking at messages."""
    inner = tuple((key, mapped_of(below)) for key, below in tree.items() if isinstance(below, dict))
    return Mapped(keys=frozenset(tree), inner=inner)


def unmapped(document: Mapping[str, object], mapped: Mapped, prefix: str = "") -> Iterator[str]:
    """The paths in a parsed message that are not mapped, within the objects that hold what is; nothing inside of them is told."""
    for key in document.keys() - mapped.keys:
        yield prefix + key
    for key, below in mapped.inner:
        inside = document.get(key)
        if isinstance(inside, dict):
            yield from unmapped(inside, below, f"{prefix}{key}.")


def dig(document: Mapping[str, object], path: str) -> object:
    """The value at a dotted path of a parsed message; None where there is none."""
    found: object = document
    for key in path.split("."):
        if not isinstance(found, dict):
            return None
        found = found.get(key)
    return found
