from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from monitor.cli.app import app
from monitor.demo.child import Daemon, run_command
from monitor.demo.run import ensure_free, new_folder, stop_on_signal
from monitor.errors import Permanent, UsageError


def test_a_taken_port_is_named_with_the_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} of this machine is taken .*: choose another with --port"):
            ensure_free(port)
    ensure_free(port)


def test_the_store_of_an_earlier_demo_is_left_alone(tmp_path: Path) -> None:
    new_folder(tmp_path / "new").store.touch()
    with pytest.raises(UsageError, match=r"holds the store of an earlier demo \(driftd\.db\)"):
        new_folder(tmp_path / "new")


def test_without_a_choice_the_files_go_to_a_new_folder() -> None:
    one, two = new_folder(None), new_folder(None)
    assert one.root != two.root
    for folder in (one, two):
        folder.root.rmdir()


def test_one_signal_asks_and_the_second_interrupts() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stop_on_signal() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(5)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_command_that_fails_is_told_with_its_last_words() -> None:
    with pytest.raises(Permanent, match=r"`driftd check nowhere.yaml` ended with \d:\n.*nowhere\.yaml"):
        run_command(["check", "nowhere.yaml"])


def test_a_command_gives_what_it_printed() -> None:
    assert run_command(["--version"]).startswith("driftd ")


def test_a_daemon_that_ends_by_itself_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    config, log = tmp_path / "driftd.yaml", tmp_path / "driftd.log"
    config.write_text("kafka: {}\n")
    daemon = Daemon(config, log)
    os.waitid(os.P_PID, daemon.pid, os.WEXITED | os.WNOWAIT)
    with pytest.raises(Permanent, match=r"the daemon ended with 2; the end of .*driftd\.log:\n.*bootstrap_servers"):
        daemon.check()
    assert daemon.stop() == 2


@pytest.mark.parametrize(("arguments", "complaint"), [
    (["demo", "--produce-only"], "name it with --bootstrap-servers"),
    (["demo", "--bootstrap-servers", "localhost:9092"], "goes with --produce-only"),
])
def test_options_that_do_not_go_together_are_a_usage_error(arguments: list[str], complaint: str) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert complaint in " ".join(result.output.replace("│", " ").split())


