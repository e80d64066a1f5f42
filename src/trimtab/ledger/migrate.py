"""Moves a ledger from one store to the other, byte for byte: the same entries, hashes, root and checkpoints.

All or nothing: the copy is one transaction, verified as a whole before anything is switched. The old store is fenced
first, so that no program that still has it open adds to it; a move that died half-way is taken up by the next.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.errors import LedgerError
from trimtab.ledger.chain import row_bytes
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.merkle import leaf_hash, tree_of
from trimtab.ledger.place import name_server, refuse_password, server_of
from trimtab.ledger.postgres import open_postgres
from trimtab.ledger.sqlite import open_sqlite
from trimtab.ledger.verification import Evidence, Verification, check
from trimtab.ledger.withheld import DIRECTORY_SUFFIX, is_lost

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from trimtab.ledger.chain import Row
    from trimtab.ledger.store import Store

_PAGE_ROWS = 500
_ASIDE = ".moved"
_BESIDE = ("-wal", "-shm", DIRECTORY_SUFFIX)


@dataclass(frozen=True, slots=True)
class Moved:
    """What was moved: from where to where, and what the ledger is there.

    `lost` is how many of the `withheld` definitions, of those that nobody erased, were lost before and so are there.
    """

    source: str
    target: str
    found: Verification
    withheld: int
    lost: int


def migrate(path: Path, conninfo: str | None) -> Moved:
    """Move the ledger at `path` to a PostgreSQL database, or with None into the SQLite file. Raises LedgerError.

    `ledger.same` when it is kept there already, `ledger.corrupt` when it does not verify, `ledger.occupied` when the
    database has another one, `ledger.store` when the conninfo holds a password.
    """
    refuse_password(conninfo)
    current = server_of(path)
    if current == conninfo:
        raise LedgerError(
            "the ledger was not moved: it is kept there already",
            code="ledger.same",
            next_step="`trimtab ledger verify` says where it is.",
        )
    with Ledger.open(path) as ledger:
        before = ledger.verify()
        if not before.verified:
            raise LedgerError(
                f"the ledger was not moved: entry {before.first_bad}: {before.reason}",
                code="ledger.corrupt",
                next_step="Restore it first; `trimtab ledger verify` names what is wrong.",
            )
    with closing(open_postgres(current) if current is not None else open_sqlite(path)) as source:
        aside = path.with_name(path.name + _ASIDE)
        target_path = aside if conninfo is None else path
        if conninfo is None:  # a copy that died before it was switched to
            aside.unlink(missing_ok=True)
            shutil.rmtree(aside.with_name(aside.name + DIRECTORY_SUFFIX), ignore_errors=True)
        with closing(open_sqlite(target_path) if conninfo is None else open_postgres(conninfo)) as target:
            found = _copied(source, target, before)
            told = target.told()
            kept = told.withheld - told.erased
            lost = sum(is_lost(digest, target.opening(digest)) for digest in kept)
            names = source.name, str(path) if conninfo is None else target.name
        if conninfo is None:
            _put_in_place(path, aside)
        name_server(path, conninfo)
    return Moved(*names, found, len(kept), lost)


def _copied(source: Store, target: Store, before: Verification) -> Verification:
    """Copy while nobody can write, verify, fence the source. A target that has the beginning of it gets the rest."""
    with source.writing() as (held, _):
        with target.writing() as (connection, _):
            here = _found(target)
            if not here.verified or not _is_beginning(source, held, here):
                raise LedgerError(
                    f"the ledger was not moved: {target.name} has another one, of {here.entries} entries",
                    code="ledger.occupied",
                    next_step="Name a database without a ledger; this one goes on where it is.",
                )
            tree = tree_of(leaf_hash(row_bytes(row)) for row in target.rows())
            known = dict(target.checkpoints())
            target.unfence(connection)  # from here on even readers are kept away, ours too
            told = source.told()
            kept = {
                digest: opening
                for digest, opening in source.openings().items()
                if digest in told.withheld - told.erased and not is_lost(digest, opening)
            }
            if kept:
                target.keep(connection, kept)
            target.remove(connection, told.erased)  # here, since they were copied there
            for rows in _pages(row for row in source.rows() if row.seq > here.entries):
                target.insert_copied(connection, rows, tree)
            for size, note in source.checkpoints():
                if known.get(size) != note:
                    target.insert_checkpoint(connection, size, note)
        target.written(kept)
        found, now = _found(target), _found(source)
        if found != now or found.entries < before.entries:
            raise target.corrupt("what was copied into it is not what was to be copied")
        source.fence(held)
    return found


def _found(store: Store) -> Verification:
    return check(store.rows(), Evidence(nodes=store.nodes(), notes=store.checkpoints()))


def _is_beginning(source: Store, held: Connection, here: Verification) -> bool:
    row = source.row(held, here.entries)
    return not here.entries or (row is not None and row.hash == here.head.encode())


def _put_in_place(path: Path, copy: Path) -> None:
    """The file of before, which was moved away from once, is kept under the next free name."""
    kept = next(name for n in range(1, 10_000) if not (name := path.with_name(f"{path.name}.before-{n}")).exists())
    for suffix in (*_BESIDE, ""):
        old = path.with_name(path.name + suffix)
        if old.exists():
            old.rename(kept.with_name(kept.name + suffix))
    openings = copy.with_name(copy.name + DIRECTORY_SUFFIX)
    if openings.exists():
        openings.rename(path.with_name(path.name + DIRECTORY_SUFFIX))
    copy.rename(path)


def _pages(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while page := list(islice(rows, _PAGE_ROWS)):
        yield page
