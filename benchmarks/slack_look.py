"""A message's Block Kit as Slack shows it, as a small page: for pictures in the documents."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from monitor.demo.slack_files import SlackFile
from monitor.demo.slack_server import SlackPost

STYLE = """
body { margin: 0; padding: 22px 26px; background: #fff; color: #1d1c1d; width: 760px;
       font: 15px/1.46668 Lato, "Noto Sans", "DejaVu Sans", Arial, sans-serif; }
.message { display: grid; grid-template-columns: 36px 1fr; gap: 8px; margin: 0 0 14px; }
.avatar { width: 36px; height: 36px; border-radius: 6px; background: #1264a3; color: #fff; font-weight: 900; text-align: center;
          line-height: 36px; }
.who { font-weight: 900; } .app { font-size: 10px; font-weight: 700; background: #e8e8e8; color: #616061; border-radius: 2px;
       padding: 1px 3px; margin: 0 6px; vertical-align: 2px; } .when { font-size: 12px; color: #616061; }
h1 { font-size: 18px; line-height: 1.33; font-weight: 900; margin: 4px 0 8px; }
.attachment { border-left: 4px solid; border-radius: 2px; padding: 2px 0 2px 12px; }
.section { margin: 0 0 8px; white-space: pre-wrap; } .context { font-size: 13px; color: #616061; margin: 0 0 8px; }
.fields { display: grid; grid-template-columns: 1fr 1fr; gap: 6px 16px; margin: 0 0 8px; }
.dot { display: inline-block; width: 0.9em; height: 0.9em; border-radius: 50%; vertical-align: -0.08em; }
a { color: #1264a3; text-decoration: none; }
.thread { margin: 2px 0 0 44px; padding-left: 14px; border-left: 1px solid #dddddd; }
.note { font-size: 13px; color: #1264a3; font-weight: 700; margin: 0 0 10px 44px; }
.file { font-size: 13px; color: #616061; }
img { max-width: 620px; border: 1px solid #dddddd; border-radius: 8px; display: block; margin: 4px 0; }
"""
DOTS = {"🔴": "#dd2e44", "🟡": "#fdcb58", "🟢": "#78b159", "⚪": "#e6e7e8"}
"""Slack brings its own emoji; a machine may have none."""
LINK = re.compile(r"&lt;(https?://[^|&]+)\|([^&]*)&gt;")


def page(first: SlackPost, thread: Sequence[SlackPost], files: Mapping[str, SlackFile]) -> str:
    """The first message and what was answered."""
    replies = "".join(_message(post, files) for post in thread)
    count = len(thread)
    note = f'<div class="note">{count} {"reply" if count == 1 else "replies"}</div>' if count else ""
    body = _message(first, files) + note + (f'<div class="thread">{replies}</div>' if replies else "")
    return f'<!doctype html><meta charset="utf-8"><style>{STYLE}</style>{body}'


def _message(post: SlackPost, files: Mapping[str, SlackFile]) -> str:
    content = "".join(_block(block) for block in post.body.get("blocks", ()))
    for attachment in post.body.get("attachments", ()):
        inner = "".join(_block(block) for block in attachment.get("blocks", ()))
        content += f'<div class="attachment" style="border-color: {escape(attachment["color"])}">{inner}</div>'
    content += "".join(_file(files[file["id"]]) for file in post.body.get("files", ()))
    edited = ' <span class="when">(edited)</span>' if post.edits else ""
    head = f'<span class="who">driftd</span><span class="app">APP</span><span class="when">{_when(post)}</span>{edited}'
    return f'<div class="message"><div class="avatar">d</div><div>{head}<div>{content}</div></div></div>'


def _when(post: SlackPost) -> str:
    return "also sent to the channel" if post.body.get("reply_broadcast") else ""


def _file(file: SlackFile) -> str:
    data = base64.b64encode(file.content or b"").decode()
    return f'<div class="file">{escape(file.title)}</div><img src="data:image/png;base64,{data}" alt="{escape(file.alt_text)}">'


def _block(block: Mapping[str, Any]) -> str:
    return "".join(_parts(block))


def _parts(block: Mapping[str, Any]) -> Iterator[str]:
    match block["type"]:
        case "header":
            yield f"<h1>{_text(block['text'])}</h1>"
        case "section" if "fields" in block:
            yield '<div class="fields">' + "".join(f"<div>{_text(each)}</div>" for each in block["fields"]) + "</div>"
        case "section":
            yield f'<div class="section">{_text(block["text"])}</div>'
        case "context":
            yield '<div class="context">' + " ".join(map(_text, block["elements"])) + "</div>"


def _text(text: Mapping[str, Any]) -> str:
    """A plain text as it is; of markup the link that driftd makes."""
    said = escape(text["text"])
    for sign, colour in DOTS.items():
        said = said.replace(sign, f'<span class="dot" style="background: {colour}"></span>')
    return LINK.sub(r'<a href="#">\2</a>', said) if text["type"] == "mrkdwn" else said
