"""Ends a command whose time is over as Ctrl-C would: what it began is cleaned up, and an error says so."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

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
