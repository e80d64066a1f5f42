"""Places of their own for these tests: no server, template or lock is shared with the user's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from trimtab.embedded.binaries import Binaries
from trimtab.embedded.processes import end_processes, processes_in

# Another installation can take its place, to test another version.
SYSTEM_BIN = Path(os.environ.get("TRIMTAB_TEST_PG_BIN", "/usr/lib/postgresql/15/bin"))


@pytest.fixture
def run_directory() -> Iterator[Path]:
    """A short path that the serving account can pass through, unlike pytest's own temporary directories."""
    path = Path(tempfile.mkdtemp(prefix="ttr-")).resolve()
    path.chmod(0o711)
    yield path
    left = processes_in(path)
    end_processes(path)
    shutil.rmtree(path)
    assert left == {}


@pytest.fixture(autouse=True)
def places(cache_directory: Path, run_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMTAB_CACHE", str(cache_directory))
    monkeypatch.setenv("TRIMTAB_RUN_DIR", str(run_directory))


@pytest.fixture(scope="session")
def binaries() -> Binaries:
    return Binaries.find()


@pytest.fixture(scope="session")
def system_binaries() -> Binaries:
    if not (SYSTEM_BIN / "postgres").exists():
        pytest.skip(f"no PostgreSQL in {SYSTEM_BIN}")
    return Binaries.find(SYSTEM_BIN)


OwnerStarter = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def start_owner() -> Iterator[OwnerStarter]:
    """Start another Python process that runs the given code; it is told to end if it still runs."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", code]
        pipe = subprocess.PIPE
        owner = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment)
        started.append(owner)
        return owner

    yield start
    for owner in started:
        owner.terminate()
        owner.communicate(timeout=60)
