"""Serves the web pages from a thread of this process, on a free port of loopback: for measuring and for pictures."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from trimtab.web.app import web_app
from trimtab.web.site import SiteOptions


@contextmanager
def served(options: SiteOptions) -> Iterator[int]:
    """Serve until the block ends; it is given the port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = uvicorn.Server(uvicorn.Config(web_app(options), log_level="warning", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started and thread.is_alive():  # as `trimtab serve` says so
            thread.join(0.01)
        try:
            yield int(listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join()
