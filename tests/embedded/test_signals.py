from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from trimtab.embedded import living
from trimtab.embedded.signals import cleanup_on_signals, ignore_signals
from trimtab.errors import EmbeddedError


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_a_signal_unwinds_with_its_code_and_a_second_one_does_not_cut_that_short(
    number: signal.Signals, code: int
) -> None:
    unwound = []
    with pytest.raises(SystemExit) as left, cleanup_on_signals():  # noqa: PT012
        try:
            os.kill(os.getpid(), number)
        finally:
            os.kill(os.getpid(), number)
            unwound.append(True)
    assert left.value.code == code
    assert unwound == [True]


def test_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with cleanup_on_signals():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_after_the_last_word_no_signal_changes_the_exit_code() -> None:
    with cleanup_on_signals():
        ignore_signals()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(os.getpid(), number)


HAMMERED = """
import sys, time
from trimtab.embedded.signals import cleanup_on_signals, end_without_signals
try:
    with cleanup_on_signals():
        print("ready", flush=True)
        time.sleep(30)
except SystemExit as leaving:
    end_without_signals()
    raise
"""


def test_an_interrupt_that_never_stops_coming_leaves_no_traceback() -> None:
    for _ in range(20):
        program = subprocess.Popen(
            [sys.executable, "-c", HAMMERED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        with program:
            assert program.stdout is not None
            program.stdout.readline()
            while program.poll() is None:
                program.send_signal(signal.SIGINT)
            assert program.stderr is not None
            assert (program.returncode, program.stderr.read()) == (130, "")


def test_an_ignored_hangup_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with cleanup_on_signals():
        os.kill(os.getpid(), signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_another_thread_may_use_it() -> None:
    entered = []

    def use() -> None:
        with cleanup_on_signals():
            entered.append(True)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert entered == [True]


class _Stubborn:
    destroyed = 0

    def destroy(self) -> None:
        self.destroyed += 1
        raise EmbeddedError("it stays", code="embedded.not_removed")


def test_one_failure_does_not_spare_the_others_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(living, "_living", {})  # the suite's own servers live on
    first, second, third = _Stubborn(), _Stubborn(), _Stubborn()
    for item in (first, second, third):
        living.remember(item)
    living.forget(third)
    living.destroy_all()
    assert (first.destroyed, second.destroyed, third.destroyed) == (1, 1, 0)
