"""Gets a database's password from the command that trimtab.toml names for it, such as a keyring's. It is kept nowhere.

The command runs without a shell; what it prints goes to libpq, and into no message, log or file. A password itself is
never in trimtab.toml.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trimtab.cli.secret_command import NoSecretError, printed_secret
from trimtab.errors import ConfigError

if TYPE_CHECKING:
    from trimtab.config import Database

_SECONDS = 60


def conninfo_of(entry: Database) -> str:
    """Return what libpq connects with, with the password that the entry's command gave, if it names one.

    Raises ConfigError `config.password_command` when the command fails, or prints no single line.
    """
    if not entry.password_command:
        return entry.conninfo
    from psycopg.conninfo import make_conninfo

    return make_conninfo(entry.conninfo, password=_printed(entry.name, entry.password_command))


def _printed(name: str, command: tuple[str, ...]) -> str:
    try:
        return printed_secret(command, _SECONDS)
    except NoSecretError as error:
        raise ConfigError(
            f"databases.{name}.password_command gave no password: {error}",
            code="config.password_command",
            next_step="Run the command by itself: it must end with 0 and print the password alone, in one line.",
        ) from None
