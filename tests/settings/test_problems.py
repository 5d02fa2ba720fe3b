"""Broken configurations: every problem at once, each at its line and column."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from monitor.errors import SettingsError
from monitor.settings import load_settings

DATA = Path(__file__).parents[1] / "data" / "settings"
BROKEN = sorted(DATA.glob("*.yaml"))
SAID = re.compile(r"\w+\.yaml:[1-9]\d*:[1-9]\d*: (?P<path>[^:]+): (?P<message>.+)")
PARTICULAR = re.compile(r'"[^"]*"|\d+\S*|known: .*')
"""What differs between two problems of one kind: values, numbers, names that are known."""
ENV = {"INJECTED": "1}\nevil: {a: b", "WORD": "several"}


def told(path: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(path, ENV)
    return str(caught.value).replace(str(path), path.name) + "\n"


@pytest.mark.fault(36)
@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_a_broken_configuration_tells_every_problem_at_its_place(path: Path) -> None:
    assert told(path) == path.with_suffix(".txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_no_problem_takes_more_than_one_line_and_none_tells_a_secret(path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(path, ENV)
    assert all("\n" not in str(problem) for problem in caught.value.problems)
    assert "secret@" not in str(caught.value)
    assert "xoxb" not in str(caught.value)
    assert "secret-path" not in str(caught.value)


@pytest.mark.fault(36)
def test_the_broken_files_cover_more_than_forty_kinds_of_problems() -> None:
    said = [SAID.fullmatch(line) for path in BROKEN for line in path.with_suffix(".txt").read_text(encoding="utf-8").splitlines()]
    assert all(said)  # each with file, line, column, path and message
    kinds = {PARTICULAR.sub("_", line["message"]) for line in said if line}
    assert len(BROKEN) >= 40
    assert len(kinds) >= 60


def test_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"
    with pytest.raises(SettingsError, match=r"none\.yaml:1:1: \(file\): cannot read the file: No such file or directory"):
        load_settings(path)


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="Is a directory"):
        load_settings(tmp_path)


def test_a_path_that_cannot_exist_is_a_problem() -> None:
    with pytest.raises(SettingsError, match="null byte"):
        load_settings(Path("a\0b"))


def test_bytes_that_are_no_text_are_told_with_their_place(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"store: x\nkafka: {group_id: caf\xe9}\n")
    with pytest.raises(SettingsError, match=r"latin\.yaml:2:22: \(file\): not UTF-8 \(byte \"0xe9\"\)"):
        load_settings(path)


def test_characters_that_yaml_forbids_are_told(tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text("kafka: \x01\n")
    with pytest.raises(SettingsError, match="not YAML: unacceptable character"):
        load_settings(path)


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    path.write_bytes(b"#" * 2_000_001)
    with pytest.raises(SettingsError, match="larger than 2000000 bytes"):
        load_settings(path)


def test_an_alias_bomb_ends_soon(tmp_path: Path) -> None:
    path = tmp_path / "bomb.yaml"
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    path.write_text("\n".join(lines))
    with pytest.raises(SettingsError, match="more than 50000 values after aliases are followed"):
        load_settings(path)


@pytest.mark.parametrize("depth", [60, 20_000])
def test_a_bottomless_file_is_refused(tmp_path: Path, depth: int) -> None:
    path = tmp_path / "deep.yaml"
    path.write_text("a: " + "[" * depth + "]" * depth)
    with pytest.raises(SettingsError, match="nested too deeply"):
        load_settings(path)
