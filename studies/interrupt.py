"""Ctrl-C that cannot get lost.

Python raises `KeyboardInterrupt` wherever it happens to be, and where that is inside a callback of
a C library the exception is printed and dropped: the program goes on. Here the signal is also
remembered, and training asks for it at every step.

>>> with Interrupt() as interrupt:
...     interrupt.check()  # nothing has been pressed
"""

import signal
import threading
from types import FrameType
from typing import Any, Self


class Interrupt:
    """Remembers SIGINT while it is entered; outside the main thread it does nothing."""

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
        """Raise `KeyboardInterrupt` if Ctrl-C was pressed and nobody saw it."""
        if self._pressed:
            raise KeyboardInterrupt
