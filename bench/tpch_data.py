"""TPC-H at a scale factor: data by `tpcgen-cli`, queries from the DuckDB extension wheel, primary keys only."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from trimtab.db.connection import Connection, connect
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server

DATA = Path(__file__).parent / "data"
DATABASE = "tpch"
SETTINGS = {"shared_buffers": "2GB", "max_wal_size": "8GB", "maintenance_work_mem": "512MB"}

SCHEMA = """
create table region (r_regionkey integer primary key, r_name char(25) not null, r_comment varchar(152));
create table nation (n_nationkey integer primary key, n_name char(25) not null, n_regionkey integer not null,
    n_comment varchar(152));
create table part (p_partkey integer primary key, p_name varchar(55) not null, p_mfgr char(25) not null,
    p_brand char(10) not null, p_type varchar(25) not null, p_size integer not null, p_container char(10) not null,
    p_retailprice decimal(15,2) not null, p_comment varchar(23) not null);
create table supplier (s_suppkey integer primary key, s_name char(25) not null, s_address varchar(40) not null,
    s_nationkey integer not null, s_phone char(15) not null, s_acctbal decimal(15,2) not null,
    s_comment varchar(101) not null);
create table partsupp (ps_partkey integer not null, ps_suppkey integer not null, ps_availqty integer not null,
    ps_supplycost decimal(15,2) not null, ps_comment varchar(199) not null, primary key (ps_partkey, ps_suppkey));
create table customer (c_custkey integer primary key, c_name varchar(25) not null, c_address varchar(40) not null,
    c_nationkey integer not null, c_phone char(15) not null, c_acctbal decimal(15,2) not null,
    c_mktsegment char(10) not null, c_comment varchar(117) not null);
create table orders (o_orderkey bigint primary key, o_custkey integer not null, o_orderstatus char(1) not null,
    o_totalprice decimal(15,2) not null, o_orderdate date not null, o_orderpriority char(15) not null,
    o_clerk char(15) not null, o_shippriority integer not null, o_comment varchar(79) not null);
create table lineitem (l_orderkey bigint not null, l_partkey integer not null, l_suppkey integer not null,
    l_linenumber integer not null, l_quantity decimal(15,2) not null, l_extendedprice decimal(15,2) not null,
    l_discount decimal(15,2) not null, l_tax decimal(15,2) not null, l_returnflag char(1) not null,
    l_linestatus char(1) not null, l_shipdate date not null, l_commitdate date not null,
    l_receiptdate date not null, l_shipinstruct char(25) not null, l_shipmode char(10) not null,
    l_comment varchar(44) not null, primary key (l_orderkey, l_linenumber));
"""
TABLES = ("region", "nation", "part", "supplier", "partsupp", "customer", "orders", "lineitem")


def queries() -> dict[str, str]:
    """Return the 22 queries by name, q01 to q22."""
    import duckdb
    import duckdb_extension_tpch

    folder = Path(duckdb_extension_tpch.__file__).parent
    [extension] = folder.rglob("tpch.duckdb_extension")
    with duckdb.connect(config={"allow_unsigned_extensions": "true"}) as connection:
        connection.execute(f"LOAD '{extension}'")
        rows = connection.execute("select query_nr, query from tpch_queries() order by query_nr").fetchall()
    return {f"q{number:02}": text.strip().rstrip(";") for number, text in rows}


def write_workload(path: Path, texts: dict[str, str]) -> None:
    """Write the queries as a workload file."""
    path.write_text("".join(f"-- name: {name}\n{text};\n\n" for name, text in texts.items()))


def generate(scale: float) -> Path:
    """Generate the tables once; return their folder."""
    folder = DATA / f"tpch-{scale:g}"
    if not (folder / "lineitem.csv").exists():
        folder.mkdir(parents=True, exist_ok=True)
        program = Path(sys.executable).parent / "tpcgen-cli"
        subprocess.run(
            [program, "tpch", "csv", "-s", f"{scale:g}", "--output-dir", folder], check=True, capture_output=True
        )
    return folder


@contextmanager
def tpch_server(scale: float) -> Iterator[Server]:
    """Yield an embedded server with the loaded, analysed database; it is gone afterwards."""
    with Server.create(Binaries.find(), purpose="bench-tpch", settings=SETTINGS) as server:
        with closing(connect(server.dsn(), read_only=False)) as connection:
            connection.execute(f"create database {DATABASE}".encode())
        with closing(connect(server.dsn(DATABASE), read_only=False)) as connection:
            load(connection, scale)
            connection.execute("vacuum analyze")
        yield server


def load(connection: Connection, scale: float) -> None:
    """Create the tables with their primary keys and fill them; in one transaction, so that no log is written."""
    folder = generate(scale)
    with connection.transaction():
        connection.execute(SCHEMA.encode())
        for table in TABLES:
            copy_table(connection, table, folder / f"{table}.csv")


def copy_table(connection: Connection, table: str, path: Path) -> None:
    """Fill a table that this transaction created, from a CSV file whose first line names its columns."""
    with path.open("rb") as file:
        columns = file.readline().decode().strip()
        sql = f"copy {table} ({columns}) from stdin (format csv, freeze)".encode()
        with connection.cursor() as cursor, cursor.copy(sql) as copy:
            while block := file.read(1 << 20):
                copy.write(block)
