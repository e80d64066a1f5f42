"""A proxy that terminates TLS, as people put before what Trimtab serves: it tells who asks, and over which scheme.

Real sockets, real TLS with a certificate of its own; one request a connection, each sent on as it comes.
"""

from __future__ import annotations

import datetime
import ipaddress
import select
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NAME = "trimtab.example.com"
_PIECE_BYTES = 64 * 1024
_OF_PROXIES = (b"x-forwarded-for", b"x-forwarded-proto", b"connection")


@dataclass(frozen=True, slots=True)
class TlsProxy:
    """A proxy that listens at a port of loopback, and the certificate by which it is known."""

    port: int
    certificate: Path

    @property
    def trusting(self) -> ssl.SSLContext:
        """A context that trusts it, and nobody else."""
        return ssl.create_default_context(cafile=str(self.certificate))


@contextmanager
def tls_proxy(upstream_port: int, directory: Path) -> Iterator[TlsProxy]:
    """Stand before a port of loopback, with TLS, until the block ends."""
    certificate, key = _certificate(directory)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError), context.wrap_socket(self.request, server_side=True) as browser:
                _sent_on(browser, self.client_address[0], upstream_port)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads, allow_reuse_address = True, True

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield TlsProxy(int(server.server_address[1]), certificate)
        finally:
            server.shutdown()


def _sent_on(browser: ssl.SSLSocket, client: str, upstream_port: int) -> None:
    """Send one request on, with its headers as a proxy sets them, and what answers it until either side ends."""
    told = b""
    while b"\r\n\r\n" not in told:
        piece = browser.recv(_PIECE_BYTES)
        if not piece:
            return
        told += piece
    head, _, rest = told.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(_OF_PROXIES)]
    lines += [b"X-Forwarded-For: " + client.encode(), b"X-Forwarded-Proto: https", b"Connection: close"]
    with closing(socket.create_connection(("127.0.0.1", upstream_port))) as upstream:
        upstream.sendall(b"\r\n".join(lines) + b"\r\n\r\n" + rest)
        while True:
            ready = [browser] if browser.pending() else select.select([browser, upstream], [], [])[0]
            for source in ready:
                piece = source.recv(_PIECE_BYTES)
                if not piece:
                    return
                (upstream if source is browser else browser).sendall(piece)


def _certificate(directory: Path) -> tuple[Path, Path]:
    """Write a certificate for the proxy's names, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    names = [x509.DNSName(NAME), x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, key_file = directory / "proxy.crt", directory / "proxy.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, key_file
