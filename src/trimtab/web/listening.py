"""Takes the port that a server of ours listens at, and says whether its address is of this machine alone."""

from __future__ import annotations

import errno
import ipaddress
import socket

from trimtab.errors import UsageError


def is_loopback(host: str) -> bool:
    """Return True when nobody else than this machine reaches it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def listening(host: str, port: int, *, code: str) -> socket.socket:
    """Return a socket that listens. Raises UsageError with `code`, which says who else may have the port."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(128)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        what = "another program has that port" if taken else str(error.strerror or error)
        raise UsageError(
            f"port {port} of {host} cannot be listened at: {what}",
            code=code,
            next_step="Give another with --port, or 0 for any that is free.",
        ) from None
    return listener
