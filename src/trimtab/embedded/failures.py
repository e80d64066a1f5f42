"""Decides how a failed PostgreSQL program is reported: what failed, and the last lines it wrote.

It never hides a full disk behind another reason, and never reads more of a log than its end.
"""

from __future__ import annotations

import os
from pathlib import Path

from trimtab.errors import EmbeddedError

TAIL_LINES = 12
_TAIL_BYTES = 16_384


def failed(what: str, output: str, *, code: str, next_step: str) -> EmbeddedError:
    """Return the error for a program that wrote `output`; a full disk gets its own code."""
    lines = [line for line in output.splitlines() if line.strip()][-TAIL_LINES:]
    told = "\n  ".join(lines) if lines else "(it wrote nothing)"
    if "No space left on device" in output:
        code = "embedded.disk_full"
        next_step = "Free some space, or set TRIMTAB_RUN_DIR and TRIMTAB_CACHE to a larger file system."
    return EmbeddedError(f"{what}; its last lines:\n  {told}", code=code, next_step=next_step)


def text_since(path: Path, offset: int) -> str:
    """Return the end of what was written to a file after `offset` bytes, or nothing when it cannot be read."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(offset, end - _TAIL_BYTES))
            return file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
