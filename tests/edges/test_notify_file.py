"""Incidents as lines: whole ones, in the file that is there now, or not at all."""

from __future__ import annotations

import json
import os
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given

from monitor.clock import SystemClock
from monitor.core.incidents import NotifyKind
from monitor.core.messages import IncidentMessage, from_body
from monitor.errors import Permanent, Retryable
from monitor.notify import file
from monitor.notify.file import FileLines, line_of
from monitor.settings.targets import FileTargetSettings, LineFormat
from tests.edges.told import delivery, messages, other, telling


def lines(path: Path, form: LineFormat = LineFormat.JSONL) -> FileLines:
    return FileLines("lines", path, form, patience=0.3)


def test_each_message_is_one_line_of_json(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    for number, kind in enumerate(NotifyKind):
        assert lines(path).send(delivery(kind, id=f"msg_{number}")).detail == "written to out.jsonl"
    read = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [(line["delivery"], line["kind"], line["at"]) for line in read] == [
        (f"msg_{number}", kind, "2026-05-04T12:00:00Z") for number, kind in enumerate(NotifyKind)
    ]
    assert read[0]["columns"][0] == {"column": "dep_delay", "sentence": "dep_delay: mean 12.6 → 756"}


def test_a_line_of_text_is_for_people(tmp_path: Path) -> None:
    lines(tmp_path / "out", LineFormat.TEXT).send(delivery(NotifyKind.RESOLVED))
    assert (tmp_path / "out").read_text(encoding="utf-8") == (
        "2026-05-04T12:00:00Z Resolved: flight-delay: resolved after 1 d (1 bad window; resolve_after reached) (inc_0123456789abcdef)\n"
    )


def test_what_is_about_no_incident_is_a_line_too(tmp_path: Path) -> None:
    for form in LineFormat:
        lines(tmp_path / "out", form).send(other({"sentence": "", "models": [{"model": "m", "lines": ["a", "b"]}], "more": 0}, "another"))
    first, second = (tmp_path / "out").read_text().splitlines()
    assert json.loads(first) == {"at": "2026-05-04T12:00:00Z", "delivery": "msg_o", "kind": "another", "sentence": "",
                                 "models": [{"model": "m", "lines": ["a", "b"]}], "more": 0}  # fmt: skip
    assert second == "2026-05-04T12:00:00Z models:; -; model: m; lines:; - a; - b; more: 0"


@given(messages())
def test_whatever_a_message_holds_it_is_one_line(message: IncidentMessage) -> None:
    for form in LineFormat:
        line = line_of(telling(message), form)
        assert len(line.splitlines()) <= 1 if form is LineFormat.TEXT else "\n" not in line
    fields = json.loads(line_of(telling(message), LineFormat.JSONL))
    assert from_body({name: fields[name] for name in fields if name not in ("at", "delivery")}, IncidentMessage) == message


def test_a_file_that_was_rotated_away_is_made_anew(tmp_path: Path) -> None:
    path, sender = tmp_path / "out", lines(tmp_path / "out")
    sender.send(delivery(id="msg_1"))
    path.rename(tmp_path / "out.1")
    sender.send(delivery(id="msg_2"))
    assert json.loads((tmp_path / "out.1").read_text())["delivery"] == "msg_1"
    assert json.loads(path.read_text())["delivery"] == "msg_2"
    assert path.stat().st_mode & 0o777 == 0o640 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.fault(45)
def test_a_full_disk_is_tried_again() -> None:
    with pytest.raises(Retryable, match="lines: cannot write: No space left on device"):
        lines(Path("/dev/full")).send(delivery())


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """As on a disk with so much room: what goes beyond is written in part."""
    import signal

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


@pytest.mark.fault(45)
def test_half_a_line_is_taken_back_when_the_disk_fills_up_in_the_middle_of_it(tmp_path: Path) -> None:
    path, sender = tmp_path / "out", lines(tmp_path / "out")
    sender.send(delivery(id="msg_1"))
    whole = path.read_bytes()
    with files_up_to(len(whole) + 100), pytest.raises(Retryable, match="File too large"):
        sender.send(delivery(id="msg_2"))
    assert path.read_bytes() == whole
    sender.send(delivery(id="msg_2"))
    assert [json.loads(line)["delivery"] for line in path.read_text().splitlines()] == ["msg_1", "msg_2"]


@pytest.mark.parametrize(("place", "said"), [("gone/out", "No such file"), ("", "Is a directory")])
def test_a_place_that_cannot_be_opened_is_tried_again(tmp_path: Path, place: str, said: str) -> None:
    with pytest.raises(Retryable, match=said):
        lines(tmp_path / place).send(delivery())


def test_a_fifo_that_nobody_reads_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    began = time.monotonic()
    with pytest.raises(Retryable, match="cannot open"):
        lines(tmp_path / "fifo").send(delivery())
    assert time.monotonic() - began < 5


def test_a_reader_that_does_not_read_is_left_and_its_torn_line_is_ended(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    sender, began = lines(path), time.monotonic()

    def fill() -> None:
        for _ in range(100):
            sender.send(delivery(id="msg_early"))

    with pytest.raises(Retryable, match="cannot write"):
        fill()
    assert time.monotonic() - began < 10
    read = bytearray()
    while piece := _read(reader):
        read += piece
    sender.send(delivery(id="msg_late"))
    read += _read(reader)
    os.close(reader)
    *early, last = read.decode().splitlines()
    assert json.loads(last)["delivery"] == "msg_late"
    assert {json.loads(line)["delivery"] for line in early[:-1]} == {"msg_early"}


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except BlockingIOError:
        return b""


def test_standard_output_gets_lines_too(capfd: pytest.CaptureFixture[str]) -> None:
    sender = file.made("screen", FileTargetSettings(path="-"), SystemClock())  # type: ignore[arg-type]
    assert sender.send(delivery(id="msg_9")).detail == "written to standard output"
    assert json.loads(capfd.readouterr().out)["delivery"] == "msg_9"


def test_two_writers_mix_no_lines(tmp_path: Path) -> None:
    path = tmp_path / "out"
    threads = [threading.Thread(target=lambda: [lines(path).send(delivery()) for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [json.loads(line)["delivery"] for line in path.read_text().splitlines()] == ["msg_1"] * 80


def test_a_check_tells_whether_it_could_be_written_without_writing(tmp_path: Path) -> None:
    path = tmp_path / "out"
    settings = FileTargetSettings(path=path)
    assert file.ask(settings, SystemClock()) == f"{path} can be written, and is made with the first message"
    assert not path.exists()
    path.touch()
    assert file.ask(settings, SystemClock()) == f"{path} can be written"
    assert file.ask(FileTargetSettings(path="-"), SystemClock()) == "standard output"  # type: ignore[arg-type]
    with pytest.raises(Permanent, match="cannot be written"):
        file.ask(FileTargetSettings(path=tmp_path), SystemClock())
    with pytest.raises(Permanent, match="cannot be written"):
        file.ask(FileTargetSettings(path=tmp_path / "gone" / "out"), SystemClock())
