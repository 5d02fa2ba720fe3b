"""What Slack refuses of a message, as its documentation gives it: https://docs.slack.dev/reference/block-kit/blocks"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

MAX_BLOCKS = 50
MAX_HEADER = 150
MAX_SECTION_TEXT = 3000
MAX_FIELDS = 10
MAX_FIELD_TEXT = 2000
MAX_CONTEXT_ELEMENTS = 10
MAX_ACTIONS = 25
MAX_BUTTON_TEXT, MAX_ACTION_ID, MAX_VALUE = 75, 255, 2000
MAX_CONFIRM = {"title": 100, "text": 300, "confirm": 30, "deny": 30}
BUTTON_STYLES = frozenset({"primary", "danger"})
MAX_BLOCK_ID = 255
MAX_ATTACHMENTS = 100
MAX_TEXT = 40_000
MAX_BLOCKS_CHARACTERS = 13_200
"""Undocumented: the total from which Slack says msg_blocks_too_long (slackapi/bolt-js#2509)."""

BLOCK_TYPES = frozenset({"actions", "context", "divider", "header", "image", "section"})


def refusal(message: Mapping[str, Any]) -> tuple[str, list[str]] | None:
    """Slack's error and its details for a message; None: it is taken."""
    blocks, attachments = message.get("blocks") or [], message.get("attachments") or []
    if not message.get("text") and not blocks and not attachments:
        return "no_text", ["a message needs text, blocks or attachments"]
    if len(str(message.get("text", ""))) > MAX_TEXT:
        return "msg_too_long", [f"text is over {MAX_TEXT} characters"]
    if len(attachments) > MAX_ATTACHMENTS:
        return "too_many_attachments", [f"more than {MAX_ATTACHMENTS} attachments"]
    lists = [("blocks", blocks), *((f"attachments/{at}/blocks", each.get("blocks") or []) for at, each in enumerate(attachments))]
    details = [detail for place, each in lists for detail in _faults_of_list(place, each)]
    if details:
        return ("invalid_blocks" if all(d.startswith("blocks") for d in details) else "invalid_attachments"), details
    total = sum(len(text) for _, each in lists for block in each for text in _texts(block))
    return ("msg_blocks_too_long", [f"{total} characters in all"]) if total > MAX_BLOCKS_CHARACTERS else None


def _faults_of_list(place: str, blocks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if len(blocks) > MAX_BLOCKS:
        yield f"{place}: no more than {MAX_BLOCKS} items allowed"
    for at, block in enumerate(blocks):
        if block.get("type") not in BLOCK_TYPES:
            yield f"{place}/{at}: unsupported type {block.get('type')!r}"
        elif len(str(block.get("block_id", ""))) > MAX_BLOCK_ID:
            yield f"{place}/{at}: block_id is over {MAX_BLOCK_ID} characters"
        else:
            yield from _faults_of_block(f"{place}/{at}", block)


def _faults_of_block(place: str, block: Mapping[str, Any]) -> Iterator[str]:
    match block["type"]:
        case "header":
            yield from _text(f"{place}/text", block.get("text"), MAX_HEADER, ("plain_text",))
        case "section":
            yield from _section(place, block)
        case "context":
            elements = block.get("elements") or []
            yield from _count(f"{place}/elements", elements, MAX_CONTEXT_ELEMENTS)
            for at, element in enumerate(elements):
                if element.get("type") != "image":
                    yield from _text(f"{place}/elements/{at}", element, MAX_SECTION_TEXT)
        case "actions":
            elements = block.get("elements") or []
            yield from _count(f"{place}/elements", elements, MAX_ACTIONS)
            for at, element in enumerate(elements):
                yield from _button(f"{place}/elements/{at}", element)
        case _:
            return


def _button(place: str, element: Mapping[str, Any]) -> Iterator[str]:
    """https://docs.slack.dev/reference/block-kit/block-elements/button-element"""
    if element.get("type") != "button":
        return
    yield from _text(f"{place}/text", element.get("text"), MAX_BUTTON_TEXT, ("plain_text",))
    for name, most in (("action_id", MAX_ACTION_ID), ("value", MAX_VALUE)):
        if len(str(element.get(name, ""))) > most:
            yield f"{place}/{name}: over {most} characters"
    if "style" in element and element["style"] not in BUTTON_STYLES:
        yield f"{place}/style: expected one of {sorted(BUTTON_STYLES)}"
    confirm = element.get("confirm")
    if confirm is not None:
        for name, most in MAX_CONFIRM.items():
            yield from _text(f"{place}/confirm/{name}", confirm.get(name), most)


def _section(place: str, block: Mapping[str, Any]) -> Iterator[str]:
    fields = block.get("fields")
    if "text" not in block and not fields:
        yield f"{place}: a section needs text or fields"
    if "text" in block:
        yield from _text(f"{place}/text", block["text"], MAX_SECTION_TEXT)
    if fields is not None:
        yield from _count(f"{place}/fields", fields, MAX_FIELDS)
        for at, each in enumerate(fields):
            yield from _text(f"{place}/fields/{at}", each, MAX_FIELD_TEXT)


def _count(place: str, items: Sequence[object], most: int) -> Iterator[str]:
    if not 1 <= len(items) <= most:
        yield f"{place}: {len(items)} items, between 1 and {most} allowed"


def _text(place: str, text: object, most: int, types: tuple[str, ...] = ("plain_text", "mrkdwn")) -> Iterator[str]:
    if not isinstance(text, Mapping) or text.get("type") not in types:
        yield f"{place}: expected a text object of type {' or '.join(types)}"
        return
    length = len(str(text.get("text", "")))
    if not 1 <= length <= most:
        yield f"{place}: {length} characters, between 1 and {most} allowed"
    if {"plain_text": "verbatim", "mrkdwn": "emoji"}[text["type"]] in text:
        yield f"{place}: verbatim is for mrkdwn, emoji for plain_text"


def _texts(block: Mapping[str, Any]) -> Iterator[str]:
    for part in (block.get("text"), *(block.get("fields") or ()), *(block.get("elements") or ())):
        if isinstance(part, Mapping) and isinstance(part.get("text"), str):
            yield part["text"]
