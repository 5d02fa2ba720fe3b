"""What a person reads when a command cannot do what was asked: one line a problem on stderr, and the right exit code."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from monitor import __version__
from monitor.cli.app import app
from tests.cli.driftd import configuration
from tests.kafka_broker import free_port

LISTS = [["results"], ["windows"], ["quarantine", "list"], ["incidents", "list"], ["retrainings", "list"], ["reference", "list"]]


def commands() -> Iterator[list[str]]:
    """Every command by its words."""
    yield []
    for command in app.registered_commands:
        yield [str(command.name)]
    for group in app.registered_groups:
        yield [str(group.name)]
        assert isinstance(group.typer_instance, typer.Typer)
        yield from ([str(group.name), str(command.name)] for command in group.typer_instance.registered_commands)


@pytest.mark.parametrize("words", [*commands()], ids=" ".join)
def test_every_command_explains_itself(words, driftd):
    done = driftd(*words, "--help")
    assert (done.code, done.err) == (0, "")
    assert f"Usage: {' '.join(['driftd', *words])} " in done.out


def test_every_command_of_the_contract_is_there():
    names = {" ".join(words) for words in commands()}
    assert names >= {"demo", "check", "run", "results", "windows", "schema", "healthcheck", "reference build", "incidents ack",
                     "retrainings list", "quarantine show"}


def test_without_a_command_the_help_is_shown_as_a_usage_error(driftd):
    for words in ([], ["quarantine"]):
        done = driftd(*words)
        assert done.code == 2
        assert "Usage: driftd" in done.out + done.err


def test_the_version_is_told(driftd):
    done = driftd("--version")
    assert (done.code, done.out) == (0, f"driftd {__version__}\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nosuch"], "driftd: No such command 'nosuch'. (try `driftd --help`)"),
        (["results"], "driftd results: Missing argument 'config'. (try `driftd results --help`)"),
        (["results", "CONFIG", "--modle", "m"], "driftd results: No such option: --modle"),
        (["results", "CONFIG", "--check", "drfit"], "driftd results: Invalid value for '--check': "),
        (["windows", "CONFIG", "--since", "yesterday"], "driftd windows: Invalid value for '--since': 'yesterday' is no time: "),
        (["results", "CONFIG", "--since", "0001-01-01T00:00:00+14:00"], "driftd results: Invalid value for '--since': '0001-"),
        (["quarantine", "list", "CONFIG", "--limit", "0"], "driftd quarantine list: Invalid value for '--limit': "),
        (["quarantine", "show", "CONFIG", "one"], "driftd quarantine show: Invalid value for 'id': "),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_2(words, said, driftd, tmp_path):
    config = configuration(tmp_path)
    done = driftd(*(config if word == "CONFIG" else word for word in words))
    assert (done.code, done.out) == (2, "")
    assert done.line.startswith(said)


@pytest.mark.parametrize("words", LISTS, ids=" ".join)
def test_an_unknown_model_is_an_error_that_names_the_known(words, driftd, tmp_path):
    config = configuration(tmp_path, "flights", "fares")
    done = driftd(*words, config, "--model", "nosuch")
    assert (done.code, done.out) == (1, "")
    assert done.line == f"driftd: no model 'nosuch' in {config}; known are ['fares', 'flights']"


@pytest.mark.parametrize("words", [*LISTS, ["check"]], ids=" ".join)
def test_a_configuration_that_cannot_be_read_is_exit_2(words, driftd, tmp_path):
    done = driftd(*words, tmp_path / "none.yaml")
    assert (done.code, done.out) == (2, "")
    assert done.line == f"{tmp_path}/none.yaml:1:1: (file): cannot read the file: No such file or directory"
    assert driftd(*words, tmp_path).line.endswith("cannot read the file: Is a directory")
    broken = tmp_path / "broken.yaml"
    broken.write_text("store: [1\n")
    assert driftd(*words, broken).code == 2
    (tmp_path / "empty.yaml").write_bytes(b"\xff\xfe\x00")
    assert driftd(*words, tmp_path / "empty.yaml").code == 2


@pytest.mark.parametrize("words", LISTS, ids=" ".join)
def test_a_damaged_store_is_told_in_one_line(words, driftd, tmp_path):
    (tmp_path / "driftd.db").write_bytes(b"no database at all " * 100)
    done = driftd(*words, configuration(tmp_path))
    assert (done.code, done.out) == (1, "")
    assert done.line.startswith(f"driftd: sqlite:///{tmp_path}/driftd.db: the file is damaged or is no SQLite database")
    assert (tmp_path / "driftd.db").read_bytes() == b"no database at all " * 100


@pytest.mark.parametrize("words", LISTS, ids=" ".join)
def test_a_store_that_is_away_is_told_in_one_line_without_its_password(words, driftd, tmp_path):
    port = free_port()
    done = driftd(*words, configuration(tmp_path, store=f"postgresql+psycopg://driftd:hush-hush@127.0.0.1:{port}/drift"))
    assert (done.code, done.out) == (1, "")
    assert done.line.startswith(f"driftd: postgresql+psycopg://127.0.0.1:{port}/drift: ")
    assert "hush-hush" not in done.line


def test_a_folder_that_is_not_there_is_told_in_one_line(driftd, tmp_path):
    done = driftd("windows", configuration(tmp_path, store=f"sqlite:///{tmp_path}/no/driftd.db"))
    assert done.code == 1
    assert "the folder must exist and be writable by this user" in done.line


def test_a_reader_that_goes_away_gets_no_complaint(tmp_path):
    """`driftd … | head -0`: the pipe is closed before anything is written."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([sys.executable, "-m", "monitor", "schema"], stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


def test_the_daemon_says_in_one_line_why_it_cannot_start(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        config = configuration(tmp_path)
        config.write_text(config.read_text()[:-1] + f', "http": {{"port": {port}}}}}')
        assert why_not(config).startswith(f"driftd: http: cannot listen on 127.0.0.1:{port}: Address already in use")
    (tmp_path / "driftd.db").write_bytes(b"no database at all " * 100)
    assert "the file is damaged or is no SQLite database" in why_not(config)
    assert why_not(tmp_path / "none.yaml", code=2).endswith("cannot read the file: No such file or directory")
    away = configuration(tmp_path, store=f"postgresql+psycopg://driftd:hush-hush@127.0.0.1:{free_port()}/drift")
    said = why_not(away)
    assert "onnection refused" in said
    assert "hush-hush" not in said


def why_not(config: Path, code: int = 1) -> str:
    done = driftd_process("run", config)
    assert (done.returncode, done.stdout) == (code, "")
    [line] = done.stderr.splitlines()
    return line


def driftd_process(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "monitor", *map(str, words)], capture_output=True, text=True, timeout=60, check=False)


def test_a_path_given_relative_is_named_as_given(driftd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    configuration(tmp_path)
    assert driftd("windows", Path("driftd.yaml"), "--model", "x").line == "driftd: no model 'x' in driftd.yaml; known are ['m']"
