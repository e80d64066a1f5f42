"""The kill switch: files in the state directory, one for each freeze, looked at before every statement of a change.

A freeze is a file, not an entry of the ledger: it can be set while the ledger is broken or locked. What cannot be
read or understood counts as a freeze of everything. It stops what writes to a source; nothing that only looks.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from trimtab.durable import read_plain_file, sync_directory, write_durably
from trimtab.errors import ConfigError, HeldError

DIRECTORY = "freezes"
FORMAT = "trimtab.freeze/v1"
_MOST_BYTES = 1 << 16
MAX_REASON = 500


@dataclass(frozen=True, slots=True)
class Freeze:
    """One freeze: of the databases of that name, or of everything when `database` is None.

    `allows_reverts` lets what was applied be taken back. `at_ns` is UTC nanoseconds; `by` is who set it.
    """

    database: str | None
    reason: str
    by: str
    at_ns: int
    allows_reverts: bool = False

    def told(self) -> str:
        """Return it in words, for a message."""
        what = "everything is frozen" if self.database is None else f"database {self.database} is frozen"
        return f"{what}, by {self.by}" + (f": {self.reason}" if self.reason else "")


@dataclass(frozen=True, slots=True)
class KillSwitch:
    """The freezes of one state directory."""

    state: Path

    def frozen(self) -> tuple[Freeze, ...]:
        """Return the freezes that are set, that of everything first. Never raises: what is unreadable is a freeze."""
        try:
            names = sorted(name for name in os.listdir(self._directory) if not name.startswith("."))
        except FileNotFoundError:
            return ()
        except OSError as error:
            return (_unreadable(f"{self._directory} cannot be read ({error.strerror})"),)
        found = [self._read(self._directory / name) for name in names]
        return tuple(sorted(found, key=lambda freeze: freeze.database or ""))

    def stopping(self, database: str, *, is_revert: bool) -> Freeze | None:
        """Return the freeze that stops changes, or reverts, of a database of that name; None when there is none."""
        for freeze in self.frozen():
            if freeze.database in (None, database) and not (is_revert and freeze.allows_reverts):
                return freeze
        return None

    def refuse(self, database: str, *, is_revert: bool) -> None:
        """Raise HeldError `apply.frozen` while a freeze stops it."""
        freeze = self.stopping(database, is_revert=is_revert)
        if freeze is not None:
            what = "nothing was taken back" if is_revert else "no statement was sent"
            raise HeldError(
                f"{what}: {freeze.told()}",
                code="apply.frozen",
                next_step="See `trimtab status`; whoever answers for the freeze ends it with `trimtab thaw`.",
            )

    def freeze(self, freeze: Freeze) -> None:
        """Set the freeze, durably, in place of one of the same scope. Raises ConfigError `state.unusable`."""
        document = {
            "format": FORMAT,
            "database": freeze.database,
            "reason": freeze.reason,
            "by": freeze.by,
            "at_ns": str(freeze.at_ns),
            "allows_reverts": freeze.allows_reverts,
        }
        path = self._path(freeze.database)
        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            write_durably(path, json.dumps(document).encode())
        except OSError as error:
            raise ConfigError(
                f"the freeze could not be written to {self._directory}: {error.strerror}",
                code="state.unusable",
                next_step=f"Make room or mend the directory; an empty file in {self._directory} freezes too.",
            ) from None

    def thaw(self, database: str | None, *, all_of_them: bool = False) -> tuple[Freeze, ...]:
        """End the freeze of that scope, or all of them; return those that ended. Raises ConfigError."""
        paths = [self._path(database)]
        if all_of_them:
            with suppress(FileNotFoundError):
                paths = sorted(path for path in self._directory.iterdir() if not path.name.startswith("."))
        ended = []
        for path in paths:
            if not path.exists():
                continue
            freeze = self._read(path)
            try:
                path.unlink()
                sync_directory(self._directory)
            except OSError as error:
                raise ConfigError(
                    f"the freeze {path} could not be ended: {error.strerror}",
                    code="state.unusable",
                    next_step="Mend the permissions of the state directory; until then it stays frozen.",
                ) from None
            ended.append(freeze)
        return tuple(ended)

    @property
    def _directory(self) -> Path:
        return self.state / DIRECTORY

    def _path(self, database: str | None) -> Path:
        if database is None:
            return self._directory / "everything.json"
        return self._directory / f"database-{hashlib.sha256(database.encode()).hexdigest()[:32]}.json"

    def _read(self, path: Path) -> Freeze:
        try:
            raw = read_plain_file(path, _MOST_BYTES + 1)
            held = json.loads(raw.decode("utf-8")) if len(raw) <= _MOST_BYTES else None
            if not isinstance(held, dict) or held.get("format") != FORMAT:
                return _unreadable(f"{path} is there, and is no freeze that this version understands")
            database, allows = held["database"], held["allows_reverts"]
            freeze = Freeze(database, str(held["reason"]), str(held["by"]), int(held["at_ns"]), allows is True)
        except OSError as error:
            return _unreadable(f"{path} cannot be read ({error.strerror})")
        except (ValueError, KeyError, TypeError, RecursionError):
            return _unreadable(f"{path} is there, and is no freeze that this version understands")
        if database is not None and self._path(str(database)) != path:
            return _unreadable(f"{path} does not belong to the database that it names")
        return freeze


def _unreadable(found: str) -> Freeze:
    return Freeze(None, found, "a file that cannot be understood", 0)
