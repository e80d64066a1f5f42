"""Lets PostgreSQL's client programs reach a server that wants TLS, though they were built without it.

The programs of the wheel know no TLS. Where our own session needs it, they are given a private Unix socket instead, and
each of their connections is carried over TLS as libpq would: the same mode, certificates and keys. Whoever may open the
socket's directory (this user alone) still has to log in to the server.
"""

from __future__ import annotations

import asyncio
import shutil
import ssl
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.db.role import reading

if TYPE_CHECKING:
    from trimtab.db.connection import Connection

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)  # protocol.html, SSLRequest
_CHUNK_BYTES = 1 << 16
_PORT = "5432"


@contextmanager
def for_programs(conninfo: str, place: Path) -> Iterator[str]:
    """Yield a connection string with which client programs reach the same database. Raises SourceError.

    `place` is a private directory of the caller's with a short path: the socket's directory is made in there.
    """
    from psycopg.conninfo import make_conninfo

    with closing(reading(conninfo)) as session:
        is_encrypted = bool(session.pgconn.ssl_in_use)
        door = _Door.of(session)
        database, user, password = session.info.dbname, session.info.user, session.info.password
    if not is_encrypted:
        yield conninfo or make_conninfo("", dbname=database)
        return
    with _socket_directory(place) as directory, _open(door, directory):
        secret = {"password": password} if password else {}
        yield make_conninfo(
            "",
            host=str(directory),
            port=_PORT,
            dbname=database,
            user=user,
            sslmode="disable",
            target_session_attrs="any",
            **secret,
            **({"options": door.options["options"]} if "options" in door.options else {}),
        )


@contextmanager
def _socket_directory(place: Path) -> Iterator[Path]:
    directory = place / "t"
    directory.mkdir(mode=0o700)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class _Door:
    """Where the server really is, and libpq's options of the session that reached it."""

    host: str
    address: str
    port: int
    options: Mapping[str, str]

    @classmethod
    def of(cls, session: Connection) -> _Door:
        options = {o.keyword.decode(): o.val.decode() for o in session.pgconn.info if o.val}
        return cls(session.info.host, session.info.hostaddr or session.info.host, session.info.port, options)

    def context(self) -> ssl.SSLContext:
        """Return what libpq does for `sslmode` and its files (libpq-ssl.html)."""
        mode, home = self.options.get("sslmode", "prefer"), Path("~/.postgresql").expanduser()
        root = self.options.get("sslrootcert") or str(home / "root.crt")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if mode in ("verify-ca", "verify-full") or (mode == "require" and Path(root).exists()):
            context.verify_mode = ssl.CERT_REQUIRED
            context.check_hostname = mode == "verify-full"
            if root == "system":
                context.load_default_certs()
            else:
                context.load_verify_locations(root)
        if "sslcrl" in self.options:
            context.load_verify_locations(self.options["sslcrl"])
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
        certificate = Path(self.options.get("sslcert") or home / "postgresql.crt")
        if certificate.exists():
            key = self.options.get("sslkey") or home / "postgresql.key"
            context.load_cert_chain(certificate, key, self.options.get("sslpassword", ""))
        if self._is_direct:
            context.set_alpn_protocols(["postgresql"])
        return context

    @property
    def _is_direct(self) -> bool:
        return self.options.get("sslnegotiation") == "direct"

    async def connect(self, context: ssl.SSLContext) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return an encrypted connection, ready for a start-up message."""
        reader, writer = await asyncio.open_connection(self.address, self.port)
        if not self._is_direct:
            writer.write(_SSL_REQUEST)
            await writer.drain()
            if await reader.readexactly(1) != b"S":
                writer.transport.abort()
                raise ConnectionError("the server takes no TLS")
        await writer.start_tls(context, server_hostname=self.host)
        return reader, writer


@contextmanager
def _open(door: _Door, directory: Path) -> Iterator[None]:
    """Carry connections to the socket in the directory for as long as the context lasts."""
    loop = asyncio.new_event_loop()
    context = door.context()
    writers: list[asyncio.StreamWriter] = []

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with suppress(OSError, ssl.SSLError, EOFError):
            there_reader, there_writer = await door.connect(context)
            writers.append(there_writer)
            await asyncio.gather(_pump(reader, there_writer), _pump(there_reader, writer))
        writer.close()

    async def end() -> None:
        """Nobody waits for a last word: the programs have ended."""
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        for writer in writers:
            writer.transport.abort()
        for _ in range(3):  # a transport is closed in a step of its own
            await asyncio.sleep(0)

    server = loop.run_until_complete(asyncio.start_unix_server(carry, directory / f".s.PGSQL.{_PORT}"))
    thread = threading.Thread(target=loop.run_forever, name="trimtab-tls", daemon=True)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.run_until_complete(end())
        loop.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry bytes until the sender ends; then the receiver is told."""
    try:
        while data := await reader.read(_CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()
