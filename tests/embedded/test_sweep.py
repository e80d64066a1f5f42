from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from trimtab.embedded.binaries import Binaries
from trimtab.embedded.processes import processes_in
from trimtab.embedded.residence import Residence
from trimtab.embedded.scratch import scratch_directory
from trimtab.embedded.server import Server
from trimtab.embedded.sweep import sweep

_OWNER = """
import signal, sys, time
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.embedded.signals import cleanup_on_signals
signal.signal(signal.SIGINT, signal.default_int_handler)
with cleanup_on_signals():
    {body}
"""
_HOLD = """with Server.create(Binaries.find(), purpose="owner") as server:
        print(server.directory, flush=True)
        while True:
            time.sleep(0.05)"""
_SCRATCH = """from trimtab.embedded.scratch import scratch_directory
    with scratch_directory() as directory:
        (directory / "secrets").write_text("of a run")
        print(directory, flush=True)
        time.sleep(600)"""
_FORGET = """server = Server.create(Binaries.find(), purpose="owner")
    print(server.directory, flush=True)"""
_FAIL = _FORGET + "\n    raise RuntimeError('on purpose')"
_ABANDON = _FORGET + "\n    time.sleep(600)"

StartOwner = Callable[[str], "subprocess.Popen[str]"]


def _directory(owner: subprocess.Popen[str]) -> Path:
    assert owner.stdout is not None
    line = owner.stdout.readline()
    assert line, owner.communicate()[1]
    return Path(line.strip())


