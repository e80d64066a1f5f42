"""What every test relies on, whatever its part of the product."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import settings

_MEMORY, _ENOUGH_BYTES = "/dev/shm", 4 << 30  # the suite's servers need a few hundred megabytes


def _prefer_memory() -> None:
    """Hundreds of servers are made of a thousand small files each: a file system in memory halves the suite's time."""
    with suppress(OSError):
        found = os.statvfs(_MEMORY)
        has_room = found.f_bavail * found.f_frsize >= _ENOUGH_BYTES
        if has_room and not found.f_flag & os.ST_NOEXEC and "TMPDIR" not in os.environ:
            os.environ["TMPDIR"] = _MEMORY
            tempfile.tempdir = None


_prefer_memory()

# The tests' own servers are reached as their superusers; what is refused of such a role is tested where it is unset.
os.environ["TRIMTAB_ALLOW_OVERPRIVILEGED"] = "1"

# In CI a failure must mean that the change broke something: there the examples are always the same.
settings.register_profile("ci", derandomize=True, deadline=None)
# Elsewhere they are new each time; how long one takes says more of the machine than of the code.
settings.register_profile("developer", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "developer")


@pytest.fixture(scope="session")
def cache_directory() -> Iterator[Path]:
    """A cache of this session's own: no server's template is shared with the user's."""
    path = Path(tempfile.mkdtemp(prefix="ttc-")).resolve()
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture(autouse=True)
def _signal_handlers() -> Iterator[None]:
    """Python's own for Ctrl-C, though a shell's background job ignores it; and afterwards all are as before."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
    before = {number: signal.getsignal(number) for number in numbers}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)  # else a server that has hardly begun is killed 15 seconds later
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put modules that take long first, in random order among themselves, so that all processes end together."""
    long = {item.path for item in items if item.get_closest_marker("server") is not None}
    items.sort(key=lambda item: item.path not in long)


def pytest_collection_finish() -> None:
    """What was imported and collected stays to the end: no need to look through it for garbage again and again."""
    gc.collect()
    gc.freeze()
