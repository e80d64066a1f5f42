"""Where tests have their servers, and which programs of the system they may use. Starts nothing itself."""

from __future__ import annotations

import os
import shutil
import subprocess
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


@contextmanager
def read_only(directory: Path) -> Iterator[None]:
    """Let nobody write below the directory, nor root: who is root mounts it to be read, rights stop everybody else."""
    if os.geteuid() != 0:
        directory.chmod(0o555)
    else:
        place = str(directory)
        bound = subprocess.run(["mount", "--bind", place, place], capture_output=True, text=True, check=False)
        if bound.returncode != 0:
            pytest.skip(f"root may not mount here, and rights do not stop root: {bound.stderr.strip()}")
        subprocess.run(["mount", "-o", "remount,ro,bind", place], check=True)
    try:
        yield
    finally:
        if os.geteuid() != 0:
            directory.chmod(0o755)
        else:
            subprocess.run(["umount", "--lazy", str(directory)], check=True)
