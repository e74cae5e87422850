"""An interrupt that is never lost.

Python raises `KeyboardInterrupt` at the current instruction. Inside a callback of a C library the
exception is printed and dropped, and the program continues. :class:`Interrupt` also remembers the
signal, and training checks it at every step.

>>> with Interrupt() as interrupt:
...     interrupt.check()  # Ctrl-C was not pressed
"""

import signal
import threading
from types import FrameType
from typing import Any, Self


class Interrupt:
    """Context manager that remembers SIGINT; outside the main thread it does nothing."""

    def __init__(self) -> None:
        self._pressed = False
        self._before: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _press(self, number: int, frame: FrameType | None) -> None:
        self._pressed = True
        raise KeyboardInterrupt

    def check(self) -> None:
        """Raise `KeyboardInterrupt` if Ctrl-C was pressed and the exception was dropped."""
        if self._pressed:
            raise KeyboardInterrupt
