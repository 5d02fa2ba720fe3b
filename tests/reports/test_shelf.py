"""The folder of pages: whole or not there, the newest alone, and nothing of anybody else's."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from monitor.reports import Shelf
from monitor.reports.shelf import UNFINISHED


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "new" / "pages"


def test_a_page_is_found_again_and_is_for_us_alone_to_read(folder: Path) -> None:
    shelf = Shelf(folder, 3)
    assert (shelf.ids(), shelf.get("inc_a")) == (frozenset(), None)
    shelf.put("inc_a", "<p>ä</p>")
    assert (shelf.ids(), shelf.get("inc_a")) == ({"inc_a"}, "<p>ä</p>".encode())
    [name] = names(folder)
    assert name == "inc_a.711d815b8bda2040.html"
    assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_page_takes_the_place_of_an_earlier_one_of_its_incident(folder: Path) -> None:
    shelf = Shelf(folder, 3)
    for text in ("one", "two", "two"):
        shelf.put("inc_a", text)
    assert len(names(folder)) == 1
    assert shelf.get("inc_a") == b"two"


def test_the_oldest_go_and_what_is_no_page_stays(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    (folder / "inc_x.html").write_text("mine too")
    shelf = Shelf(folder, 2)
    for number in range(4):
        shelf.put(f"inc_{number}", "text")
        [made] = folder.glob(f"inc_{number}.*")
        os.utime(made, (number, number))
    assert shelf.ids() == {"inc_2", "inc_3"}
    assert {"notes.txt", "inc_x.html"} < set(names(folder))


def test_what_is_no_longer_what_its_name_says_is_not_shown(folder: Path) -> None:
    shelf = Shelf(folder, 2)
    shelf.put("inc_a", "a long page")
    [file] = folder.iterdir()
    file.write_text("half of")
    assert shelf.get("inc_a") is None


@pytest.mark.parametrize("id", ["../etc/passwd", "", "a/b", "a.b", "a\0", "x" * 65, ".."])
def test_a_name_that_is_no_id_finds_nothing_and_makes_nothing(folder: Path, id: str) -> None:
    shelf = Shelf(folder, 2)
    assert shelf.get(id) is None
    with pytest.raises(ValueError, match="is no id of an incident"):
        shelf.put(id, "text")
    assert not folder.exists()


def test_what_a_killed_writer_left_is_swept_up(folder: Path) -> None:
    shelf = Shelf(folder, 2)
    shelf.put("inc_a", "text")
    (folder / f"{UNFINISHED}abc").write_text("ha")
    shelf.put("inc_b", "text")
    assert len(names(folder)) == 2


def test_a_page_that_cannot_be_written_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"Not a directory|File exists"):
        Shelf(tmp_path / "file" / "pages", 2).put("inc_a", "text")
    folder.mkdir(parents=True)
    (folder / "inc_a.982d9e3eb996f559.html").mkdir()  # where the file should go
    with pytest.raises(OSError, match="directory"):
        Shelf(folder, 2).put("inc_a", "text")
    assert names(folder) == ["inc_a.982d9e3eb996f559.html"]
