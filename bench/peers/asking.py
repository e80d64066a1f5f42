"""Finds the peers that the user has at hand, and asks one for a set of indexes in a process of its own.

It decides what a peer is told: the database, the queries, the budget and the widest index; and the time after which no
answer is waited for. What the peer chooses is taken as it is. Never installs a peer.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from bench.index_workloads import loaded
from bench.twin import hypopg
from bench.twin.sources import OLDER_MAJOR, older_binaries
from trimtab.db.connection import connect
from trimtab.embedded.server import Server
from trimtab.model.change import CreateIndex
from trimtab.propose.candidate import Candidate, Key


@dataclass(frozen=True, slots=True)
class Kind:
    """A peer that there is an adapter for.

    `place` says what its user names; `python` is the Python in there that runs the adapter, "" for our own where the
    place is a program. A library that is not installed `runs_in_place`. Each of `variants` is asked.
    """

    name: str
    adapter: str
    place: str
    python: str
    runs_in_place: bool = False
    variants: tuple[str, ...] = ("",)

    @property
    def variable(self) -> str:
        """The environment variable that names its place."""
        return "TRIMTAB_PEER_" + self.name.upper().replace("-", "_")


KINDS = (
    Kind(
        "index_selection_evaluation",
        "index_selection_evaluation.py",
        "its checkout, with a virtual environment of its requirements in .venv",
        ".venv/bin/python",
        runs_in_place=True,
        variants=("extend", "db2advis"),
    ),
    Kind("postgres-mcp", "postgres_mcp.py", "the virtual environment in which it is installed", "bin/python"),
    Kind("dexter", "dexter.py", "the program", ""),
)


@dataclass(frozen=True, slots=True)
class Peer:
    """One peer at its place, with one of its algorithms."""

    kind: Kind
    where: Path
    variant: str

    @property
    def selector(self) -> str:
        """Its name in results."""
        return f"{self.kind.name} {self.variant}".strip()


@dataclass(frozen=True, slots=True)
class Advice:
    """What a peer chose, what it asked the planner for that, and how long it took by its own clock.

    `queries_taken` is less than all when there are queries that it cannot read.
    """

    changes: tuple[CreateIndex, ...]
    queries_taken: int
    planner_calls: int
    seconds: float
    version: str


class NoAnswerError(Exception):
    """The peer ended without an answer, or not in time; its text is one line."""


def at_hand(options: Sequence[str], environment: Mapping[str, str]) -> tuple[list[Peer], list[str]]:
    """Return the peers of `NAME=WHERE` options and of the environment, and a line for each that is not named.

    Raises ValueError for a name without an adapter, and for a place that is not what it should be.
    """
    places = {kind.name: environment[kind.variable] for kind in KINDS if environment.get(kind.variable)}
    for option in options:
        name, _, where = option.partition("=")
        if name not in {kind.name for kind in KINDS}:
            raise ValueError(f"no adapter for a peer {name!r}: there are {', '.join(kind.name for kind in KINDS)}")
        if not where:
            raise ValueError(f"--peer {name}=WHERE: WHERE is {_kind(name).place}")
        places[name] = where
    found, absent = [], []
    for kind in KINDS:
        if kind.name not in places:
            absent.append(f"{kind.name}: left out, since neither --peer {kind.name}=WHERE nor {kind.variable} names it")
            continue
        place = Path(places[kind.name]).expanduser().absolute()
        program = place / kind.python if kind.python else place
        if not (program.is_file() and os.access(program, os.X_OK)):
            raise ValueError(f"{kind.name}: no program {program}; the place to name is {kind.place}")
        found += [Peer(kind, place, variant) for variant in kind.variants]
    return found, absent


def _kind(name: str) -> Kind:
    return next(kind for kind in KINDS if kind.name == name)


@contextmanager
def home(name: str, scale: float, source: Server) -> Iterator[str | None]:
    """Yield a DSN of the database with HypoPG: of the source, else of a second server; None where neither has it."""
    with closing(connect(source.dsn(name), read_only=False)) as connection:
        has_it = hypopg.install(connection)
    if has_it:
        yield source.dsn(name)
        return
    older = older_binaries()
    if older is None:
        print(
            f"peers: left out, since neither the source nor a PostgreSQL {OLDER_MAJOR} of this system has HypoPG",
            flush=True,
        )
        yield None
        return
    with loaded(name, scale, older) as server:
        with closing(connect(server.dsn(name), read_only=False)) as connection:
            has_it = hypopg.install(connection)
        if not has_it:
            print(f"peers: left out, since PostgreSQL {OLDER_MAJOR} of this system has no HypoPG", flush=True)
        yield server.dsn(name) if has_it else None


def ask(
    peer: Peer, dsn: str, texts: Mapping[str, str], *, budget_mb: int, max_columns: int, limit_seconds: float
) -> Advice:
    """Return what the peer chooses. Raises NoAnswerError."""
    told = conninfo_to_dict(dsn)
    asked = {
        "where": str(peer.where),
        "dsn": dsn,
        "database": told["dbname"],
        "queries": dict(texts),
        "budget_mb": budget_mb,
        "max_columns": max_columns,
        "variant": peer.variant,
    }
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    named = {"PGHOST": told["host"], "PGPORT": told["port"], "PGUSER": told["user"], "PGDATABASE": told["dbname"]}
    program = peer.where / peer.kind.python if peer.kind.python else sys.executable
    text = Path(__file__).with_name(peer.kind.adapter).read_text()
    with tempfile.TemporaryDirectory() as directory:
        output = _output(
            [program, "-c", text],
            json.dumps(asked),
            limit_seconds,
            peer.where if peer.kind.runs_in_place else Path(directory),
            # Sets of Python have another order in each process otherwise, and some peers choose by it.
            {**kept, **{name: str(value) for name, value in named.items()}, "PYTHONHASHSEED": "0"},
        )
    try:
        answer = json.loads(output.strip().splitlines()[-1])
    except (IndexError, ValueError):
        raise NoAnswerError("it ended without an answer") from None
    return Advice(
        tuple(dict.fromkeys(_change(table, columns) for table, columns in answer["indexes"])),
        answer.get("queries_taken", len(texts)),
        answer["planner_calls"],
        answer["seconds"],
        answer["version"],
    )


def _output(
    command: Sequence[str | Path], told: str, limit_seconds: float, directory: Path, environment: Mapping[str, str]
) -> str:
    """Return what the adapter prints. What it started ends with it when the time is over."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=directory,
        env=environment,
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(told, timeout=limit_seconds)
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if isinstance(error, subprocess.TimeoutExpired):
            raise NoAnswerError(f"no answer within {limit_seconds:g} s") from None
        raise
    if process.returncode:
        raise NoAnswerError((errors.strip().splitlines() or [f"it ended with {process.returncode}"])[-1])
    return output


def _change(table: str, columns: Sequence[str]) -> CreateIndex:
    """Return the B-tree, under the name that ours of the same definition has."""
    return Candidate("public", table, tuple(Key(column) for column in columns)).change("bench_")