def _wait_until(claim: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.server
@pytest.mark.parametrize(
    ("number", "body", "status"),
    [
        (signal.SIGTERM, _HOLD, 143),
        (signal.SIGTERM, _ABANDON, 143),
        (signal.SIGHUP, _HOLD, 129),
        (signal.SIGINT, _HOLD, 130),
        (signal.SIGINT, _ABANDON, 130),
    ],
)
def test_an_owner_that_is_told_to_end_leaves_nothing(
    start_owner: StartOwner, run_directory: Path, number: signal.Signals, body: str, status: int
) -> None:
    owner = start_owner(_OWNER.format(body=body))
    directory = _directory(owner)
    assert processes_in(directory)
    owner.send_signal(number)
    owner.communicate(timeout=60)
    assert owner.returncode == status
    assert processes_in(directory) == {}
    assert list(run_directory.iterdir()) == []


@pytest.mark.server
@pytest.mark.parametrize(("body", "status"), [(_FORGET, 0), (_FAIL, 1)])
def test_an_owner_that_ends_without_destroying_leaves_nothing(
    start_owner: StartOwner, run_directory: Path, body: str, status: int
) -> None:
    owner = start_owner(_OWNER.format(body=body))
    directory = _directory(owner)
    owner.communicate(timeout=60)
    assert owner.returncode == status
    assert processes_in(directory) == {}
    assert list(run_directory.iterdir()) == []


@pytest.mark.server
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("delay_seconds", [0.0, 0.05, 0.1, 0.2])
def test_an_owner_that_is_interrupted_while_creating_leaves_nothing(
    start_owner: StartOwner, run_directory: Path, number: signal.Signals, delay_seconds: float
) -> None:
    owner = start_owner(_OWNER.format(body="print('creating', flush=True)\n    " + _HOLD))
    _directory(owner)
    time.sleep(delay_seconds)
    owner.send_signal(number)
    owner.communicate(timeout=60)
    assert owner.returncode in (143, 130)
    assert processes_in(run_directory) == {}
    assert list(run_directory.iterdir()) == []


@pytest.mark.server
def test_a_killed_owner_leaves_nothing_after_the_next_start(
    start_owner: StartOwner, run_directory: Path, binaries: Binaries
) -> None:
    owner = start_owner(_OWNER.format(body=_HOLD))
    directory = _directory(owner)
    owner.kill()
    owner.communicate(timeout=60)
    assert processes_in(directory)  # Nobody stopped it: this is what the next start finds.
    with Server.create(binaries, purpose="next") as server:
        assert processes_in(directory) == {}
        assert not directory.exists()
        assert {path.name.split(".")[0] for path in run_directory.iterdir()} == {server.directory.name}
    assert list(run_directory.iterdir()) == []


def test_scratch_files_go_with_their_owner_and_a_killed_ones_with_the_next_start(
    start_owner: StartOwner, run_directory: Path
) -> None:
    told = start_owner(_OWNER.format(body=_SCRATCH))
    killed = start_owner(_OWNER.format(body=_SCRATCH))
    theirs, left = _directory(told), _directory(killed)
    killed.kill()
    killed.communicate(timeout=60)
    assert (left / "secrets").exists()
    with scratch_directory() as mine:
        assert mine.stat().st_mode & 0o077 == 0
        assert not left.exists()
        assert (theirs / "secrets").exists()
    told.terminate()
    told.communicate(timeout=60)
    assert told.returncode == 143
    assert list(run_directory.iterdir()) == []


@pytest.mark.server
def test_a_living_owners_server_is_never_swept(start_owner: StartOwner, binaries: Binaries) -> None:
    theirs = _directory(start_owner(_OWNER.format(body=_HOLD)))
    with Server.create(binaries, purpose="mine") as mine:
        assert sweep() == ()
        assert processes_in(theirs)
        assert (theirs / "data" / "postmaster.pid").exists()
        assert mine.run("psql", "-Atc", "SELECT 1").stdout == "1\n"


def test_directories_that_have_no_owner_file_stay(run_directory: Path) -> None:
    (run_directory / "somebody").mkdir()
    assert sweep(run_directory) == ()
    assert (run_directory / "somebody").is_dir()


def test_a_claim_cut_short_at_any_point_is_swept(run_directory: Path) -> None:
    (run_directory / "00000000.owner").touch()  # Killed before the directory was made.
    (run_directory / "00000001.owner").touch()  # Killed while it was filled, or while it was removed.
    (run_directory / "00000001" / "data").mkdir(parents=True)
    assert sweep(run_directory) == (run_directory / "00000000", run_directory / "00000001")
    assert list(run_directory.iterdir()) == []


def test_a_claim_of_this_process_is_not_swept_until_it_is_let_go(run_directory: Path) -> None:
    residence = Residence.claim(run_directory)
    residence.furnish(None, "")
    assert sweep(run_directory) == ()
    residence.remove()
    residence.remove()
    assert list(run_directory.iterdir()) == []


def test_a_reused_process_number_is_not_shot_at(run_directory: Path) -> None:
    data = run_directory / "00000000" / "data"
    data.mkdir(parents=True)
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n")
    (run_directory / "00000000.owner").touch()
    assert sweep(run_directory) == (run_directory / "00000000",)


def test_a_program_of_somebody_who_looks_around_there_is_not_shot_at(run_directory: Path) -> None:
    (run_directory / "00000000").mkdir()
    (run_directory / "00000000.owner").touch()
    with subprocess.Popen(["sleep", "600"], cwd=run_directory / "00000000") as visitor:
        assert sweep(run_directory) == (run_directory / "00000000",)
        assert visitor.poll() is None
        visitor.kill()


@pytest.mark.server
def test_an_orphan_whose_postmaster_was_killed_is_removed_too(start_owner: StartOwner, run_directory: Path) -> None:
    owner = start_owner(_OWNER.format(body=_HOLD))
    directory = _directory(owner)
    postmaster = int((directory / "data" / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGSTOP)  # Hung: it will not answer the request to shut down.
    owner.kill()
    owner.communicate(timeout=60)
    os.kill(postmaster, signal.SIGKILL)
    _wait_until(lambda: postmaster not in processes_in(directory))
    assert sweep(run_directory) == (directory,)
    assert processes_in(directory) == {}
    assert list(run_directory.iterdir()) == []
