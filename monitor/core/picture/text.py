"""Texts of a picture: they come from logs, and stand on one line."""

from __future__ import annotations


def line(text: str, most: int) -> str:
    """On one line, of at most so many characters, and writable as UTF-8."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text.encode("utf-8", "replace").decode()).split())
    return text if len(text) <= most else text[: most - 1] + "…"
