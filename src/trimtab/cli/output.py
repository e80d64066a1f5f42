"""Where the program writes: stdout and stderr that never break off the work that is being told.

What cannot be written is dropped. Of stdout the reason is kept, and the program ends with `usage.output`; a reader that
has gone (`| head`) is no error. What stderr tells is an extra, and its loss changes nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from io import BufferedWriter, FileIO, TextIOWrapper
from typing import TYPE_CHECKING, TextIO

from trimtab.errors import UsageError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class _Outlet(FileIO):
    """A file descriptor that takes everything. `failure` is why it takes nothing in truth, or None."""

    failure: OSError | None = None

    def write(self, data: ReadableBuffer, /) -> int:
        """Write it, or drop it where an earlier or this write fails."""
        if self.failure is None:
            try:
                return super().write(data)
            except OSError as error:
                self.failure = error
        return memoryview(data).nbytes


def take_over() -> Callable[[], UsageError | None]:
    """Let stdout and stderr write as this module says; return a function that flushes them and tells what was lost.

    Where the encoding of stdout lacks a character its escape is printed, as Python does on stderr. Raises UsageError
    `usage.output` when stdout is closed: the next file that is opened would take its place.
    """
    if sys.stderr is None:  # print would take stdout instead
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # for as long as the program runs
    if sys.stdout is None:
        raise UsageError(
            "nothing was done: stdout is closed, so the output cannot be written",
            code="usage.output",
            next_step="Send stdout to a file, a pipe or /dev/null.",
        )
    sys.stderr, _ = _sheltered(sys.stderr)
    sys.stdout, outlet = _sheltered(sys.stdout)

    def finish() -> UsageError | None:
        sys.stderr.flush()
        sys.stdout.flush()
        failure = outlet.failure if outlet is not None else None
        if failure is None or isinstance(failure, BrokenPipeError):
            return None
        return UsageError(
            f"the output cannot be written: {failure.strerror}",
            code="usage.output",
            next_step="Check where stdout goes; the work itself is done.",
        )

    return finish


def _sheltered(stream: TextIO) -> tuple[TextIO, _Outlet | None]:
    """Return a stream on the same descriptor, and its outlet; a stream that is no file of the system stays as it is."""
    if not isinstance(stream, TextIOWrapper):
        return stream, None
    outlet = _Outlet(stream.fileno(), "w", closefd=False)
    text = TextIOWrapper(
        BufferedWriter(outlet),
        encoding=stream.encoding,
        errors="backslashreplace",
        # What is not to be buffered (PYTHONUNBUFFERED, as in containers) passes this one, and stays below it.
        line_buffering=stream.line_buffering or stream.write_through,
        write_through=stream.write_through,
    )
    return text, outlet
