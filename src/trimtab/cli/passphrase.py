"""Asks a person for a passphrase on the terminal, or the command that the person has named for it. Nothing else has it.

A program that is run without a terminal, as an agent runs them, gets none.
"""

from __future__ import annotations

import getpass
import os
import shlex
import subprocess
import sys

from trimtab.errors import KeyFileError, UsageError

COMMAND = "TRIMTAB_PASSPHRASE_COMMAND"
_COMMAND_SECONDS = 120


def ask_passphrase(prompt: str) -> str:
    """Return the passphrase. Raises UsageError `approval.no_terminal`, KeyFileError `key.passphrase`."""
    command = os.environ.get(COMMAND)
    if command:
        return _of_command(command)
    if not sys.stdin.isatty():
        raise UsageError(
            "nothing was signed: a passphrase is asked on a terminal, and this program has none",
            code="approval.no_terminal",
            next_step=f"Run it yourself, on a terminal; or name a program that asks for it in {COMMAND}.",
        )
    try:
        return getpass.getpass(prompt)
    except EOFError:
        raise UsageError(
            "nothing was signed: no passphrase was given",
            code="approval.no_terminal",
            next_step="Run it again, and type the passphrase.",
        ) from None


def _of_command(command: str) -> str:
    """Run it without a shell. What it prints is the passphrase, and is shown nowhere."""
    try:
        ended = subprocess.run(
            shlex.split(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            timeout=_COMMAND_SECONDS, check=False,
        )  # fmt: skip
        said = ended.stdout.decode("utf-8").rstrip("\r\n") if ended.returncode == 0 else ""
    except (OSError, ValueError, subprocess.TimeoutExpired):
        said = ""
    if not said:
        raise KeyFileError(
            f"nothing was signed: the program of {COMMAND} gave no passphrase",
            code="key.passphrase",
            next_step="Try it by itself: it must end with 0 and print one line.",
        )
    return said
