"""Decides how PostgreSQL's client programs (pg_dump, pg_restore, psql...) are run, and keeps secrets out of argv.

A password in a connection string moves to PGPASSWORD, because other users can read a process's arguments. It never
logs, never raises on a program's own failure and never opens a connection itself.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from trimtab.embedded.interrupts import interrupts_deferred
from trimtab.errors import EmbeddedError

_TERM_SECONDS = 5.0
_CONNECTION_FLAG = re.compile(r"(--dbname=|--maintenance-db=|-d(?!$)|)(.*)", re.DOTALL)
_URI = re.compile(r"postgres(ql)?://")


def run_client(
    program: Path,
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    text: str | None = None,
    directory: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `program` to its end and return its status, output and error texts (UTF-8, undecodable bytes kept).

    Raises EmbeddedError `embedded.secret_in_arguments`, `embedded.bad_connection_string` or `embedded.cannot_run`.
    """
    safe, password = hide_password(arguments)
    secret = {} if password is None else {"PGPASSWORD": password}
    try:
        with interrupts_deferred():
            process = subprocess.Popen(
                [program, *safe],
                env={**environment, **secret},
                cwd=directory,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="surrogateescape",
                umask=0o077,
                # No terminal: it cannot stop to ask for a password, and Ctrl-C reaches the owner only.
                start_new_session=True,
            )
    except OSError as error:
        raise EmbeddedError(
            f"{program} could not be run: {error}",
            code="embedded.cannot_run",
            next_step="Check that the program is executable and was built for this machine.",
        ) from error
    with process:
        try:
            output, messages = process.communicate(text or "")
        except BaseException:
            _end_group(process)
            raise
    return subprocess.CompletedProcess((str(program), *safe), process.returncode, output, messages)


def _end_group(process: subprocess.Popen[str]) -> None:
    # The whole group: pg_dump and pg_restore have workers, which cancel their query on SIGTERM.
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_TERM_SECONDS)


def hide_password(arguments: Sequence[str]) -> tuple[tuple[str, ...], str | None]:
    """Return the arguments without the password that a connection string among them holds, and that password.

    Raises EmbeddedError `embedded.secret_in_arguments` when there are two different ones, or one of a client key,
    which libpq cannot read from the environment.
    """
    parted = [_part(argument) for argument in arguments]
    passwords = {password for _, password in parted if password is not None}
    if len(passwords) > 1:
        raise _secret_refused("two different passwords")
    return tuple(argument for argument, _ in parted), next(iter(passwords), None)


def _part(argument: str) -> tuple[str, str | None]:
    found = _CONNECTION_FLAG.fullmatch(argument)
    assert found is not None
    flag, body = found[1], found[2]
    is_uri = _URI.match(body) is not None
    if not is_uri and not ("password" in body and "=" in body):
        return argument, None
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    try:
        parameters = conninfo_to_dict(body)
    except ProgrammingError:
        if not is_uri:  # Some other option, or SQL: not a connection string.
            return argument, None
        # `from None`: libpq's own message repeats parts of the string, and so of the password.
        raise EmbeddedError(
            "a connection string cannot be used: it is not a valid PostgreSQL URI",
            code="embedded.bad_connection_string",
            next_step="Write it as postgresql://user@host:port/database and percent-encode special characters.",
        ) from None
    if "sslpassword" in parameters:
        raise _secret_refused("the password of a client key (sslpassword)")
    password = parameters.pop("password", None)
    if password is None:
        return argument, None
    return flag + make_conninfo("", **parameters), str(password)


def _secret_refused(found: str) -> EmbeddedError:
    return EmbeddedError(
        f"a client program's arguments would show a secret to other users of this machine: found {found}",
        code="embedded.secret_in_arguments",
        next_step="Put the passwords in a passfile and name it with PGPASSFILE.",
    )
