"""Reads `trimtab.toml`: names of databases and defaults of options. Also writes the one that `init` starts with.

It checks the file and nothing behind it: no server is asked, no specification opened. A password in it is refused.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from trimtab.durable import read_plain_file
from trimtab.errors import ConfigError, TrimtabError
from trimtab.ledger.redaction import SECRET_KEYS, holds_password
from trimtab.model.index_wishes import NO_WISHES, WISHES, IndexWishes, with_wish
from trimtab.spec.quantity import parse_quantity, parse_size_bytes

FILE_NAME = "trimtab.toml"
MAX_BYTES = 256 * 1024
OBJECTIVES = ("speed", "efficiency")
_PART_KEYS = ("host", "port", "dbname", "user")
_DATABASE_KEYS = ("dsn", *_PART_KEYS, "standbys", "indexes", "password_command", "operator_dsn")
_DEFAULT_KEYS = ("spec", "lab", "budget", "objectives", "pg_bin", "state")
_PLACE = re.compile(r" \(at (line \d+, column \d+|end of document)\)$")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Database:
    """A database that the file names. `conninfo` is what libpq connects with: never holds a password.

    `standbys` are its replicas, by the same; `indexes` what is wanted of its indexes alone. `password_command` is
    the program, with its arguments, that prints the password. `operator_dsn` is what backends are signalled by, where
    that is another role's.
    """

    name: str
    conninfo: str
    standbys: tuple[str, ...] = ()
    indexes: IndexWishes = NO_WISHES
    password_command: tuple[str, ...] = ()
    operator_dsn: str | None = None


@dataclass(frozen=True, slots=True)
class Defaults:
    """What options are when the command line does not give them; None leaves it to the program.

    `budget` is a size as `parse_size` reads it. `pg_bin` and `state` are absolute; `spec` is an id or a file.
    """

    spec: str | None = None
    lab: str | None = None
    budget: str | None = None
    objectives: tuple[str, ...] | None = None
    pg_bin: Path | None = None
    state: Path | None = None


@dataclass(frozen=True, slots=True)
class HistoryKept:
    """Where the history is kept, and for how long, in seconds; None leaves it to the program.

    `store` is the DSN of the database that keeps it for a fleet, without a password; None for a file.
    """

    store: str | None = None
    raw: float | None = None
    minutes: float | None = None
    hours: float | None = None
    days: float | None = None
    executions: float | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """The configuration; `path` is the file that it came from, None when there was none.

    `ledger_store` is the DSN of the database that keeps the ledger, without a password; None for the file. `workloads`
    are workload files by name, absolute: what an agent may name of files.
    """

    path: Path | None = None
    databases: Mapping[str, Database] = field(default_factory=dict)
    defaults: Defaults = field(default_factory=Defaults)
    indexes: IndexWishes = NO_WISHES
    ledger_store: str | None = None
    workloads: Mapping[str, Path] = field(default_factory=dict)
    history: HistoryKept = HistoryKept()

    def wishes_for(self, database: str | None) -> IndexWishes:
        """Return what the file wants of the indexes of the database of that name; of any, where it names none such."""
        entry = self.databases.get(database) if database is not None else None
        return self.indexes if entry is None else entry.indexes.over(self.indexes)


def load_config(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Config:
    """Return the configuration: of `path`, else of `$TRIMTAB_CONFIG`, else of ./trimtab.toml, else the empty one.

    Raises ConfigError: `config.unreadable`, `config.syntax`, `config.unknown_key`, `config.value`, `config.password`.
    """
    named = path or (Path(environ["TRIMTAB_CONFIG"]) if environ.get("TRIMTAB_CONFIG") else None)
    found = named or Path(FILE_NAME)
    try:
        # The null device is how one says "none" to a program that has a default.
        text = b"" if str(found) == os.devnull else read_plain_file(found.expanduser(), MAX_BYTES + 1)
    except FileNotFoundError:
        if named is None:
            return Config()
        raise _unreadable(found, "there is no such file") from None
    except (OSError, RuntimeError) as error:
        raise _unreadable(found, getattr(error, "strerror", None) or type(error).__name__) from None
    if len(text) > MAX_BYTES:
        raise _unreadable(found, f"it is larger than {MAX_BYTES // 1024} KiB")
    return _Reader(found.expanduser().absolute()).read(_parse(found, text))


def parse_size(text: str) -> int:
    """Return the bytes that "2GB" means, in PostgreSQL's units (1024-based). Raises ConfigError `size.invalid`."""
    try:
        return parse_size_bytes(text)
    except ValueError as error:
        raise ConfigError(
            f"the size {text!r} was refused: {error}",
            code="size.invalid",
            next_step="Write a number and a unit, as in 500MB or 2GB.",
        ) from None


