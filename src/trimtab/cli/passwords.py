"""Gets a database's password from the command that trimtab.toml names for it, such as a keyring's. It is kept nowhere.

The command runs without a shell; what it prints goes to libpq, and into no message, log or file. A password itself is
never in trimtab.toml.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from trimtab.errors import ConfigError

if TYPE_CHECKING:
    from trimtab.config import Database

_SECONDS = 60


def conninfo_of(entry: Database) -> str:
    """Return what libpq connects with, with the password that the entry's command gave, if it names one.

    Raises ConfigError `config.password_command` when the command fails or prints nothing.
    """
    if not entry.password_command:
        return entry.conninfo
    from psycopg.conninfo import make_conninfo

    return make_conninfo(entry.conninfo, password=_printed(entry.name, entry.password_command))


def _printed(name: str, command: tuple[str, ...]) -> str:
    try:
        ended = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
            check=False,
        )
        found = f"it ended with {ended.returncode}"
        said = ended.stdout.decode("utf-8").rstrip("\r\n") if ended.returncode == 0 else ""
    except OSError as error:
        said, found = "", str(error.strerror)
    except (ValueError, subprocess.TimeoutExpired):
        said, found = "", f"it took longer than {_SECONDS} s, or printed what is no text"
    if said and "\0" not in said:
        return said
    raise ConfigError(
        f"databases.{name}.password_command gave no password: {found if not said else 'it printed a NUL'}",
        code="config.password_command",
        next_step="Run the command by itself: it must end with 0 and print the password alone.",
    )
