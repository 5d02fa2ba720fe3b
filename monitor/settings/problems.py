"""What pydantic says, in the words of the house and at the right place of the file."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence

from pydantic_core import ErrorDetails

from monitor.settings.block import Block
from monitor.settings.document import Document, Finding, Loc
from monitor.settings.durations import printable, shown

KEY_STEP = "[key]"


def path_text(loc: Loc) -> str:
    """``models.m.columns.x``, ``drift.tests[1].method``; odd names are made printable, the whole file is ``(file)``."""
    text = ""
    for step in loc:
        text += f"[{step}]" if isinstance(step, int) else f".{printable(step)}"
    return text.removeprefix(".") or "(file)"


def findings_of(errors: Sequence[ErrorDetails], document: Document, known: Mapping[int, tuple[str, ...]]) -> list[Finding]:
    """One finding for each error of the validation, but none of a value that could not even be read: that was told already."""
    found = [_finding(error, document, known) for error in errors]
    nameless = _nameless(document)
    if nameless is not None:
        found = [nameless, *(finding for finding in found if finding.loc[:1] != nameless.loc)]
    return [finding for finding in found if finding.loc not in document.unread]


def _nameless(document: Document) -> Finding | None:
    """The settings of a model where the names of models are expected: one finding, in place of one for each of them."""
    models = document.root.get("models") if isinstance(document.root, dict) else None
    if not isinstance(models, dict) or not {"task", "window"} <= set(models):
        return None
    said = "settings of a model where names of models are expected; expected models: {NAME: {task: …, window: …}}"
    return Finding(loc=("models",), message=said, place=document.key_place(("models",)))


def _finding(error: ErrorDetails, document: Document, known: Mapping[int, tuple[str, ...]]) -> Finding:
    steps, kind = error["loc"], error["type"]
    if kind in ("missing", "extra_forbidden") and steps:
        above, mapping = _follow(document.root, steps[:-1])
        loc = (*above, steps[-1])
        unknown = f"unknown key{suggestion(str(steps[-1]), known.get(id(mapping), ()))}"
        return Finding(loc=loc, message="required, but not given" if kind == "missing" else unknown, place=document.key_place(loc))
    loc, _ = _follow(document.root, steps)
    place = document.key_place(loc) if KEY_STEP in steps else document.value_place(loc)
    return Finding(loc=loc, message=_message(error), place=place)


def _follow(root: object, steps: Loc) -> tuple[Loc, object]:
    """As much of ``steps`` as exists in the tree (short forms and keys add steps of their own), and what stands there."""
    loc: Loc = ()
    node = root
    for step in steps:
        children = dict(enumerate(node)) if isinstance(node, list) else node
        if isinstance(children, dict) and step in children:
            loc, node = (*loc, step), children[step]
    return loc, node


def suggestion(name: str, known: Sequence[str]) -> str:
    """``; did you mean "window"? known: …``."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    meant = f'; did you mean "{close[0]}"?' if close else ""
    names = f"{'' if meant else ';'} known: {', '.join(sorted(known))}" if known else ""
    return meant + names


def _message(error: ErrorDetails) -> str:
    kind, given = error["type"], shown(error["input"])
    context = {key: f"{value:g}" if isinstance(value, float) else value for key, value in error.get("ctx", {}).items()}
    if kind == "value_error":
        return str(context["error"])
    if kind in ("enum", "literal_error"):
        names = [name.strip("'") for name in str(context["expected"]).replace(" or ", ", ").split(", ")]
        if not isinstance(error["input"], str):
            return f"{given} where one of {', '.join(names)} is expected"
        return f"{given} is not known{suggestion(error['input'], names)}"
    if kind == "model_type":
        return f"{given} where a mapping of settings is expected, e.g. {{{_first_key(str(context['class_name']))}: …}}"
    if kind == "string_pattern_mismatch":
        context["pattern"] = ALPHABETS.get(str(context["pattern"]), context["pattern"])
    if kind in SAYINGS:
        return SAYINGS[kind].format(given=given, **context)
    return f"{given}: {printable(error['msg'])}"


def _first_key(name: str) -> str:
    """A key of a block by the name of its class: one that is needed, where one is."""
    block = next(each for each in _blocks(Block) if each.__name__ == name)
    fields = block.model_fields
    return next((key for key, field in fields.items() if field.is_required()), next(iter(fields)))


def _blocks(block: type[Block]) -> Iterator[type[Block]]:
    for each in block.__subclasses__():
        yield each
        yield from _blocks(each)


ALPHABETS = {r"^[A-Za-z0-9._-]+$": "only letters, digits, . _ -"}
"""Patterns in words."""

SAYINGS = {
    "int_parsing": "{given} is not a whole number",
    "int_type": "{given} where a whole number is expected",
    "int_from_float": "{given} is not a whole number",
    "int_parsing_size": "{given} is too large",
    "float_parsing": "{given} is not a number",
    "float_type": "{given} where a number is expected",
    "finite_number": "{given} is not a finite number",
    "bool_parsing": "{given} is neither true nor false",
    "bool_type": "{given} where true or false is expected",
    "string_type": "{given} where a text is expected",
    "string_too_short": "expected a text that is not empty",
    "string_too_long": "{given} is too long; expected at most {max_length} characters",
    "string_pattern_mismatch": "{given} has characters that are not allowed; expected {pattern}",
    "string_unicode": "{given} is not valid Unicode",
    "greater_than": "{given} is too small; expected more than {gt}",
    "greater_than_equal": "{given} is too small; expected at least {ge}",
    "less_than_equal": "{given} is too large; expected at most {le}",
    "too_short": "{given} with nothing in it; expected at least {min_length}",
    "model_attributes_type": "{given} where a mapping of settings is expected",
    "dict_type": "{given} where a mapping of names is expected",
    "tuple_type": "{given} where a list is expected",
}
"""What is said of each kind of error; the fields in braces come from pydantic."""
