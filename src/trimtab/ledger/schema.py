"""The ledger's tables, the same in every store: the entries, the nodes of their Merkle tree, the signed checkpoints.

Each may only be added to; triggers of the store refuse the rest. They stop accidents: who may drop a trigger may also
edit, and is found by `verification.py`.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text, text

SCHEMA_VERSION = 5
WITHOUT_WITHHELD = 4
"""With 4 came the tree. 5 is what has entries that withhold something: an earlier Trimtab would take the digest for the
text. So one of 4 stays one until then.
"""

METADATA = MetaData()
_NUMBER = BigInteger().with_variant(Integer, "sqlite")
ENTRIES = Table(
    "entries",
    METADATA,
    Column("seq", _NUMBER, primary_key=True, autoincrement=False),
    Column("at_ns", _NUMBER, nullable=False),
    Column("kind", Text, nullable=False),
    Column("run_id", Text, nullable=True),
    Column("body", Text, nullable=False),
    Column("prev_hash", Text, nullable=False),
    Column("hash", Text, nullable=False),
)
TREE = Table(
    "tree",
    METADATA,
    Column("seq", _NUMBER, primary_key=True, autoincrement=False),
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
"""The node over the 2**level entries that end with `seq`: what RFC 6962 calls the hash of a complete subtree."""
CHECKPOINTS = Table(
    "checkpoints",
    METADATA,
    Column("size", _NUMBER, primary_key=True, autoincrement=False),
    Column("note", Text, nullable=False),
)
# Which key signs is asked before each checkpoint: without it that would read all entries.
KEYS_ONLY = "kind = 'ledger_key_set'"
KEYS_INDEX = Index("entries_keys", ENTRIES.c.seq, sqlite_where=text(KEYS_ONLY), postgresql_where=text(KEYS_ONLY))