def render_default_config(
    *,
    database: str = "production_db",
    dsn: str | None = None,
    spec: str | None = None,
    lab: str | None = None,
    budget: str | None = None,
    objectives: tuple[str, ...] = (),
) -> str:
    """Return a commented `trimtab.toml` that `load_config` reads back; what is not given stands in it as a comment.

    Raises ConfigError `config.password` when the DSN holds a password.
    """
    if dsn is not None:
        _refuse_password(dsn, "the DSN")
    shown = f"dsn = {_quoted(dsn)}" if dsn is not None else '# dsn = "service=production"'
    lines = [
        "# trimtab.toml: names of databases, and defaults of `trimtab optimize`. Options on the command line win.",
        "# No password belongs here: libpq takes it from ~/.pgpass or from a service file.",
        "",
        f"[databases.{_quoted(database)}]",
        "# Either a DSN, as psql takes it (a URI, key=value pairs, or service=NAME):",
        shown,
        "# or its parts; what is left out is libpq's default (PG* variables, then the local socket):",
        '# host = "db.example.com"',
        "# port = 5432",
        f"{'# ' if dsn is not None else ''}dbname = {_quoted(database)}",
        '# user = "trimtab_explain"',
        "# A program, run without a shell, that prints the password, where libpq's own means are not enough:",
        '# password_command = ["keyring", "get", "shop", "trimtab_explain"]',
        "# Its replicas: what they use indexes for counts too.",
        '# standbys = ["service=production_replica"]',
        "# The role by which statements and sessions of others are ended on your word (`trimtab backend`).",
        '# operator_dsn = "service=production_operator"',
        "",
        "[defaults]",
        "# The specification that says what may change: an id that ships with Trimtab, or a file of yours.",
        _line("spec", spec, "DATABASE_OPTIMIZATION_SPEC_V4"),
        "# Where trials are measured: clone, none, a database of this file, or a DSN.",
        _line("lab", lab, "clone"),
        "# Disk that new indexes may take together (kB, MB, GB, TB).",
        _line("budget", budget, "2GB"),
        "# What to gain: speed, efficiency, or both.",
        f"objectives = [{', '.join(_quoted(objective) for objective in objectives or OBJECTIVES)}]",
        "# The directory of PostgreSQL's programs, when those that come with Trimtab shall not be used.",
        '# pg_bin = "/usr/lib/postgresql/18/bin"',
        "# Where the ledger is kept; else $XDG_STATE_HOME/trimtab.",
        '# state = "~/.local/state/trimtab"',
        "",
        "[ledger]",
        "# The database that keeps the ledger of a fleet, as psql takes it; else a file in the state directory does.",
        '# store = "service=fleet"',
        "",
        "[workloads]",
        "# Workload files by a name of yours: an agent (`trimtab mcp`) names these, and no other file.",
        '# current = "current_queries.sql"',
        "",
        "[history]",
        "# The database that keeps the history of a fleet, as psql takes it; else a file in the state directory does.",
        '# store = "service=fleet"',
        "# How long it is kept as it was read, by minutes, hours and days; and single executions from logs.",
        '# raw = "1h"',
        '# minutes = "30d"',
        '# hours = "400d"',
        '# days = "1830d"',
        '# executions = "30d"',
        "",
        "[indexes]",
        "# Limits of what is proposed of indexes, in every database; those of one database go into a table of its own,",
        f"# [databases.{_quoted(database)}.indexes]. The specification can only be narrowed so.",
        *_INDEX_EXAMPLES,
        "",
    ]
    return "\n".join(lines)


