"""Decides when a Ctrl-C or a SIGTERM may take effect: not between an effect and our knowledge of it.

Without this, an interrupt could come after a server was forked and before anybody holds its process. Signals are put
off for a moment, never lost, and one that nothing in Python handles is left as it is.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType

_INTERRUPTING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Within it, signals that Python code handles wait; they are delivered when it ends.

    Python runs handlers in the main thread only, so that nothing needs to be put off in another one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        arrived.append(number)

    before = {number: signal.getsignal(number) for number in _INTERRUPTING}
    handled = [number for number in _INTERRUPTING if callable(before[number])]
    try:
        for number in handled:
            signal.signal(number, note)
        yield
    finally:
        for number in handled:
            signal.signal(number, before[number])
        for waiting in dict.fromkeys(arrived):
            signal.raise_signal(waiting)


def disregard(numbers: Iterable[signal.Signals]) -> None:
    """Have these signals do nothing; one that is ignored already stays so.

    By a handler of Python's and not by SIG_IGN: a signal that comes while it changes would be reported on stderr, with
    a traceback ("ignored due to race condition").
    """
    for number in numbers:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _nothing)


def _nothing(_number: int, _frame: FrameType | None) -> None:
    return
