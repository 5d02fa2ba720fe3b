"""``${NAME}`` and ``${NAME:-default}`` inside scalar values, after parsing: a variable can never add YAML of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping

_PLACE = re.compile(r"\$\$(?=\{)|\$\{([^}]*)(\}?)")
_INSIDE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)


def interpolate(text: str, env: Mapping[str, str]) -> str:
    """The text with its variables replaced; ``$${`` stands for a literal ``${``.

    Raises ValueError that names a variable which is not set (and has no default), or a ``${`` that is not well formed.
    """

    def replace(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        inside = _INSIDE.fullmatch(match[1])
        if not inside or not match[2]:
            raise ValueError("malformed ${…}; expected ${NAME} or ${NAME:-default}; write $${ for a literal ${")
        name = inside[1]
        value = env.get(name) or inside[2]  # as in a shell, :- also replaces a variable that is set but empty
        if value is None:
            value = env.get(name)
        if value is None:
            raise ValueError(f"environment variable {name} is not set; expected it, or a default: ${{{name}:-default}}")
        return value

    return _PLACE.sub(replace, text)
