"""What every block of settings has in common, and the types of single values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetJsonSchemaHandler,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema
from pydantic_core.core_schema import ValidationInfo

from monitor.core.rules import Switch
from monitor.settings.durations import DURATION_PATTERN, duration_text, parse_duration, shown
from monitor.settings.secret import Secret

FILE_SUFFIX = "_file"


class Context:
    """What validation is told (the folder of the file) and what it tells (the keys that each mapping may have)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.known: dict[int, tuple[str, ...]] = {}


class Block(BaseModel):
    """A mapping of settings: unknown keys are refused, values cannot change, a key without a value is a key left out.

    A field ``x`` of type Secret that has a sister ``x_file`` may be given by either; ``x`` then reads from the file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, hide_input_in_errors=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _prepare(cls, data: object, info: ValidationInfo) -> object:
        if not isinstance(data, Mapping):
            return data
        names = {field.alias or name for name, field in cls.model_fields.items()}
        if isinstance(info.context, Context):
            info.context.known[id(data)] = tuple(sorted(names))
        given = {key: value for key, value in data.items() if value is not None or key not in names}
        for name in cls.model_fields:
            file = given.get(name + FILE_SUFFIX)
            if isinstance(file, (str, Path)) and str(file) and given.get(name) is None:
                with suppress(RuntimeError):  # the home of nobody: told when the file's own field is read
                    given[name] = Secret(file=_beside(file, info))
        return given


def _beside(path: str | Path, info: ValidationInfo) -> Path:
    folder = info.context.folder if isinstance(info.context, Context) else Path()
    return folder / Path(path).expanduser()


def path_of(value: object, info: ValidationInfo) -> Path:
    """A path as written, beside the file of settings unless absolute. Raises ValueError for what is none."""
    if not isinstance(value, (str, Path)) or not str(value) or "\0" in str(value):
        raise ValueError(f"{shown(value)} is not a path; expected the name of a file")
    try:
        return _beside(value, info)
    except RuntimeError:
        raise ValueError(f"{shown(str(value))} names the home of an unknown user; expected the name of a file") from None


def _secret(value: object) -> Secret:
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str) or not value.strip():
        raise ValueError("expected a text that is not empty")
    return Secret(text=value.strip())


def within(shortest: timedelta, longest: timedelta) -> Callable[[timedelta], timedelta]:
    """A validator that a duration lies within bounds, both included."""

    def check(value: timedelta) -> timedelta:
        if not shortest <= value <= longest:
            bounds = f"{duration_text(shortest)} to {duration_text(longest)}"
            raise ValueError(f"{duration_text(value)} is out of range; expected {bounds}")
        return value

    return check


def one_or_many(value: object) -> object:
    """A single text or mapping where a list is expected is a list of one."""
    return [value] if isinstance(value, (str, Mapping)) else value


class OneOrMany:
    """Lets the JSON schema accept one item beside a list of items."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core)
        return {"anyOf": [schema["items"], schema]} if "items" in schema else schema


def _auto_or_number(lowest: float, highest: float) -> Callable[[object], float | None]:
    def read(value: object) -> float | None:
        if value is None or value == "auto":
            return None
        try:
            number = float(str(value))
        except ValueError:
            number = float("nan")
        if not lowest <= number <= highest:
            raise ValueError(f"{shown(value)} is not understood; expected auto or a number from {lowest:.10g} to {highest:.10g}")
        return number

    return read


def _off_auto_or_share(value: object) -> float | Switch | None:
    if value == Switch.OFF:
        return Switch.OFF
    try:
        return _auto_or_number(0.0, 1.0)(value)
    except ValueError:
        raise ValueError(f"{shown(value)} is not understood; expected auto, off or a number from 0 to 1") from None


def _auto_or_off(value: object) -> Switch | None:
    if value not in (None, "auto", Switch.OFF):
        raise ValueError(f"{shown(value)} is not understood; expected auto or off")
    return Switch.OFF if value == Switch.OFF else None


def _auto_schema(lowest: float, highest: float) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [{"const": "auto"}, {"type": "number", "minimum": lowest, "maximum": highest}]})


def host_of(url: str) -> tuple[str, str]:
    """Scheme and host of a URL. Raises ValueError, without repeating the URL: it may carry a secret."""
    try:
        parts = urlsplit(url)
        scheme, host, _ = parts.scheme, parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("not a URL; expected https://host/path") from None
    if scheme not in ("https", "http") or not host:
        raise ValueError(f"not a web address (scheme {shown(scheme)}, host {shown(host)}); expected https://host/path")
    return scheme, host


def _web_address(value: str) -> str:
    host_of(value)
    return value


def _name(value: str) -> str:
    if not NAME.fullmatch(value):
        raise ValueError(f"{shown(value)} is not a name; expected letters, digits, . _ - (at most 100, the first a letter or digit)")
    return value


NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
LARGEST_RATIO = 1e6
SECOND = timedelta(seconds=1)
_DURATION_SCHEMA: dict[str, Any] = {"type": "string", "pattern": DURATION_PATTERN, "examples": ["30s", "1h", "14d"]}

Text = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Name = Annotated[str, AfterValidator(_name)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(one_or_many), OneOrMany()]
Url = Annotated[Text, AfterValidator(_web_address)]
File = Annotated[Path, PlainValidator(path_of), WithJsonSchema({"type": "string", "minLength": 1})]
SecretText = Annotated[Secret, PlainValidator(_secret), WithJsonSchema({"type": "string", "minLength": 1})]
Duration = Annotated[timedelta, PlainValidator(parse_duration), WithJsonSchema(_DURATION_SCHEMA)]
QualityShare = Annotated[
    float | Switch | None,
    PlainValidator(_off_auto_or_share),
    WithJsonSchema({"anyOf": [{"enum": ["auto", "off"]}, {"type": "number", "minimum": 0.0, "maximum": 1.0}]}),
]
AutoOrOff = Annotated[Switch | None, PlainValidator(_auto_or_off), WithJsonSchema({"enum": ["auto", "off"]})]
Ratio = Annotated[float | None, PlainValidator(_auto_or_number(0.0, LARGEST_RATIO)), _auto_schema(0.0, LARGEST_RATIO)]
