from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from trimtab.embedded import postmaster
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.interrupts import interrupts_deferred
from trimtab.embedded.processes import processes_in
from trimtab.embedded.server import Server


def test_an_interrupt_waits_for_the_end_and_is_not_lost() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012
        with interrupts_deferred():
            os.kill(os.getpid(), signal.SIGINT)
            done.append("effect")
        done.append("not reached")
    assert done == ["effect"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_nested_ones_wait_for_the_outermost() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), interrupts_deferred():  # noqa: PT012
        with interrupts_deferred():
            os.kill(os.getpid(), signal.SIGINT)
        done.append("after the inner one")
    assert done == ["after the inner one"]


def test_handlers_are_put_back_after_a_failure() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ValueError, match="on purpose"), interrupts_deferred():
        raise ValueError("on purpose")
    assert signal.getsignal(signal.SIGINT) is before


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupts_deferred():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_another_thread_may_use_it() -> None:
    entered = []

    def use() -> None:
        with interrupts_deferred():
            entered.append(True)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert entered == [True]


@pytest.mark.server
def test_an_interrupt_at_the_moment_of_launch_leaves_nothing(
    binaries: Binaries, run_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch = postmaster.launch

    def interrupted_launch(*arguments: object) -> object:
        process = launch(*arguments)  # type: ignore[arg-type]
        os.kill(os.getpid(), signal.SIGINT)
        return process

    monkeypatch.setattr("trimtab.embedded.server.launch", interrupted_launch)
    with pytest.raises(KeyboardInterrupt):
        Server.create(binaries, purpose="launch")
    assert processes_in(run_directory) == {}
    assert list(run_directory.iterdir()) == []


@pytest.mark.server
def test_an_interrupt_while_destroying_leaves_nothing(
    binaries: Binaries, run_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shut_down = postmaster.shut_down
    server = Server.create(binaries, purpose="destroy")

    def interrupted(*arguments: object, **options: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        shut_down(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("trimtab.embedded.server.shut_down", interrupted)
    with pytest.raises(KeyboardInterrupt):
        server.destroy()
    assert processes_in(run_directory) == {}
    assert list(run_directory.iterdir()) == []
