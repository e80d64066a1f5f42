"""A site on a real socket for a real browser, and what axe finds on a page."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from trimtab.web.app import web_app
from trimtab.web.site import SiteOptions

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

OF_COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}


@contextmanager
def served(options: SiteOptions) -> Iterator[str]:
    """Serve a site, and yield its origin."""
    import uvicorn

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        config = uvicorn.Config(web_app(options), log_level="error", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(20)


def faults(page: Any) -> list[str]:
    """Return what axe finds on a page that is serious or critical for readers, in light colours and in dark ones."""
    from axe_playwright_python.sync_playwright import Axe

    found: list[dict[str, Any]] = []
    for scheme, rules in (("light", {}), ("dark", OF_COLOURS)):
        page.emulate_media(color_scheme=scheme)
        found += Axe().run(page, options={"resultTypes": ["violations"], **rules}).response["violations"]
    return [each["id"] for each in found if each["impact"] in ("serious", "critical")]


def fits(page: Any) -> bool:
    """Return whether a page needs no scrolling to the side on a narrow screen; afterwards the screen is wide."""
    page.set_viewport_size({"width": 320, "height": 640})
    # A busy browser is told of the new size before it has it.
    deadline = time.monotonic() + 10
    while page.evaluate("document.documentElement.scrollWidth") > 320 and time.monotonic() < deadline:
        time.sleep(0.05)
    width = page.evaluate("document.documentElement.scrollWidth")
    page.set_viewport_size({"width": 1200, "height": 800})
    return bool(width <= 320)
