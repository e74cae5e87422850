"""Commands that messages suggest, ready to be pasted into a shell.

>>> next_command("study", "best", "my study", url="sqlite:///other.db").partition(" ")[2]
"study best 'my study' --storage sqlite:///other.db"
"""

import os
import shlex
import shutil
import sys
from pathlib import Path


def next_command(*words: str, url: str | None = None) -> str:
    """Return the command line for ``words``, quoted where a shell needs it.

    ``url`` adds ``--storage`` unless the command would use that storage by itself; a password in it
    is hidden.
    """
    from studies.store import shown_url, storage_url

    if url is not None and url != storage_url():
        words = (*words, "--storage", shown_url(url))
    return shlex.join([_program(), *words])


def _program() -> str:
    """How to call Walkbench from here: by name, or by path while its environment is not active."""
    if shutil.which("walkbench"):
        return "walkbench"
    return os.path.relpath(Path(sys.executable).with_name("walkbench"))
