"""TPC-DS at a scale factor: data by `tpcgen-cli`, the 99 queries from the DuckDB extension wheel, indexes on keys.

The queries are taken as they are: PostgreSQL 15 and 18 plan all 99 without a change of dialect.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.tpch_data import copy_table
from trimtab.db.connection import Connection

DATA = Path(__file__).parent / "data"
SCHEMA = Path(__file__).with_name("tpcds_schema.sql")
INDEXES = Path(__file__).with_name("tpcds_indexes.sql")


def queries() -> dict[str, str]:
    """Return the 99 queries by name, q01 to q99."""
    import duckdb
    import duckdb_extension_tpcds

    folder = Path(duckdb_extension_tpcds.__file__).parent
    [extension] = folder.rglob("tpcds.duckdb_extension")
    with duckdb.connect(config={"allow_unsigned_extensions": "true"}) as connection:
        connection.execute(f"LOAD '{extension}'")
        rows = connection.execute("select query_nr, query from tpcds_queries() order by query_nr").fetchall()
    return {f"q{number:02}": text.strip().rstrip(";") for number, text in rows}


def generate(scale: float) -> Path:
    """Generate the tables once; return their folder. The last file written tells that it is complete."""
    folder = DATA / f"tpcds-{scale:g}"
    complete = folder / "complete"
    if not complete.exists():
        folder.mkdir(parents=True, exist_ok=True)
        program = Path(sys.executable).parent / "tpcgen-cli"
        options = ["-s", f"{scale:g}", "--output-dir", str(folder), "--overwrite", "--quiet"]
        subprocess.run([program, "tpcds", "csv", *options], check=True, capture_output=True)
        complete.touch()
    return folder


def load(connection: Connection, scale: float) -> None:
    """Create the tables, fill them, and add the primary keys and the indexes on foreign keys: all in one transaction.

    So nothing of it goes through the write-ahead log.
    """
    folder = generate(scale)
    with connection.transaction():
        _load(connection, folder)


def _load(connection: Connection, folder: Path) -> None:
    connection.execute(SCHEMA.read_bytes())
    tables = connection.execute(
        "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
    )
    for (table,) in tables.fetchall():
        copy_table(connection, table, folder / f"{table}.csv")
    connection.execute(INDEXES.read_bytes())
