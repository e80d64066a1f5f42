"""Asks a person for a passphrase on the terminal, or the command that the person has named for it. Nothing else has it.

A program that is run without a terminal, as an agent runs them, gets none.
"""

from __future__ import annotations

import getpass
import os
import shlex
import sys

from trimtab.cli.secret_command import NoSecretError, printed_secret
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
        return printed_secret(shlex.split(command), _COMMAND_SECONDS)
    except (NoSecretError, ValueError) as error:
        found = error if isinstance(error, NoSecretError) else "it is no command line"
        raise KeyFileError(
            f"nothing was signed: the program of {COMMAND} gave no passphrase: {found}",
            code="key.passphrase",
            next_step="Try it by itself: it must end with 0 and print one line.",
        ) from None
