"""Ends a command whose time is over as Ctrl-C would: what it began is cleaned up, and an error says so."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from trimtab.errors import LabError


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Interrupt what takes longer than so many seconds; 0 is no limit. For the main thread.

    Raises LabError `twin.too_slow`.
    """
    if not seconds:
        yield
        return
    is_over, is_done, main = threading.Event(), threading.Event(), threading.get_ident()

    def end() -> None:
        if not is_done.is_set():
            is_over.set()
            signal.pthread_kill(main, signal.SIGINT)  # It may wait for a server or a program.

    def only_then(number: int, frame: FrameType | None) -> None:
        if is_over.is_set():
            signal.default_int_handler(number, frame)

    # A shell's background job ignores Ctrl-C, and must still end when its time is over.
    ignores = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if ignores:
        signal.signal(signal.SIGINT, only_then)
    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
        is_done.set()
    except KeyboardInterrupt:
        if not is_over.is_set():
            raise
        raise LabError(
            f"the command was ended: it took more than {seconds:g} seconds",
            code="twin.too_slow",
            next_step="Raise --max-seconds, or 0 for no limit; `trimtab twin build` keeps a twin for later commands.",
        ) from None
    finally:
        is_done.set()
        timer.cancel()
        if ignores:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
