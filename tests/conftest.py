"""What every test relies on, whatever its part of the product."""

from __future__ import annotations

import os
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

# In CI a failure must mean that the change broke something: there the examples are always the same.
settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("ci")


@pytest.fixture(autouse=True)
def _signal_handlers() -> Iterator[None]:
    """Python's own for Ctrl-C, though a shell's background job ignores it; and afterwards all are as before."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


# Here each module has servers and twins of its own, which are dear: one process runs all of its tests.
_TOGETHER = ("demo", "trial", "twin")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Tell xdist what is to stay together. Here, because its own hook for the whole list may come before ours."""
    if item.path.relative_to(Path(__file__).parent).parts[0] in _TOGETHER:
        item.add_marker(pytest.mark.xdist_group(str(item.path)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what takes long first, in random order among itself, so that all processes end together."""
    items.sort(key=lambda item: item.get_closest_marker("server") is None)
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)
