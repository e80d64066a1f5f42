"""What every store of a ledger does, whatever keeps its tables: read rows, add rows, hold the writer's place.

Knows rows, not what they mean. `sqlite.py` and `postgres.py` open one, and say how it is locked, how a row reads and
what its faults are called. Every commit is durable when it returns.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import Connection, Engine, Select, bindparam, func, insert, select, text, tuple_

from trimtab.ledger.chain import BrokenRowError, Row, row_bytes
from trimtab.ledger.entry import Entry
from trimtab.ledger.faults import unreadable_opening
from trimtab.ledger.merkle import GrowingTree, NodeAt, leaf_hash, nodes_of, root
from trimtab.ledger.schema import CHECKPOINTS, ENTRIES, KEYS_ONLY, TREE
from trimtab.ledger.withheld import MARK, Openings, Told

Values: TypeAlias = dict[str, Any]
"""The values of a row, by column."""
MOVED = "the ledger was moved"
"""What a fenced store says to who would add an entry."""
_PAGE_ROWS = 500
_DIGEST_BYTES = 32
# Made once: to build a statement takes longer than to send it.
_INSERT_ENTRY, _INSERT_NODE, _INSERT_CHECKPOINT = insert(ENTRIES), insert(TREE), insert(CHECKPOINTS)
_ENDS = select(
    select(func.max(ENTRIES.c.seq)).scalar_subquery(),
    select(func.max(TREE.c.seq)).scalar_subquery(),
    select(func.count()).select_from(ENTRIES).where(ENTRIES.c.seq.is_(None)).scalar_subquery(),
)
_HASH = select(ENTRIES.c.hash).where(ENTRIES.c.seq == bindparam("seq"))
# The kind stands in it as in the index's condition: a parameter would keep the index from being used.
_LAST_KEY = select(func.max(ENTRIES.c.seq)).where(text(KEYS_ONLY)).correlate(None).scalar_subquery()


@dataclass(frozen=True, slots=True)
class Head:
    """Where a ledger ends: its last row, and the number of the entry that says which key signs now; None without."""

    row: Row | None
    key_seq: int | None


def insert_each(
    connection: Connection, entry: Values, nodes: Sequence[Values], checkpoint: tuple[int, str] | None
) -> Sequence[Any]:
    """Write an entry, the nodes that it completes and a checkpoint, each by a statement: `Dialect.insert`."""
    connection.execute(_INSERT_ENTRY, entry)
    connection.execute(_INSERT_NODE, nodes)
    if checkpoint is not None:
        connection.execute(_INSERT_CHECKPOINT, {"size": checkpoint[0], "note": checkpoint[1]})
    return connection.execute(_HASH, {"seq": entry["seq"]}).scalars().all()


@dataclass(frozen=True, slots=True)
class Dialect:
    """What differs between stores. `name` is what messages call this one; it never holds a password.

    `begin` begins the one writing transaction, waits for another writer's end, and only then reads by the query that it
    is given. `faults` turns what the store says into LedgerError. `entries` selects rows, before anything is believed,
    and `row` makes a Row of one, of bytes. `insert` writes an entry, the nodes that it completes, and the size and note
    of a checkpoint, None for none; it may commit them at once, and returns the hashes of entries of its number then.
    `fence` are the statements after which no entry, and no checkpoint, can be added any more, `unfence` what ends that.
    """

    name: str
    faults: Callable[[], AbstractContextManager[None]]
    begin: Callable[[Connection, Select[Any]], Sequence[Any] | None]
    entries: Select[Any]
    row: Callable[[Sequence[Any]], Row]
    corrupt: Callable[[str], Exception]
    fence: tuple[str, ...]
    unfence: tuple[str, ...]
    insert: Callable[[Connection, Values, Sequence[Values], tuple[int, str] | None], Sequence[Any]] = insert_each


class Store:
    """An open store. Safe to use from several threads; several processes may have the same one open."""

    def __init__(self, engine: Engine, dialect: Dialect, openings: Openings) -> None:
        self._engine = engine
        self._dialect = dialect
        self._openings = openings
        self._head_query = dialect.entries.add_columns(_LAST_KEY).order_by(ENTRIES.c.seq.desc()).limit(1)
        self._row_query = dialect.entries.where(ENTRIES.c.seq == bindparam("seq"))

    @property
    def name(self) -> str:
        """What messages call it."""
        return self._dialect.name

    def close(self) -> None:
        """Close every connection to it."""
        self._engine.dispose()

    def corrupt(self, found: str) -> Exception:
        """Return the error for a store that is not as it was written."""
        return self._dialect.corrupt(found)

    @contextmanager
    def writing(self) -> Iterator[tuple[Connection, Head]]:
        """Hold the writer's place, and yield where the ledger ends meanwhile.

        Commit durably at the end, or leave nothing when the block raises; but an entry is there once `insert` returned.
        """
        with self._dialect.faults(), self._engine.connect() as connection:
            yield connection, self._head(self._dialect.begin(connection, self._head_query))
            connection.commit()

    def keep(self, connection: Connection, openings: Mapping[str, bytes]) -> None:
        """Keep the openings of what an entry withholds, within `writing`; they are durable when the entry is."""
        self._openings.begin(connection)
        self.settle(connection)
        for digest, opening in openings.items():
            self._openings.put(connection, digest, opening)

    def written(self, openings: Collection[str]) -> None:
        """Take note that what was kept has its entry now, after `writing`."""
        self._openings.written(openings)

    def settle(self, connection: Connection) -> None:
        """Remove openings of writers that died before their entry, within `writing`."""
        self._openings.settle(lambda: self.told(connection).withheld)

    def opening(self, digest: str) -> bytes | None:
        """Return the opening of that digest, None when it is not there or cannot be read."""
        with self._dialect.faults(), suppress(OSError):
            return self._openings.get(digest)
        return None

    def openings(self) -> dict[str, bytes]:
        """Return all openings that are kept, by their digests. Raises LedgerError for one that cannot be read."""
        with self._dialect.faults():
            try:
                found = {digest: self._openings.get(digest) for digest in self._openings.digests()}
            except OSError as error:
                raise unreadable_opening(self.name, error) from None
        return {digest: opening for digest, opening in found.items() if opening is not None}

    def told(self, within: Connection | None = None) -> Told:
        """Return what the entries say of openings."""
        return Told.by(self.rows(holding=MARK, within=within))

    @property
    def removes_at_once(self) -> bool:
        """Whether what is removed is gone at once, whatever becomes of the transaction."""
        return self._openings.removes_at_once

    def remove(self, connection: Connection, digests: Collection[str]) -> int:
        """Remove openings for good, within `writing`, and return how many there were."""
        return self._openings.remove(connection, digests)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Hold a connection for reads."""
        with self._dialect.faults(), self._engine.connect() as connection:
            yield connection

    def insert(
        self,
        connection: Connection,
        entry: Entry,
        body: bytes,
        made: Sequence[tuple[int, int, bytes]],
        checkpoint: tuple[int, str] | None = None,
    ) -> None:
        """Write the entry, whose canonical body is `body`, and the nodes that it completes, as the last of `writing`.

        With it the size and the note of a checkpoint, where there is one. A store may commit at once. Raises
        LedgerError `ledger.corrupt` where it is not there then.
        """
        values = {
            "seq": entry.seq,
            "at_ns": entry.at_ns,
            "kind": entry.kind.value,
            "run_id": entry.run_id,
            "body": body.decode("utf-8"),
            "prev_hash": entry.prev_hash,
            "hash": entry.hash,
        }
        found = self._dialect.insert(connection, values, [_tree_values(*each) for each in made], checkpoint)
        if [*found] != [entry.hash]:  # a rule or a trigger of somebody's
            raise self.corrupt(f"entry {entry.seq}, which was written, is not there as it was")

    def insert_copied(self, connection: Connection, rows: Sequence[Row], tree: GrowingTree) -> None:
        """Write rows as another store holds them, after those that `tree` has, and their nodes, within `writing`."""
        names = ("at_ns", "kind", "run_id", "body", "prev_hash", "hash")
        for row in rows:
            if any(getattr(row, name) is None for name in names if name != "run_id"):
                raise BrokenRowError("a field is missing")
        plain = [
            {"seq": row.seq, **{name: _decoded(getattr(row, name)) for name in names}, "at_ns": int(row.at_ns or b"")}
            for row in rows
        ]
        connection.execute(ENTRIES.insert(), plain)
        self.insert_nodes(connection, rows, tree)

    def insert_nodes(self, connection: Connection, rows: Sequence[Row], tree: GrowingTree) -> None:
        """Write the nodes of entries that have none; a row that is no entry gets a leaf that no entry has."""
        values = [_tree_values(*each) for row in rows for each in tree.append(_leaf(row))]
        connection.execute(TREE.insert(), values)

    def fence(self, connection: Connection) -> None:
        """Let nobody add an entry from the commit on, within `writing`."""
        for statement in self._dialect.fence:
            connection.exec_driver_sql(statement)

    def unfence(self, connection: Connection) -> None:
        """Let entries be added again, within `writing`."""
        for statement in self._dialect.unfence:
            connection.exec_driver_sql(statement)

    def insert_checkpoint(self, connection: Connection, size: int, note: str) -> None:
        """Write the note of a checkpoint, within `writing`."""
        connection.execute(_INSERT_CHECKPOINT, {"size": size, "note": note})

    def computed(self, connection: Connection, compute: Callable[[NodeAt], Any]) -> Any:
        """Return what is computed from nodes of the tree, read together. Raises LedgerError when one lacks."""
        wanted = {((position + 1) << level, level) for level, position in nodes_of(compute)}
        # By number alone, which is how the table is ordered: a row-value IN would read all of it.
        query = select(TREE).where(TREE.c.seq.in_({seq for seq, _ in wanted}))
        found = {(seq, level): digest for seq, level, digest in connection.execute(query)} if wanted else {}
        if any(not _is_digest(found.get(each)) for each in wanted):
            raise self.corrupt("a node of its Merkle tree is missing")
        return compute(lambda level, position: found[(position + 1) << level, level])

    def tree(self, connection: Connection, size: int) -> GrowingTree:
        """Return the tree of the first `size` entries, to go on from there."""
        tree = self.computed(connection, lambda node: GrowingTree.of(size, node))
        assert isinstance(tree, GrowingTree)
        return tree

    def root(self, connection: Connection, size: int) -> bytes:
        """Return the Merkle root of the first `size` entries."""
        digest = self.computed(connection, lambda node: root(size, node))
        assert isinstance(digest, bytes)
        return digest

    def head(self, connection: Connection) -> Head:
        """Return where the ledger ends now."""
        return self._head(connection.execute(self._head_query).one_or_none())

    def _head(self, found: Sequence[Any] | None) -> Head:
        return Head(None, None) if found is None else Head(self._row(found[:-1]), found[-1])

    def row(self, connection: Connection, seq: int) -> Row | None:
        """Return the row of that number, or None."""
        found = connection.execute(self._row_query, {"seq": seq}).all()
        if len(found) > 1:
            raise self.corrupt(f"entry {seq} is there {len(found)} times")
        return self._row(found[0]) if found else None

    def _row(self, found: Sequence[Any]) -> Row:
        self._whole(found[0], "the number of an entry")
        return self._dialect.row(found)

    def last_checkpoint(self, connection: Connection) -> tuple[int, str] | None:
        """Return the size and the note of the last checkpoint, or None."""
        found = connection.execute(select(CHECKPOINTS).order_by(CHECKPOINTS.c.size.desc()).limit(1)).one_or_none()
        return None if found is None else self._checkpoint(found)

    def checkpoints(self) -> list[tuple[int, str]]:
        """Return the size and the note of every checkpoint, smallest first."""
        with self.reading() as connection:
            found = connection.execute(select(CHECKPOINTS).order_by(CHECKPOINTS.c.size)).all()
        return [self._checkpoint(each) for each in found]

    def _checkpoint(self, found: Sequence[Any]) -> tuple[int, str]:
        return self._whole(found[0], "the size of a checkpoint"), str(found[1])

    def _whole(self, value: object, what: str) -> int:
        if type(value) is not int:
            raise self.corrupt(f"{what} is no whole number")
        return value

    def ends(self) -> tuple[int, int]:
        """Return the highest number of an entry and of a node, of one moment; 0 when there is none."""
        with self.reading() as connection:
            found = connection.execute(_ENDS).one()
        entries, nodes, unnumbered = (self._whole(end or 0, "the number of a row") for end in found)
        if unnumbered:
            raise self.corrupt("an entry has no number")
        return entries, nodes

    def nodes(self, until: int | None = None) -> Iterator[tuple[int, int, bytes | None]]:
        """Yield the nodes of the tree (seq, level, hash) in the order in which they were completed."""
        after: tuple[int, int] = (-1, -1)
        while True:
            query = select(TREE).where(tuple_(TREE.c.seq, TREE.c.level) > after)
            if until is not None:
                query = query.where(TREE.c.seq <= until)
            with self.reading() as connection:
                found = connection.execute(query.order_by(TREE.c.seq, TREE.c.level).limit(2 * _PAGE_ROWS)).all()
            if not found:
                return
            for seq, level, digest in found:
                for value in (seq, level):
                    self._whole(value, "the number of a node")
                yield seq, level, digest if _is_digest(digest) else None
            after = (found[-1][0], found[-1][1])

    def rows(
        self,
        kind: str | None = None,
        run_id: str | None = None,
        *,
        after: int | None = None,
        until: int | None = None,
        holding: str | None = None,
        within: Connection | None = None,
    ) -> Iterator[Row]:
        """Yield the rows in order, page by page; no transaction stays open between two of them.

        `after` leaves out those up to that number, `until` those beyond it, and `holding` those whose body has not that
        text. `within` is the connection of `writing`: then they are those of its transaction.
        """
        query = self._dialect.entries.order_by(ENTRIES.c.seq).limit(_PAGE_ROWS)
        if kind is not None:
            query = query.where(ENTRIES.c.kind == kind)
        if until is not None:
            query = query.where(ENTRIES.c.seq <= until)
        if run_id is not None:
            query = query.where(ENTRIES.c.run_id == run_id)
        if holding is not None:
            query = query.where(ENTRIES.c.body.contains(holding, autoescape=True))
        while True:
            page = query if after is None else query.where(ENTRIES.c.seq > after)
            with self.reading() if within is None else nullcontext(within) as connection:
                found = connection.execute(page).all()
            yield from (self._row(row) for row in found)
            if len(found) < _PAGE_ROWS:
                return
            after = found[-1][0]


def _tree_values(level: int, position: int, digest: bytes) -> Values:
    return {"seq": (position + 1) << level, "level": level, "hash": digest}


def _leaf(row: Row) -> bytes:
    try:
        return leaf_hash(row_bytes(row))
    except ValueError:
        return leaf_hash(b"")


def _decoded(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


def _is_digest(value: object) -> bool:
    return isinstance(value, bytes) and len(value) == _DIGEST_BYTES
