"""The worker process on a bad day: it may hang, crash, hog, babble; the daemon gets an answer or is told why there is none."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from monitor.reports import Died, Limits, Stopped, Worker, known_tests, wire
from tests.reports.fake_evidently import broken_package, fake_evidently
from tests.reports.samples import QUICK, a_worker

COLUMN = wire.Column(name="x", numeric=True, reference=[1.0, None, 2.0], window=[1.0])


def named(name: str) -> wire.Test:
    return wire.Test(name=name, threshold=None, column=COLUMN)


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    with a_worker(fake_evidently(tmp_path / "fake")) as made:
        yield made


def gone(pid: int) -> bool:
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_one_process_answers_again_and_again(worker: Worker) -> None:
    assert worker.pid is None
    assert worker.ask(named("answers")) == wire.Score(score=0.5, drifted=True, threshold=0.1)
    pid = worker.pid
    version, names = known_tests(worker)
    assert version == "9.9"
    assert "evidently:hangs" in names
    assert worker.pid == pid


def test_what_a_test_raises_is_an_answer_and_the_process_lives_on(worker: Worker) -> None:
    assert worker.ask(named("raises")) == wire.Failed(why="RuntimeError: no luck at all")
    pid = worker.pid
    assert isinstance(worker.ask(named("answers")), wire.Score)
    assert worker.pid == pid


def test_an_unknown_name_is_told_with_those_that_exist(worker: Worker) -> None:
    answer = worker.ask(named("gibts_nicht"))
    assert isinstance(answer, wire.Failed)
    assert answer.why.startswith("Evidently has no test 'gibts_nicht'; it has answers, babbles")


def test_what_a_library_prints_is_no_answer(worker: Worker) -> None:
    assert isinstance(worker.ask(named("prints")), wire.Score)


@pytest.mark.parametrize(("name", "why"), [
    ("crashes", "the worker was ended by SIGSEGV"),
    ("exits", "the worker ended with code 3: a last word"),
    ("babbles", r"the worker's answer cannot be read \(a message of 18446744073709551615 bytes\): it was ended"),
    ("rambles", r"the worker's answer cannot be read \(.*\): it was ended"),
])
def test_a_worker_that_dies_or_babbles_is_told_and_the_next_one_answers(worker: Worker, name: str, why: str) -> None:
    with pytest.raises(Died, match=why):
        worker.ask(named(name))
    assert worker.pid is None
    assert isinstance(worker.ask(named("answers")), wire.Score)


def test_a_killed_worker_is_told_as_such(worker: Worker) -> None:
    worker.ask(named("answers"))
    pid = worker.pid
    assert pid is not None
    threading.Timer(0.5, lambda: os.kill(pid, signal.SIGKILL)).start()
    with pytest.raises(Died, match="SIGKILL, perhaps for want of memory"):
        worker.ask(named("hangs"))


def test_one_that_overruns_its_deadline_is_ended_with_its_children(tmp_path: Path) -> None:
    note = tmp_path / "note"
    with a_worker(fake_evidently(tmp_path / "fake"), Limits(seconds=15.0), NOTE=str(note)) as worker:  # a busy machine starts it in 4
        began = time.monotonic()
        with pytest.raises(Died, match="no answer within 15 s"):
            worker.ask(named("bears"))
        assert time.monotonic() - began < 20
    assert all(gone(int(pid)) for pid in note.read_text().split())


def test_one_that_hogs_memory_fails_alone(tmp_path: Path) -> None:
    """The limit makes a MemoryError of it, which is an answer."""
    with a_worker(fake_evidently(tmp_path / "fake"), Limits(memory=512 * 2**20, seconds=20.0)) as worker:
        answer = worker.ask(named("hogs"))
        assert isinstance(answer, wire.Failed)
        assert answer.why == "MemoryError: it takes more than reports.memory"
        assert isinstance(worker.ask(named("answers")), wire.Score)
        [most] = re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{worker.pid}/status").read_text())
        assert int(most) < 600 * 1024, "it came no further than its limit, and the code of its libraries"


def test_one_with_too_little_memory_for_its_libraries_says_so(tmp_path: Path) -> None:
    with a_worker(fake_evidently(tmp_path / "fake"), Limits(memory=2 * 2**20, seconds=20.0)) as worker:
        answer = worker.ask(named("answers"))
        assert isinstance(answer, wire.Failed), answer
        assert answer.why.startswith(("ImportError", "MemoryError"))


def test_the_worker_has_no_network(worker: Worker) -> None:
    answer = worker.ask(named("calls"))
    assert isinstance(answer, wire.Failed)
    assert "the worker has no network" in answer.why


def test_the_worker_is_told_no_secret_of_the_environment(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_TOKEN", "xoxb-secret")
    answer = worker.ask(named("tells"))
    assert isinstance(answer, wire.Failed)
    assert "DO_NOT_TRACK" in answer.why
    assert "SLACK_TOKEN" not in answer.why


def test_the_kernel_takes_the_worker_first(worker: Worker) -> None:
    worker.ask(named("answers"))
    assert Path(f"/proc/{worker.pid}/oom_score_adj").read_text().strip() == "1000"


def test_an_idle_worker_leaves_and_the_next_question_finds_another(tmp_path: Path) -> None:
    with a_worker(fake_evidently(tmp_path / "fake"), Limits(seconds=20.0, idle_seconds=1.0)) as worker:
        worker.ask(named("answers"))
        first = worker.pid
        assert first is not None
        assert gone(first)
        assert isinstance(worker.ask(named("answers")), wire.Score)
        assert worker.pid != first


def test_a_grown_worker_makes_way_once_it_has_answered(tmp_path: Path) -> None:
    with a_worker(fake_evidently(tmp_path / "fake"), Limits(memory=500 * 2**20, seconds=20.0)) as worker:
        assert isinstance(worker.ask(named("answers")), wire.Score)
        pid = worker.pid
        assert isinstance(worker.ask(named("grows")), wire.Score)
        assert worker.pid == pid is not None
        assert gone(pid)
        assert isinstance(worker.ask(named("answers")), wire.Score)
        assert worker.pid != pid


def test_a_worker_that_was_killed_while_nobody_asked_is_nothing_to_the_next_question(worker: Worker) -> None:
    worker.ask(named("answers"))
    first = worker.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
    assert isinstance(worker.ask(named("answers")), wire.Score)
    assert worker.pid != first


def test_a_worker_whose_daemon_was_killed_leaves(tmp_path: Path) -> None:
    fake = fake_evidently(tmp_path / "fake")
    code = (f"from monitor.reports import Worker, Limits, wire; import os\n"
            f"worker = Worker(Limits(seconds=20.0), {{'PYTHONPATH': {str(fake)!r}}}); worker.ask(wire.Names())\n"
            f"print(worker.pid, flush=True); os.kill(os.getpid(), 9)\n")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert gone(int(done.stdout))


def test_missing_packages_are_named(tmp_path: Path) -> None:
    with a_worker(broken_package(tmp_path, "evidently")) as worker:
        assert worker.ask(named("ks")) == wire.Failed(why="ModuleNotFoundError: No module named 'evidently'", missing="evidently")
        with pytest.raises(Died, match=r"evidently is not installed; pip install 'driftd\[reports\]' brings it"):
            known_tests(worker)


def test_a_stop_lets_nobody_wait(worker: Worker) -> None:
    worker.ask(named("answers"))
    threading.Timer(0.5, worker.stop).start()
    began = time.monotonic()
    with pytest.raises(Stopped):
        worker.ask(named("hangs"))
    assert time.monotonic() - began < 5
    with pytest.raises(Stopped):
        worker.ask(named("answers"))


def test_what_cannot_be_started_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(Died, match="the worker cannot be started: No such file"):
        Worker(QUICK).ask(named("ks"))


def test_no_folder_for_temporary_files_is_told_and_hinders_nobody_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container whose root is read-only."""
    code = ("import sys, tempfile; tempfile.tempdir = None; tempfile._candidate_tempdir_list = lambda: ['/nowhere']\n"
            "from monitor.reports import Died, Worker, wire\n"
            "try: Worker().ask(wire.Names())\n"
            "except Died as error: print(error)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.startswith("the worker cannot be started: No usable temporary directory"), done
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    before = open_files()
    for _ in range(3):
        with pytest.raises(Died):
            Worker(QUICK).ask(named("ks"))
    assert open_files() == before, "sockets or files were left open"


def test_a_daemon_with_a_thousand_open_files_has_a_worker_too(worker: Worker) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 1200), hard), hard))
    with ExitStack() as files:
        for _ in range(1050):
            files.enter_context(Path("/dev/null").open())
        for _ in range(2):
            assert isinstance(worker.ask(named("answers")), wire.Score)


def test_a_worker_leaves_no_zombie_no_file_and_no_socket(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    before = open_files()
    with a_worker(fake_evidently(tmp_path / "fake"), TMPDIR=str(scratch)) as worker:
        for name in ("crashes", "exits", "babbles", "answers"):
            with suppress(Died):
                worker.ask(named(name))
    children = [int(pid) for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]
    assert not [pid for pid in children if b"monitor.reports" in Path(f"/proc/{pid}/cmdline").read_bytes() or zombie(pid)]
    assert open_files() == before
    assert list(scratch.iterdir()) == []


def zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