_INDEX_EXAMPLES = (
    "# How many new ones there may be, and how many keys each may have.",
    "# max_indexes = 10",
    "# max_width = 3",
    "# Which kinds they may be of; one that is several at once needs all of them.",
    '# kinds = ["btree", "include", "partial", "expression", "brin", "gin", "gist", "hash"]',
    "# What they may add to the time of all writes, and what any one query may lose.",
    '# max_write_overhead = "10%"',
    '# max_regression = "5%"',
    "# Indexes that are never proposed for dropping; tables, and TABLE.COLUMN, that no new index may touch.",
    '# must_keep = ["orders_yearly_report"]',
    '# must_not = ["audit", "orders.note"]',
    "# Seconds for the proof of how good the set is; exact, or who is tried beside that: anneal or local.",
    "# seconds = 20",
    '# solver = "exact"',
)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Turns the parsed document into a Config; `path` is what its messages name and its relative paths start from."""

    path: Path

    def read(self, document: Mapping[str, object]) -> Config:
        self._refuse_unknown(document, ("databases", "defaults", "indexes", "ledger", "workloads", "history"), "")
        databases = self._table(document, "databases", "")
        named = {name: self._database(name, self._table(databases, name, "databases.")) for name in databases}
        return Config(
            self.path,
            named,
            self._defaults(self._table(document, "defaults", "")),
            self._wishes(document, ""),
            self._ledger_store(self._table(document, "ledger", "")),
            self._workloads(self._table(document, "workloads", "")),
            self._history(self._table(document, "history", "")),
        )

    def _database(self, name: str, table: Mapping[str, object]) -> Database:
        where = f"databases.{name}."
        self._refuse_unknown(table, _DATABASE_KEYS, where)
        for key in table:
            if key not in ("port", "standbys", "indexes", "password_command"):
                _refuse_password(self._text(table, key, where), f"{where}{key}")
        standbys = self._standbys(table, where) if "standbys" in table else ()
        wishes = self._wishes(table, where)
        command = self._command(table, where) if "password_command" in table else ()
        parts = {
            key: str(self._port(table, where) if key == "port" else table[key]) for key in table if key in _PART_KEYS
        }
        if ("dsn" in table) == bool(parts):
            raise self._refused(where.rstrip("."), 'it has either dsn = "...", or some of host, port, dbname and user')
        operator = self._text(table, "operator_dsn", where) if "operator_dsn" in table else None
        conninfo = (
            self._text(table, "dsn", where)
            if "dsn" in table
            else " ".join(f"{key}={_conninfo_value(value)}" for key, value in parts.items())
        )
        return Database(name, conninfo, standbys, wishes, command, operator)

    def _command(self, table: Mapping[str, object], where: str) -> tuple[str, ...]:
        value = table["password_command"]
        is_list = isinstance(value, list) and value and all(isinstance(each, str) and each for each in value)
        if not is_list:
            found = 'it is a list of a program and its arguments, as in ["pass", "show", "db/shop"]'
            raise self._refused(f"{where}password_command", found)
        assert isinstance(value, list)
        return tuple(value)

    def _ledger_store(self, table: Mapping[str, object]) -> str | None:
        self._refuse_unknown(table, ("store",), "ledger.")
        if "store" not in table:
            return None
        _refuse_password(store := self._text(table, "store", "ledger."), "ledger.store")
        return store

    def _workloads(self, table: Mapping[str, object]) -> Mapping[str, Path]:
        return {name: self._path(table, name, "workloads.") for name in table}

    def _history(self, table: Mapping[str, object]) -> HistoryKept:
        where = "history."
        lengths = tuple(name for name in HistoryKept.__dataclass_fields__ if name != "store")
        self._refuse_unknown(table, ("store", *lengths), where)
        store = self._text(table, "store", where) if "store" in table else None
        if store is not None:
            _refuse_password(store, f"{where}store")
        return HistoryKept(store, *(self._length(table, name) if name in table else None for name in lengths))

    def _length(self, table: Mapping[str, object], key: str) -> float:
        found = 'it is a time of at least a minute, as in "2h" or "30d"'
        try:
            quantity = parse_quantity(self._text(table, key, "history."))
        except ValueError:
            raise self._refused(f"history.{key}", found) from None
        if quantity.dimension != "time" or quantity.value < 60_000:
            raise self._refused(f"history.{key}", found)
        return quantity.value / 1000

    def _standbys(self, table: Mapping[str, object], where: str) -> tuple[str, ...]:
        value = table["standbys"]
        if not isinstance(value, list):
            raise self._refused(f"{where}standbys", 'it is a list of DSNs, as in ["service=shop-replica"]')
        for number, dsn in enumerate(value):
            _refuse_password(self._text({str(number): dsn}, str(number), f"{where}standbys."), f"{where}standbys")
        return tuple(value)

    def _wishes(self, document: Mapping[str, object], where: str) -> IndexWishes:
        table, wishes = self._table(document, "indexes", where), NO_WISHES
        self._refuse_unknown(table, tuple(WISHES), f"{where}indexes.")
        for key, value in table.items():
            try:
                wishes = with_wish(wishes, key, value)
            except TrimtabError as error:
                found = str(error).removeprefix(f"{key} was refused: ")
                raise self._refused(f"{where}indexes.{key}", found) from None
        return wishes

    def _defaults(self, table: Mapping[str, object]) -> Defaults:
        where = "defaults."
        self._refuse_unknown(table, _DEFAULT_KEYS, where)
        lab = self._optional(table, "lab", self._text)
        if lab is not None:
            _refuse_password(lab, "defaults.lab")
        budget = self._optional(table, "budget", self._text)
        if budget is not None:
            self._checked_size(budget)
        return Defaults(
            spec=self._optional(table, "spec", self._spec),
            lab=lab,
            budget=budget,
            objectives=self._optional(table, "objectives", self._objectives),
            pg_bin=self._optional(table, "pg_bin", self._path),
            state=self._optional(table, "state", self._path),
        )

    def _table(self, document: Mapping[str, object], key: str, where: str) -> Mapping[str, object]:
        value = document.get(key, {})
        if not isinstance(value, dict):
            raise self._refused(f"{where}{key}", f"it is a table: write [{where}{key}] on a line of its own")
        return value

    def _optional(
        self, table: Mapping[str, object], key: str, read: Callable[[Mapping[str, object], str, str], _T]
    ) -> _T | None:
        return read(table, key, "defaults.") if key in table else None

    def _text(self, table: Mapping[str, object], key: str, where: str) -> str:
        value = table[key]
        if not isinstance(value, str) or not value.strip() or "\0" in value:
            raise self._refused(f"{where}{key}", 'it is a text in quotes, as in "..."')
        return value

    def _port(self, table: Mapping[str, object], where: str) -> int:
        value = table["port"]
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 65535:
            raise self._refused(f"{where}port", "it is a number from 1 to 65535")
        return value

    def _path(self, table: Mapping[str, object], key: str, where: str) -> Path:
        try:
            return (self.path.parent / Path(self._text(table, key, where)).expanduser()).absolute()
        except RuntimeError:
            raise self._refused(f"{where}{key}", "its home directory is not known") from None

    def _spec(self, table: Mapping[str, object], key: str, where: str) -> str:
        """What looks like a file, or is one, is meant from where trimtab.toml is; all else is an id, or a bundle's."""
        file, text = self._path(table, key, where), self._text(table, key, where)
        if text.startswith("bundle:"):
            return text
        try:
            is_file = "/" in text or text.endswith((".yaml", ".yml")) or file.is_file()
        except OSError:  # longer than the name of a file may be
            is_file = False
        return str(file) if is_file else text

    def _objectives(self, table: Mapping[str, object], key: str, where: str) -> tuple[str, ...]:
        value = table[key]
        if not isinstance(value, list) or not value or any(item not in OBJECTIVES for item in value):
            raise self._refused(f"{where}{key}", f"it is a list of {' and '.join(OBJECTIVES)}, or of one of them")
        return tuple(dict.fromkeys(value))

    def _checked_size(self, text: str) -> None:
        try:
            parse_size(text)
        except ConfigError as error:
            raise self._refused("defaults.budget", str(error)) from None

    def _refuse_unknown(self, table: Mapping[str, object], known: tuple[str, ...], where: str) -> None:
        for key in table:
            if key in known:
                continue
            if key.lower() in SECRET_KEYS:
                raise _password_error(f"{where}{key}")
            raise ConfigError(
                f"{self.path}: unknown key {where}{key}",
                code="config.unknown_key",
                next_step=f"{_nearest(key, known)}Known here: {', '.join(known)}.",
            )

    def _refused(self, key: str, expected: str) -> ConfigError:
        return ConfigError(
            f"{self.path}: {key} was refused: {expected}",
            code="config.value",
            next_step="Mend that line; `trimtab init` writes a commented example.",
        )


