"""How Slack takes files: an address is asked for, the bytes are sent there, then the file is put into a channel or a thread."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

UPLOAD_PATH = "/upload/v1/"
LONGEST_ALT_TEXT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackFile:
    """A file. ``content`` is None until its bytes have come; ``shared``: whether it was put somewhere."""

    id: str
    name: str
    length: int
    alt_text: str = ""
    title: str = ""
    content: bytes | None = None
    shared: bool = False


class Files:
    """What was asked for and sent. Used under the server's lock."""

    def __init__(self) -> None:
        self.by_id: dict[str, SlackFile] = {}

    def address(self, root: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """files.getUploadURLExternal."""
        name, alt_text = str(arguments.get("filename") or ""), str(arguments.get("alt_txt") or "")
        length = _whole(arguments.get("length"))
        if not name or not length:
            return {"error": "missing_argument"}
        if length < 0:
            return {"error": "invalid_arguments"}
        if len(alt_text) > LONGEST_ALT_TEXT:
            return {"error": "alt_txt_too_large"}
        made = SlackFile(id=f"F{len(self.by_id) + 1:08d}", name=name, length=length, alt_text=alt_text)
        self.by_id[made.id] = made
        return {"upload_url": f"{root}{UPLOAD_PATH}{made.id}", "file_id": made.id}

    def take(self, path: str, content: bytes) -> bool:
        """The bytes, at the address that was given; False where that is none, or they are not as many as was said."""
        file = self.by_id.get(path.removeprefix(UPLOAD_PATH))
        if file is None or file.length != len(content):
            return False
        self.by_id[file.id] = replace(file, content=content)
        return True

    def complete(self, arguments: Mapping[str, Any]) -> tuple[str, list[SlackFile]]:
        """The part of files.completeUploadExternal that is about files: Slack's error, empty where there is none, and which they are."""
        found = []
        for given in _given(arguments.get("files")):
            file = self.by_id.get(str(given.get("id")))
            if file is None or file.content is None or file.shared:
                return "file_not_found", []
            found.append(replace(file, title=str(given.get("title") or file.name), shared=True))
        return ("", found) if found else ("invalid_arguments", [])

    def keep(self, files: list[SlackFile]) -> None:
        """They are shared now."""
        self.by_id.update({file.id: file for file in files})


def as_told(file: SlackFile) -> dict[str, Any]:
    """A file in a message."""
    return {"id": file.id, "name": file.name, "title": file.title, "size": file.length, "alt_txt": file.alt_text, "mimetype": "image/png"}


def _whole(given: object) -> int:
    try:
        return int(str(given))
    except ValueError:
        return 0


def _given(files: object) -> list[Mapping[str, Any]]:
    """The list as a form or a JSON body brings it."""
    if isinstance(files, str):
        try:
            files = json.loads(files)
        except ValueError:
            return []
    return [each for each in files if isinstance(each, dict)] if isinstance(files, list) else []
