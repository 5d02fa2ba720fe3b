"""No text at all makes the reader raise anything but SettingsError."""

from __future__ import annotations

import random
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.errors import Problem, SettingsError
from monitor.settings import load_settings

EXAMPLE = (Path(__file__).parents[2] / "config" / "example.yaml").read_text(encoding="utf-8")
PIECES = [
    "kafka:", "models:", "bootstrap_servers", "\n", "\n  ", "- ", "? ", ": ", "{", "}", "[", "]", ",", "#", "\t", "-", "=", "@",
    "&a ", "*a", "<<: ", "!!int ", "!x ", "|\n", ">-\n", "'", '"', "%YAML 1.1\n", "---\n", "...\n",
    "${", "${A:-", "~", "\\x", "\ud800", "\0", "\x85", "\ufeff", "1e400", "0x",
]  # fmt: skip


def problems_of(path: Path, data: bytes) -> list[Problem]:
    path.write_bytes(data)
    try:
        load_settings(path, {"A": "b"})
    except SettingsError as error:
        str(error).encode()  # can be printed anywhere
        return error.problems
    return []


def told_or_read(path: Path, data: bytes) -> None:
    assert all(problem.line >= 1 and problem.column >= 1 and problem.message for problem in problems_of(path, data))


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=6)), max_size=30))
def test_any_text_is_read_or_told(tmp_path: Path, pieces: list[str]) -> None:
    told_or_read(tmp_path / "c.yaml", "".join(pieces).encode("utf-8", "surrogatepass"))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_told(tmp_path: Path, data: bytes) -> None:
    told_or_read(tmp_path / "c.yaml", data)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.integers(min_value=0, max_value=10**9))
def test_a_good_file_with_a_few_changes_is_read_or_told(tmp_path: Path, seed: int) -> None:
    choice = random.Random(seed)
    text = EXAMPLE
    for _ in range(choice.randint(1, 4)):
        at = choice.randrange(len(text))
        text = text[:at] + choice.choice(PIECES) + text[at + choice.randint(0, 12):]
    told_or_read(tmp_path / "c.yaml", text.encode("utf-8", "surrogatepass"))
