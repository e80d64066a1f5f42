"""The history's tables, the same in every store: servers, statements, what ran, samples, events, single executions."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

SCHEMA_VERSION = 1

METADATA = MetaData()
_NUMBER = BigInteger().with_variant(Integer, "sqlite")
SERVERS = Table(
    "servers",
    METADATA,
    Column("id", _NUMBER, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False, unique=True),
    Column("facts", Text, nullable=False),
)
"""`facts` are JSON: what `ServerFacts` holds."""
STATEMENTS = Table(
    "statements",
    METADATA,
    Column("server", _NUMBER, primary_key=True, autoincrement=False),
    Column("number", _NUMBER, primary_key=True, autoincrement=False),
    Column("role_oid", _NUMBER, nullable=False),
    Column("query_id", _NUMBER, nullable=False),
    Column("is_top_level", Boolean, nullable=False),
    Column("name", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("is_workload", Boolean, nullable=False),
    Column("first_ns", _NUMBER, nullable=False),
    Column("seen_ns", _NUMBER, nullable=False),
    UniqueConstraint("server", "role_oid", "query_id", "is_top_level"),
    sqlite_with_rowid=False,
)
SLOTS = Table(
    "slots",
    METADATA,
    Column("server", _NUMBER, primary_key=True, autoincrement=False),
    Column("tier", Integer, primary_key=True, autoincrement=False),
    Column("part", _NUMBER, primary_key=True, autoincrement=False),
    Column("start_ns", _NUMBER, primary_key=True, autoincrement=False),
    Column("seconds", Float, nullable=False),
    Column("active", Float, nullable=False),
    Column("numbers", LargeBinary, nullable=False),
    Column("counts", LargeBinary, nullable=False),
)
"""A part holds statements whose numbers are near one another, so that one statement's life reads few bytes."""
SAMPLES = Table(
    "samples",
    METADATA,
    Column("server", _NUMBER, primary_key=True, autoincrement=False),
    Column("kind", Integer, primary_key=True, autoincrement=False),
    Column("tier", Integer, primary_key=True, autoincrement=False),
    Column("start_ns", _NUMBER, primary_key=True, autoincrement=False),
    Column("seconds", Float, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
EVENTS = Table(
    "events",
    METADATA,
    Column("id", _NUMBER, primary_key=True, autoincrement=True),
    Column("server", _NUMBER, nullable=False),
    Column("at_ns", _NUMBER, nullable=False),
    Column("kind", Text, nullable=False),
    Column("detail", Text, nullable=False),
)
EVENTS_INDEX = Index("events_of", EVENTS.c.server, EVENTS.c.at_ns)
EXECUTIONS = Table(
    "executions",
    METADATA,
    Column("id", _NUMBER, primary_key=True, autoincrement=True),
    Column("server", _NUMBER, nullable=False),
    Column("start_ns", _NUMBER, nullable=False),
    Column("end_ns", _NUMBER, nullable=False),
    Column("executions", _NUMBER, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
"""Some thousands of single executions of a log a row, as arrays (`executions.py`)."""
EXECUTIONS_INDEX = Index("executions_of", EXECUTIONS.c.server, EXECUTIONS.c.end_ns)
LOGS = Table(
    "logs",
    METADATA,
    Column("server", _NUMBER, primary_key=True, autoincrement=False),
    Column("file", Text, primary_key=True),
    Column("offset", _NUMBER, nullable=False),
    Column("read_ns", _NUMBER, nullable=False),
)
"""How far each file of a server's log was read; `file` is a digest of its first bytes."""
