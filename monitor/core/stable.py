"""Names that are the same in every replica and every replay."""

from __future__ import annotations

from hashlib import blake2b

ID_BYTES = 6


def stable_hex(*words: str) -> str:
    """12 hexadecimal digits of the words' BLAKE2b; the words are kept apart by their lengths."""
    text = "".join(f"{len(word)}:{word}" for word in words)
    return blake2b(text.encode(), digest_size=ID_BYTES).hexdigest()