def _parse(path: Path, text: bytes) -> Mapping[str, object]:
    try:
        return tomllib.loads(text.decode("utf-8"))
    except tomllib.TOMLDecodeError as error:
        place = _PLACE.search(str(error))
        found = _PLACE.sub("", str(error))
        raise _broken(path, f"{place[1]}: {found}" if place is not None else found) from None
    except UnicodeDecodeError as error:
        raise _broken(path, f"line {text[: error.start].count(10) + 1}: not UTF-8") from None
    except ValueError:  # Python reads no integer of thousands of digits
        raise _broken(path, "a number has too many digits") from None
    except RecursionError:
        raise _broken(path, "nested too deeply") from None


def _broken(path: Path, found: str) -> ConfigError:
    return ConfigError(
        f"{path} is not TOML: {found}",
        code="config.syntax",
        next_step="Mend that line; texts are in quotes, tables in square brackets.",
    )


def _unreadable(path: Path, found: str) -> ConfigError:
    return ConfigError(
        f"the configuration {path} cannot be read: {found}",
        code="config.unreadable",
        next_step="Name another file with --config or TRIMTAB_CONFIG, or write one with `trimtab init`.",
    )


def _refuse_password(text: str, where: str) -> None:
    from urllib.parse import unquote

    if holds_password(text) or holds_password(unquote(text)):  # libpq reads %70assword= in a URI as password=
        raise _password_error(where)


def _password_error(where: str) -> ConfigError:
    return ConfigError(
        f"{where} was refused: it holds a password",
        code="config.password",
        next_step="Put the password into ~/.pgpass or a service file (pg_service.conf): libpq finds it there.",
    )


def _nearest(name: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {close[0]}? " if close else ""


def _conninfo_value(value: str) -> str:
    """Return the value as libpq's key=value form quotes it."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _line(key: str, value: str | None, example: str) -> str:
    return f"{key} = {_quoted(value)}" if value is not None else f"# {key} = {_quoted(example)}"


def _quoted(text: str) -> str:
    """Return a TOML basic string."""
    escaped = "".join(
        f"\\u{ord(c):04X}" if ord(c) < 0x20 or ord(c) == 0x7F else f"\\{c}" if c in '"\\' else c for c in text
    )
    return f'"{escaped}"'
