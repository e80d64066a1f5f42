"""Claims about client programs that know no TLS and a server that takes nothing else.

The wheel's server knows no TLS either, so a front that does stands before it, as a connection pooler would.
"""

from __future__ import annotations

import asyncio
import shutil
import ssl
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from trimtab.db.connection import connect
from trimtab.db.relay import for_programs
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.errors import SourceError

pytestmark = pytest.mark.server

OPTIONS = (
    *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
    *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
)
PASSWORD = "Sesame-8151-Secret"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for localhost that signs itself, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl to make a certificate with")
    directory = tmp_path_factory.mktemp("certificate")
    paths = directory / "server.crt", directory / "server.key"
    subprocess.run(
        [openssl, *OPTIONS, "-out", str(paths[0]), "-keyout", str(paths[1])],
        check=True,
        capture_output=True,
    )
    return paths


@pytest.fixture(scope="module")
def walled(_own_places: None) -> Iterator[Server]:
    with Server.create(Binaries.find(), purpose="relay-tests") as server:
        with psycopg.connect(server.dsn(), autocommit=True) as conn:
            conn.execute(f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'".encode())
            conn.execute("CREATE TABLE thing AS SELECT generate_series(1, 200000) AS n")
            conn.execute("GRANT SELECT ON thing TO reader")
        hba = server.data_directory / "pg_hba.conf"
        hba.write_text("local all reader scram-sha-256\n" + hba.read_text())
        with psycopg.connect(server.dsn(), autocommit=True) as conn:
            conn.execute("SELECT pg_reload_conf()")
        yield server


@contextmanager
def front(server: Server, certificate: tuple[Path, Path]) -> Iterator[int]:
    """A port of localhost that takes TLS alone and hands on to the server's socket."""
    socket = Path(str(conninfo_to_dict(server.dsn())["host"])) / ".s.PGSQL.5432"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    loop = asyncio.new_event_loop()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with suppress(OSError, ssl.SSLError, EOFError):
            if await reader.readexactly(8) != struct.pack("!ii", 8, 80877103):
                writer.close()
                return
            writer.write(b"S")
            await writer.drain()
            await writer.start_tls(context)
            inner_reader, inner_writer = await asyncio.open_unix_connection(str(socket))
            writers.append(inner_writer)
            await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))

    async def end() -> None:
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        for writer in writers:
            writer.transport.abort()
        for _ in range(3):
            await asyncio.sleep(0)

    listening = loop.run_until_complete(asyncio.start_server(serve, "localhost", 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield listening.sockets[0].getsockname()[1]
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    listening.close()
    loop.run_until_complete(end())
    loop.close()


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
def test_pg_dump_of_the_wheel_reads_through_it(walled: Server, certificate: tuple[Path, Path], mode: str) -> None:
    with front(walled, certificate) as port:
        conninfo = make_conninfo(
            host="localhost",
            port=port,
            dbname="postgres",
            user="reader",
            password=PASSWORD,
            sslmode=mode,
            sslrootcert=str(certificate[0]),
            channel_binding="disable",
        )
        with for_programs(conninfo, walled.directory) as reachable:
            done = Binaries.find().run("pg_dump", "--no-password", "--table=thing", f"--dbname={reachable}")
            directory = Path(str(conninfo_to_dict(reachable)["host"]))
            assert directory.stat().st_mode & 0o077 == 0
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) > 200_000
        assert PASSWORD not in " ".join(done.args)
        assert not directory.exists()


def test_a_certificate_that_is_not_trusted_ends_it(walled: Server, certificate: tuple[Path, Path]) -> None:
    with front(walled, certificate) as port:
        conninfo = (
            f"host=localhost port={port} dbname=postgres user=reader sslmode=verify-full sslrootcert=/nowhere.crt"
        )
        with pytest.raises(SourceError), for_programs(conninfo, walled.directory):
            raise AssertionError("it was let through")


def test_without_tls_nothing_is_put_between(walled: Server) -> None:
    with for_programs(walled.dsn(), walled.directory) as reachable:
        assert reachable == walled.dsn()


def test_an_empty_string_means_the_database_of_the_environment(walled: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with connect(walled.dsn(), read_only=False) as conn:
        conn.execute(b'CREATE DATABASE "my shop"')
    given = conninfo_to_dict(walled.dsn("my shop"))
    for variable, key in (("PGHOST", "host"), ("PGUSER", "user"), ("PGDATABASE", "dbname")):
        monkeypatch.setenv(variable, str(given[key]))
    with for_programs("", walled.directory) as reachable:
        assert conninfo_to_dict(reachable) == {"dbname": "my shop"}
