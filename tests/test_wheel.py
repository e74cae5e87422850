"""What `pip install walkbench` gives: the wheel in an environment of its own."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("search_space", "latency_db", "proxies", "studies", "dashboard", "walkbench")
NEEDED = ("pyproject.toml", "README.md", "LICENSE", *PACKAGES)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel from a copy, offline, with the build tools that are installed."""
    folder = tmp_path_factory.mktemp("wheel")
    (folder / "source").mkdir()
    for name in NEEDED:
        if (ROOT / name).is_dir():
            leave = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(ROOT / name, folder / "source" / name, ignore=leave)
        else:
            shutil.copy(ROOT / name, folder / "source" / name)
    words = ["wheel", ".", "--no-build-isolation", "--no-deps", "--no-index", "-q", "-w", ".."]
    pip(*words, cwd=folder / "source")
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A fresh environment with the wheel; it borrows the libraries of the one that tests run in."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "env"], check=True)
    python = folder / "env" / "bin" / "python"
    code = "import site; print(site.getsitepackages()[0])"
    own = Path(subprocess.check_output([python, "-c", code], text=True).strip())
    borrowed = [path for path in sys.path if path.endswith("site-packages")]
    (own / "borrowed.pth").write_text("\n".join(borrowed) + "\n")
    pip("--python", python, "install", "--no-deps", "--no-index", "-q", wheel, cwd=folder)
    return folder


def pip(*words, cwd):
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *words]
    subprocess.run(command, cwd=cwd, check=True)


def run(installed, *words):
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "OPTUNA_STORAGE")}
    command = [installed / "env" / "bin" / "walkbench", *words]
    done = subprocess.run(command, cwd=installed, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.command
def test_the_wheel_holds_every_file_of_the_packages(wheel):
    inside = set(zipfile.ZipFile(wheel).namelist())
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*"):
            name = path.relative_to(ROOT).as_posix()
            if path.is_file() and "__pycache__" not in name:
                assert name in inside, f"{name} is missing: add its kind to package-data"


@pytest.mark.slow
@pytest.mark.command
def test_an_installed_walkbench_runs_the_demo_outside_a_checkout(installed):
    code = "import studies; print(studies.__file__)"
    where = subprocess.check_output(
        [installed / "env" / "bin" / "python", "-c", code], cwd=installed, text=True,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
    )  # fmt: skip
    assert Path(where).is_relative_to(installed)
    out = run(installed, "demo", "--trials", "1")
    assert "Family M: the walk from SDXL to SnapGen" in out and "runs/demo/report.html" in out
    assert (installed / "runs" / "demo" / "export" / "export.json").is_file()
    assert "demo" in run(installed, "study", "list", "--format", "csv")
    run(installed, "latency", "show", "cpu-onnxruntime-narrow")
