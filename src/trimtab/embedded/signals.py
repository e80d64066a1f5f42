"""Decides how a command answers Ctrl-C, SIGTERM and SIGHUP: it unwinds once, so that its servers are cleaned up.

It never kills, and never changes an ignored signal (`nohup` stays in force, and a shell's background job).
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

import trimtab.embedded.living  # noqa: F401  # Its at-exit net belongs to what this promises.
from trimtab.embedded.interrupts import disregard

INTERRUPTED = 128 + signal.SIGINT
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(KeyboardInterrupt, SystemExit):
    """A signal told the program to end; `code` is its exit code, 128 plus the signal's number.

    As a KeyboardInterrupt it has psycopg cancel the statement that the server works on; else the session would stay
    busy and could not clean up. As a SystemExit it ends a program without a traceback.
    """


@contextmanager
def cleanup_on_signals() -> Iterator[None]:
    """Within it, a signal raises Interrupted in the main thread, once.

    Repeated ones are ignored, so that they cannot interrupt the cleaning up. What context managers miss is destroyed
    when the process ends. Outside of the main thread Python takes no handlers, and only that net remains. The handlers
    that were there come back, unless `ignore_signals` was called within it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _ENDING}
    handled = [number for number in _ENDING if before[number] is not signal.SIG_IGN]
    for number in handled:
        signal.signal(number, _leave)
    try:
        yield
    except SystemExit:
        raise  # The handlers stay silenced: the rest of the unwinding must not be cut short.
    except BaseException:
        _restore(before, handled)
        raise
    else:
        _restore(before, handled)


def ignore_signals() -> None:
    """From here on no signal ends the program: all is done, and only its code is left to tell and to return."""
    disregard(_ENDING)


def end_without_signals() -> None:
    """From here on none reaches the main thread either: Python takes its handlers away before its last steps."""
    ignore_signals()
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)


def _leave(number: int, _frame: FrameType | None) -> None:
    disregard(_ENDING)
    interrupted = Interrupted(128 + number)
    interrupted.code = 128 + number
    raise interrupted


def _restore(before: Mapping[signal.Signals, object], handled: list[signal.Signals]) -> None:
    for number in handled:
        handler = before[number]
        # None stands for a handler that was not set from Python and cannot be put back from here.
        is_ours = signal.getsignal(number) is _leave
        if is_ours and (callable(handler) or isinstance(handler, (int, signal.Handlers))):
            signal.signal(number, handler)
