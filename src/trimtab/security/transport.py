"""How a server protects what travels and what proves who somebody is, and how much of that outlives a quantum computer.

It says what was read and what follows from it; where a thing cannot be read it says so.
"""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from trimtab.db import queries
from trimtab.db.connection import Connection, source_error
from trimtab.security.snapshot import SecuritySnapshot

HYBRID_GROUPS = ("x25519mlkem768", "secp256r1mlkem768", "secp384r1mlkem1024", "mlkem512", "mlkem768", "mlkem1024")
"""The key-exchange groups with ML-KEM (FIPS 203), as OpenSSL 3.5 and later name them."""


@dataclass(frozen=True, slots=True)
class OwnConnection:
    """How the connection that asked is protected. `version` is "TLSv1.3" or the like, None without TLS."""

    is_local: bool
    version: str | None
    cipher: str | None
    bits: int | None
    is_gss_encrypted: bool


@dataclass(frozen=True, slots=True)
class Transport:
    """The posture of a server. `key_exchange` and `signatures` tell what a quantum computer would make of each.

    A field is None where the role may not read it or the version does not have it.
    """

    tls: bool | None
    least_version: str | None
    most_version: str | None
    ciphers: str | None
    groups: str | None
    key_exchange: str
    password_hashing: str | None
    weak_hashes: int | None
    connection: OwnConnection

    @property
    def is_post_quantum(self) -> bool:
        """True when every TLS session of the server must have agreed its key with ML-KEM."""
        return self.key_exchange == "post_quantum"


def transport(connection: Connection, snapshot: SecuritySnapshot) -> Transport:
    """Return the posture of the server that the snapshot is of, and of this connection to it. Raises SourceError."""
    return transport_of(snapshot, own_connection(connection))


def own_connection(connection: Connection) -> OwnConnection:
    """Return how this connection is protected, as the server sees it. Raises SourceError."""
    try:
        text = queries.load("security_own_transport", connection.info.server_version)
        row = connection.execute(text.encode()).fetchone()
    except psycopg.Error as error:
        raise source_error(error) from None
    if row is None:
        return OwnConnection(is_local=False, version=None, cipher=None, bits=None, is_gss_encrypted=False)
    uses_tls, version, cipher, bits, gss, is_local = row
    return OwnConnection(
        is_local=bool(is_local),
        version=str(version) if uses_tls else None,
        cipher=str(cipher) if uses_tls else None,
        bits=int(bits) if uses_tls and bits is not None else None,
        is_gss_encrypted=bool(gss),
    )


def transport_of(snapshot: SecuritySnapshot, own: OwnConnection) -> Transport:
    """Return the posture that a snapshot tells of. Pure."""
    tls = snapshot.setting("ssl")
    groups = snapshot.setting("ssl_groups") or snapshot.setting("ssl_ecdh_curve")
    hashes = None if "passwords" in snapshot.unreadable else snapshot.rows("passwords").values()
    return Transport(
        tls=None if tls is None else tls == "on",
        least_version=snapshot.setting("ssl_min_protocol_version"),
        most_version=snapshot.setting("ssl_max_protocol_version"),
        ciphers=snapshot.setting("ssl_ciphers"),
        groups=groups,
        key_exchange=_key_exchange(tls, groups),
        password_hashing=snapshot.setting("password_encryption"),
        weak_hashes=None if hashes is None else sum(row.get("hash") in ("md5", "other") for row in hashes),
        connection=own,
    )


def _key_exchange(tls: str | None, groups: str | None) -> str:
    """Return none, unknown, classical, mixed or post_quantum.

    `mixed` is a server that offers ML-KEM beside groups that a recorded session of today is lost with.
    """
    if tls == "off":
        return "none"
    if tls is None or groups is None:
        return "unknown"
    offered = [group.strip().lower() for group in groups.replace("/", ":").replace(":", " ").split()]
    hybrid = [group for group in offered if group.strip("?*-") in HYBRID_GROUPS]
    if not hybrid:
        return "classical"
    return "post_quantum" if len(hybrid) == len(offered) else "mixed"
