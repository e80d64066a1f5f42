"""Prints an HTML file to PDF with the Chrome or Chromium of this machine: its own profile, no network, an end in time.

The page has no script, its own policy forbids any, and the browser is told to reach no host. It is a process of its
own, and ends with its children.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL

from trimtab.errors import UsageError

PROGRAMS = (
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
    "chrome",
    "chrome-headless-shell",
    "msedge",
)
TIMEOUT_SECONDS = 120.0
_LONGEST_PLACE = 40
_SWITCHES = (
    "--headless",
    "--disable-gpu",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-pdf-header-footer",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)


def pdf_of(
    html: str, *, which: Callable[[str], str | None] = shutil.which, timeout_seconds: float = TIMEOUT_SECONDS
) -> bytes:
    """Return the page as PDF. Raises UsageError `report.no_browser` without a browser, `report.pdf` when it fails."""
    program = next((found for name in PROGRAMS if (found := which(name)) is not None), None)
    if program is None:
        raise UsageError(
            "no PDF was made: there is no Chrome or Chromium on the PATH to print it",
            code="report.no_browser",
            next_step="Install Chromium; or write --format html and print that page from any browser.",
        )
    with tempfile.TemporaryDirectory(prefix="trimtab-pdf-", dir=_short(), ignore_cleanup_errors=True) as place:
        page, printed = Path(place) / "printed.html", Path(place) / "printed.pdf"
        page.write_text(html, "utf-8")
        # Chromium refuses its sandbox to root; the page is ours, and holds no script.
        as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
        command = [program, *_SWITCHES, *as_root, f"--user-data-dir={place}/profile", f"--print-to-pdf={printed}"]
        found = _ended([*command, page.as_uri()], place, timeout_seconds)
        content = printed.read_bytes() if printed.exists() else b""
    if not content.startswith(b"%PDF-"):
        raise UsageError(
            f"no PDF was made: {Path(program).name} {found}",
            code="report.pdf",
            next_step="Write --format html and print that page from any browser.",
        )
    return content


def _short() -> str | None:
    """Return where a browser can make its sockets: their paths may have 107 bytes, and it aborts where they do not."""
    return "/tmp" if len(os.fsencode(tempfile.gettempdir())) > _LONGEST_PLACE else None  # noqa: S108


def _ended(command: list[str], place: str, timeout_seconds: float) -> str:
    """Run the browser in a group of its own, end all of it in the end, and return how it ended."""
    environment = {**os.environ, "HOME": place, "TMPDIR": place, "XDG_CONFIG_HOME": place, "XDG_CACHE_HOME": place}
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            return f"ended with {process.wait(timeout_seconds)}"
        except subprocess.TimeoutExpired:
            return f"did not end within {timeout_seconds:g} s"
        finally:
            _end_group(process.pid)


def _end_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, SIGKILL)
