"""Runs a program that prints a secret, such as a keyring's, and takes one line of it. What it printed is told nowhere.

The program is run without a shell, without a terminal of its own and in its own session, so that it and what it began
in there can be ended together: at the time limit, when it prints more than a secret, and when we are told to end.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress

MOST_BYTES = 1024
_LOOK_SECONDS = 0.05


class NoSecretError(Exception):
    """Why there is no secret, in words that hold nothing of what was printed."""


def printed_secret(command: Sequence[str], seconds: float) -> str:
    """Return the line that the program prints, without its end. Raises NoSecretError.

    One line of at most 1,024 bytes of UTF-8 without a NUL; the program must end with 0 within so many seconds. What it
    left running when it ended well is its own affair, such as an agent that keeps a key unlocked.
    """
    try:
        program = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise NoSecretError(getattr(error, "strerror", None) or "it cannot be run") from None
    try:
        printed = _read(program, time.monotonic() + seconds, seconds)
        if program.wait() != 0:
            raise NoSecretError(f"it ended with {program.returncode}")
    except BaseException:
        _end(program)
        raise
    finally:
        assert program.stdout is not None
        program.stdout.close()
    return _line(printed)


def _read(program: subprocess.Popen[bytes], deadline: float, seconds: float) -> bytes:
    """Return what it printed until it ended; a child of it may hold the pipe open for longer."""
    assert program.stdout is not None
    pipe, printed = program.stdout.fileno(), b""
    while True:
        has_ended = _has_ended(program)  # before the look: what it printed last is in the pipe then
        is_readable = bool(select.select([pipe], [], [], 0 if has_ended else _LOOK_SECONDS)[0])
        piece = os.read(pipe, MOST_BYTES + 1) if is_readable else b""
        printed += piece
        if len(printed) > MOST_BYTES + len(b"\r\n"):
            raise NoSecretError(f"it printed more than a line of {MOST_BYTES} bytes")
        if has_ended and not piece:
            return printed
        if time.monotonic() > deadline:
            raise NoSecretError(f"it took longer than {seconds:g} s")
        if is_readable and not piece:  # it closed its output, and goes on
            time.sleep(_LOOK_SECONDS)


def _line(printed: bytes) -> str:
    line = printed.removesuffix(b"\r\n" if printed.endswith(b"\r\n") else b"\n")
    if not line:
        raise NoSecretError("it printed nothing")
    if len(line) > MOST_BYTES or b"\n" in line or b"\r" in line:
        raise NoSecretError(f"it printed more than a line of {MOST_BYTES} bytes")
    if b"\0" in line:
        raise NoSecretError("it printed a NUL")
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        raise NoSecretError("it printed what is no text in UTF-8") from None


def _has_ended(program: subprocess.Popen[bytes]) -> bool:
    """Ask without collecting it: while it is there, nobody else can get its number, and so its group's."""
    try:
        return os.waitid(os.P_PID, program.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # where SIGCHLD is ignored nobody is left to be collected
        return True


def _end(program: subprocess.Popen[bytes]) -> None:
    """End it with all of its group, which is still its own while it has not been collected."""
    if program.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(program.pid, signal.SIGKILL)
        program.wait()
