"""What a security snapshot costs: 2,000 tables and 500 roles within 5 s, as the role that a run reads with.

The schema has what a snapshot looks at: row security, policies, views over them, functions, triggers, constraints,
several indexes a table, grants, memberships. The first snapshot of a session also fills the server's caches; later ones
are what a change costs.
"""

from __future__ import annotations

import statistics
import time
from contextlib import closing

from bench import results_file
from trimtab.db.connection import Connection, connect
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.security.difference import compare
from trimtab.security.read import read_security
from trimtab.security.snapshot import SecuritySnapshot

TABLES, ROLES, LIMIT_SECONDS, REPEATS = 2_000, 500, 5.0, 5
_PER_STATEMENT = 100
_SETTINGS = {"max_locks_per_transaction": "4096"}


def measure() -> None:
    """Make the schema, take snapshots, print and write what they took."""
    with Server.create(Binaries.find(), purpose="bench-security", settings=_SETTINGS) as server:
        with closing(connect(server.dsn(), read_only=False)) as owner:
            _make(owner)
        rows = []
        for role, what in (("trimtab", "superuser"), ("r0", "monitoring role")):
            with closing(connect(server.dsn(user=role), read_only=True)) as connection:
                rows.append(_measured(connection, what))
    for row in rows:
        print(
            f"{row['role']:<16} first {row['first_seconds']:.2f} s, later {row['later_seconds']:.2f} s"
            f" (most {row['most_seconds']:.2f} s), compared in {row['compare_seconds']:.2f} s,"
            f" {row['rows']:,} rows, unreadable: {row['unreadable'] or 'nothing'}"
        )
    is_reached = all(float(str(row["first_seconds"])) <= LIMIT_SECONDS for row in rows)
    print(f"{TABLES:,} tables and {ROLES} roles: goal {LIMIT_SECONDS:.0f} s {'reached' if is_reached else 'MISSED'}")
    path = results_file.write(
        "governance_security",
        {"tables": TABLES, "roles": ROLES, "limit_seconds": LIMIT_SECONDS, "reached": is_reached, "measured": rows},
    )
    print(f"wrote {path.name}")


def _measured(connection: Connection, what: str) -> dict[str, object]:
    first, first_seconds = _timed(connection)
    later = [_timed(connection) for _ in range(REPEATS)]
    started = time.monotonic()
    assert compare(first, later[-1][0]) == ()
    compare_seconds = time.monotonic() - started
    return {
        "role": what,
        "first_seconds": round(first_seconds, 3),
        "later_seconds": round(statistics.median(seconds for _, seconds in later), 3),
        "most_seconds": round(max(seconds for _, seconds in later), 3),
        "compare_seconds": round(compare_seconds, 3),
        "rows": first.count,
        "unreadable": sorted(first.unreadable),
    }


def _timed(connection: Connection) -> tuple[SecuritySnapshot, float]:
    """The digest is part of what a comparison takes."""
    started = time.monotonic()
    snapshot = read_security(connection, now_ns=time.time_ns)
    assert snapshot.digest
    return snapshot, time.monotonic() - started


def _make(owner: Connection) -> None:
    for n in range(ROLES):
        owner.execute(f"CREATE ROLE r{n} LOGIN CONNECTION LIMIT {n % 50 - 1}".encode())
        if n % 10:
            owner.execute(f"GRANT r{n - n % 10} TO r{n}".encode())
    owner.execute("GRANT pg_monitor TO r0")
    owner.execute(b"CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")
    for start in range(0, TABLES, _PER_STATEMENT):
        owner.execute("\n".join(_table(n) for n in range(start, start + _PER_STATEMENT)).encode())


def _table(n: int) -> str:
    text = f"""
        CREATE TABLE t{n} (id bigint PRIMARY KEY, owner text NOT NULL, kind text, amount numeric CHECK (amount >= {n}),
            parent bigint REFERENCES t{max(n - 1, 0)} (id));
        CREATE UNIQUE INDEX t{n}_owner ON t{n} (owner, kind);
        CREATE INDEX t{n}_kind ON t{n} (kind) INCLUDE (amount) WHERE amount > {n};
        CREATE INDEX t{n}_lower ON t{n} (lower(kind));
        GRANT SELECT, UPDATE (kind) ON t{n} TO r{n % ROLES}, r{(n + 1) % ROLES};
    """
    if n % 4 == 0:
        text += f"""
            ALTER TABLE t{n} ENABLE ROW LEVEL SECURITY;
            CREATE POLICY own ON t{n} USING (owner = current_user);
            CREATE VIEW v{n} WITH (security_barrier) AS SELECT id, kind FROM t{n} WHERE amount > {n};
            CREATE TRIGGER stamped BEFORE INSERT ON t{n} FOR EACH ROW EXECUTE FUNCTION stamp();
            CREATE FUNCTION f{n}(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + {n}';
        """
    return text
