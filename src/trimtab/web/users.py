"""Who may log in beyond this machine, and as what: a file in the state directory, with hashes (scrypt), no password.

It decides whether a password is a user's, in the same time for a user that there is not. It keeps no password.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from trimtab.durable import read_plain_file, write_durably
from trimtab.errors import ConfigError, UsageError

FILE_NAME = "web-users.json"
FORMAT = "trimtab.web.users/v1"
MIN_PASSWORD, MAX_PASSWORD = 12, 1024
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_MOST_BYTES = 1 << 20
_COST, _BLOCK, _PARALLEL, _MOST_MEMORY = 1 << 15, 8, 1, 1 << 27
"""Of scrypt: 32 MiB and some 60 ms for each try."""


class Role(IntEnum):
    """What a user may do; each may do what those before it may."""

    VIEWER = 1
    APPROVER = 2
    OPERATOR = 3

    @property
    def word(self) -> str:
        """The role as files and pages have it."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may log in."""

    name: str
    role: Role


class UserFile:
    """The users of a state directory. Read anew at every look, so that a user who was removed is out at once."""

    def __init__(self, state: Path, random: Callable[[int], bytes] = os.urandom) -> None:
        self._path = state / FILE_NAME
        self._random = random
        self._decoy = (self._random(16), b"\0" * 32)

    def users(self) -> tuple[User, ...]:
        """Return all users, by name. Raises ConfigError `web.users`."""
        return tuple(user for user, _, _ in sorted(self._read().values(), key=lambda found: found[0].name))

    def role_of(self, name: str) -> Role | None:
        """Return what a user may do now, None for one that there is not (any more). Raises ConfigError `web.users`."""
        found = self._read().get(name)
        return None if found is None else found[0].role

    def verified(self, name: str, password: str) -> User | None:
        """Return the user whose password it is, None otherwise. Raises ConfigError `web.users`."""
        found = self._read().get(name)
        salt, expected = self._decoy if found is None else (found[1], found[2])
        is_right = hmac.compare_digest(_hash(password[: MAX_PASSWORD + 1], salt), expected)
        return found[0] if found is not None and is_right and len(password) <= MAX_PASSWORD else None

    def put(self, name: str, role: Role, password: str) -> User:
        """Write a user, in place of one of that name. Raises UsageError `web.user`, ConfigError `web.users`."""
        if _NAME.fullmatch(name) is None:
            raise UsageError(
                f"{name!r} is no name of a user",
                code="web.user",
                next_step="Use up to 64 letters, digits, . _ @ and -.",
            )
        if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
            raise UsageError(
                f"the password was refused: it has fewer than {MIN_PASSWORD} characters, or more than {MAX_PASSWORD}",
                code="web.user",
                next_step="Choose one of several words.",
            )
        salt = self._random(16)
        user = User(name, role)
        self._write({**self._read(), name: (user, salt, _hash(password, salt))})
        return user

    def remove(self, name: str) -> None:
        """Take a user out. Raises UsageError `web.user` for one that there is not, ConfigError `web.users`."""
        known = self._read()
        if name not in known:
            raise UsageError(
                f"there is no user {name!r}", code="web.user", next_step="`trimtab serve-user --list` lists them."
            )
        del known[name]
        self._write(known)

    def _read(self) -> dict[str, tuple[User, bytes, bytes]]:
        try:
            raw = read_plain_file(self._path, _MOST_BYTES + 1)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise self._unusable(str(error.strerror)) from None
        try:
            document = json.loads(raw.decode()) if len(raw) <= _MOST_BYTES else None
            if not isinstance(document, dict) or document.get("format") != FORMAT:
                raise ValueError("another format")
            return {
                str(each["name"]): (
                    User(str(each["name"]), Role[str(each["role"]).upper()]),
                    base64.b64decode(each["salt"], validate=True),
                    base64.b64decode(each["scrypt"], validate=True),
                )
                for each in document["users"]
            }
        except (ValueError, KeyError, TypeError, RecursionError):
            raise self._unusable("it is not what `trimtab serve-user` writes") from None

    def _write(self, known: dict[str, tuple[User, bytes, bytes]]) -> None:
        users = [
            {
                "name": user.name,
                "role": user.role.word,
                "salt": base64.b64encode(salt).decode(),
                "scrypt": base64.b64encode(hashed).decode(),
            }
            for user, salt, hashed in known.values()
        ]
        try:
            write_durably(self._path, json.dumps({"format": FORMAT, "users": users}, indent=2).encode() + b"\n")
        except OSError as error:
            raise ConfigError(
                f"the users' file {self._path} was left as it is, since it cannot be written: {error.strerror}",
                code="web.users",
                next_step="Make room or mend the directory, and run it again.",
            ) from None

    def _unusable(self, found: str) -> ConfigError:
        return ConfigError(
            f"the users' file {self._path} cannot be used: {found}",
            code="web.users",
            next_step="Move it away and make the users anew with `trimtab serve-user`.",
        )


def _hash(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(
        password.encode("utf-8", "surrogatepass"),
        salt=salt,
        n=_COST,
        r=_BLOCK,
        p=_PARALLEL,
        maxmem=_MOST_MEMORY,
        dklen=32,
    )
