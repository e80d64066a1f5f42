"""Where tests have their servers, and which programs of the system they may use. Starts nothing itself."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def system_bin() -> Path | None:
    """Return the newest of the system's PostgreSQL programs where Debian's packages put them, None without any."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: int(p.parts[-3]))
    return found[-1].parent if found else None


@contextmanager
def own_places(prefix: str) -> Iterator[None]:
    """Have servers made in a directory of its own, which is gone afterwards with all that was left in it."""
    path = Path(tempfile.mkdtemp(prefix=prefix)).resolve()
    path.chmod(0o711)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRIMTAB_RUN_DIR", str(path))
        yield
    shutil.rmtree(path)
