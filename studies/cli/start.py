"""Where the `walkbench` command starts: before anything heavy is imported.

Ctrl-C while modules load ends quietly; output that cannot be written and a library that is not
installed end in one line and not in a traceback. Beside exit codes, only the standard library is
imported here.

>>> missing("sklearn.linear_model")
"the library 'sklearn' is not installed; pip install 'scikit-learn'"
>>> missing("somebodys_module") is None
True
"""

import errno
import os
import signal
import sys
from types import FrameType
from typing import Any

from studies.cli.exit_codes import CLOSED, INTERRUPTED

CANNOT_WRITE = {errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EFBIG}

# Import name → name to install, of the dependencies that every installation has.
LIBRARIES = {
    "PIL": "pillow",
    "filelock": "filelock",
    "numpy": "numpy",
    "optuna": "optuna",
    "pandas": "pandas",
    "plotly": "plotly",
    "rich": "rich",
    "safetensors": "safetensors",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "torch": "torch",
    "typer": "typer",
}


def main() -> int:
    """Run the command line; return the exit code."""
    _on_interrupt(_end_at_once)
    try:
        from studies.cli.main import app

        _on_interrupt(signal.default_int_handler)
        app()
        return _flushed(0)
    except SystemExit as end:
        return _flushed(end.code if isinstance(end.code, int) else 0 if end.code is None else 1)
    except KeyboardInterrupt:
        return _ended("interrupted", INTERRUPTED)
    except ModuleNotFoundError as error:
        said = missing(error.name or "")
        if said is None:
            raise
        return _ended(f"error: {said}", 2)
    except BrokenPipeError:
        return _ended("", CLOSED)
    except OSError as error:
        if error.errno not in CANNOT_WRITE or error.filename is not None:
            raise
        return _ended(f"error: the output cannot be written: {error.strerror}", 2)
    finally:
        _on_interrupt(signal.SIG_DFL)  # while Python tidies up


def missing(module: str) -> str | None:
    """Return what to do about a core library that is not installed, None for other modules."""
    name = module.partition(".")[0]
    if name not in LIBRARIES:
        return None
    return f"the library {name!r} is not installed; pip install {LIBRARIES[name]!r}"


def _flushed(code: int) -> int:
    """Return ``code`` once the output has reached its reader; what fails here fails the command."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return _ended("", CLOSED)
    except OSError as error:
        return _ended(f"error: the output cannot be written: {error.strerror}", 2)
    return code


def _ended(message: str, code: int) -> int:
    """Say why the command ends, and keep Python from flushing a broken output once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    if message:
        os.write(2, f"{message}\n".encode())
    return code


def _on_interrupt(handler: Any) -> None:
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as in a background job
        signal.signal(signal.SIGINT, handler)


def _end_at_once(number: int, frame: FrameType | None) -> None:
    os.write(2, b"interrupted\n")
    os._exit(INTERRUPTED)
