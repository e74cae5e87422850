"""`walkbench dashboard`: what stops it, and that it takes Streamlit with it when it ends."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from typer.testing import CliRunner

from studies.cli import dashboard as command
from studies.cli.main import app


def run(*words: str):
    return CliRunner().invoke(app, ["dashboard", *words])


def test_a_port_in_use_is_named_with_one_that_is_free():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = run("--port", str(port), "--address", "127.0.0.1")
    assert result.exit_code == 2
    assert f"port {port} is in use" in result.stderr and "is free" in result.stderr


def test_without_streamlit_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(command, "find_spec", lambda n: None if n == "streamlit" else real(n))
    result = run()
    assert result.exit_code == 2
    assert "pip install 'walkbench[dashboard]'" in result.stderr


def test_an_address_of_nobody_is_refused():
    result = run("--address", "no.such.host.invalid")
    assert result.exit_code == 2
    assert "no.such.host.invalid" in result.stderr


def test_a_storage_that_is_no_address_is_refused():
    result = run("--storage", "my study")
    assert result.exit_code == 2
    assert "is no database URL" in result.stderr


@pytest.mark.command
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_streamlit_ends_with_the_command(how: signal.Signals, tmp_path: Path):
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    words = [str(Path(sys.executable).with_name("walkbench")), "dashboard", "--headless"]
    words += ["--port", str(port), "--storage", f"{tmp_path}/none.db"]
    # A group of its own, as a terminal gives it: Ctrl-C then reaches all of its processes.
    process = subprocess.Popen(words, start_new_session=True, stderr=subprocess.DEVNULL)
    try:
        assert _answers(port, within_s=60)
        if how is signal.SIGINT:
            os.killpg(process.pid, how)
        else:
            process.send_signal(how)
        process.wait(timeout=30)
    finally:
        process.kill()
    assert not _answers(port, within_s=0)
    assert not (tmp_path / "none.db").exists()


def _answers(port: int, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while True:
        try:
            with urllib.request.urlopen(f"http://localhost:{port}/_stcore/health", timeout=2):
                return True
        except OSError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.2)
