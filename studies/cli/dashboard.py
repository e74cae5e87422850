"""`walkbench dashboard`: open the dashboard in a browser.

The pages are in the package `dashboard`, which this one may not import; it only starts Streamlit on
them, with what the user chose in the environment.

>>> from studies.cli.main import app
>>> from typer.testing import CliRunner
>>> CliRunner().invoke(app, ["dashboard", "--storage", "neither/url/nor/file"]).exit_code
2
"""

import json
import os
import signal
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from search_space.errors import WalkbenchError
from studies.cli.output import err

STUDY = "WALKBENCH_STUDY"  # the pages read these
STORAGES = "WALKBENCH_STORAGES"
RUNS = "WALKBENCH_RUNS"
WRITE = "WALKBENCH_WRITE"


def dashboard(
    storage: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="Database URL or SQLite file; may be given repeatedly."),
    ] = None,
    study: Annotated[
        str | None, typer.Option(metavar="NAME", help="The study to open first.")
    ] = None,
    runs: Annotated[
        Path,
        typer.Option(metavar="FOLDER", help="Folder of training runs and validations to show."),
    ] = Path("runs"),
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8501,
    address: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in.")
    ] = "localhost",
    write: Annotated[
        bool,
        typer.Option(
            "--write",
            help="Let pages keep notes on trials, name a study's next design and stop studies.",
        ),
    ] = False,
    headless: Annotated[
        bool, typer.Option("--headless", help="Do not open a browser window.")
    ] = False,
) -> None:
    """Open the dashboard in a browser, until Ctrl-C. It only reads, except with --write."""
    from studies.store import storage_url

    urls = [storage_url(one) for one in storage] if storage else [storage_url()]
    environment = {**os.environ, STORAGES: json.dumps(urls), RUNS: str(runs)}
    if study is not None:
        environment[STUDY] = study
    environment[WRITE] = "1" if write else ""
    command = [sys.executable, "-m", "streamlit", "run", str(_app())]
    _check_port(address, port)
    for option, value in {
        "server.port": str(port),
        "server.address": address,
        "server.headless": str(headless).lower(),
        "server.showEmailPrompt": "false",
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
    }.items():
        command += [f"--{option}", value]
    err.print(f"the dashboard is at http://{_shown(address)}:{port}, Ctrl-C ends it")
    raise typer.Exit(_run(command, environment))


def _app() -> Path:
    """Find the app's script without importing what it imports."""
    found = find_spec("dashboard")
    if find_spec("streamlit") is None or found is None or found.origin is None:
        raise WalkbenchError("the dashboard needs Streamlit; pip install 'walkbench[dashboard]'")
    return Path(found.origin).with_name("app.py")


def _check_port(address: str, port: int) -> None:
    try:
        if not _is_free(address, port):
            free = next((p for p in range(port + 1, port + 100) if _is_free(address, p)), None)
            hint = f"--port {free} is free" if free else "name another --port"
            raise WalkbenchError(f"port {port} is in use, perhaps by another dashboard; {hint}")
    except socket.gaierror:
        raise WalkbenchError(
            f"address {address!r} is not one of this machine's; use localhost or 0.0.0.0"
        ) from None


def _is_free(address: str, port: int) -> bool:
    """Whether one can listen there; a port that only root may use counts as taken."""
    if port > 65535:
        return False
    family = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0][0]
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def _run(command: list[str], environment: dict[str, str]) -> int:
    """Run Streamlit until it ends or we are told to; it never outlives us."""
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        try:
            return process.wait()
        except KeyboardInterrupt:  # Ctrl-C reaches Streamlit too, as it is in our process group
            process.terminate()
            process.wait()
            return 0


def _shown(address: str) -> str:
    return "localhost" if address in ("0.0.0.0", "::", "127.0.0.1") else address


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(dashboard)
