"""`trimtab monitor` in a real pseudo-terminal, as a shell or SSH gives one: with colours, without, without screens."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from .market import Market
from .program import ENTRY, Program

pytestmark = pytest.mark.server

LONGEST_SECONDS = 120.0
_LEADER = (
    "import fcntl, os, sys, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    " os.execvp(sys.argv[1], sys.argv[1:])"
)
"""Begins a session that the terminal is of, and becomes the command."""
_ESCAPES = re.compile(
    rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[PX^_].*?\x1b\\|\x1b[@-Z\\-_=>78]"
)
_STYLES = re.compile(rb"\x1b\[([0-9;:]*)m")
_SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


@dataclass
class Terminal:
    """A pseudo-terminal, the program in it, and all that it wrote."""

    mine: int
    process: subprocess.Popen[bytes]
    written: bytes = field(default=b"")

    def shows(self, what: str | Callable[[str], bool]) -> str:
        """Wait until it stands there; return all that was written since it was last waited for, without escapes."""
        began, start = time.monotonic(), len(self.written)
        while True:
            text = _ESCAPES.sub(b" ", self.written[start:]).decode("utf-8", "replace")
            if what in text if isinstance(what, str) else what(text):
                return text
            assert time.monotonic() - began < LONGEST_SECONDS, self.written[-4000:]
            if select.select([self.mine], [], [], 1.0)[0]:
                self.written += os.read(self.mine, 65_536)

    def type(self, keys: str) -> None:
        """Type these keys."""
        os.write(self.mine, keys.encode())

    def ended(self) -> int:
        """Wait until the program has ended; return its code."""
        while self.process.poll() is None:
            if select.select([self.mine], [], [], 0.1)[0]:
                self._drain()
        return self.process.returncode

    def _drain(self) -> None:
        try:
            self.written += os.read(self.mine, 65_536)
        except OSError:  # its last holder has closed it
            time.sleep(0.05)

    @property
    def colours(self) -> set[int]:
        """The codes of colours that it was told, those of the terminal's own colours aside."""
        codes = {int(code) for told in _STYLES.findall(self.written) for code in re.findall(rb"\d+", told)}
        return codes & {*range(30, 39), *range(40, 49), *range(90, 98), *range(100, 108)}

    @property
    def styles(self) -> set[int]:
        """All codes of styles."""
        return {int(code) for told in _STYLES.findall(self.written) for code in re.findall(rb"\d+", told)}


@contextmanager
def terminal(command: Sequence[str], environ: dict[str, str], directory: Path) -> Iterator[Terminal]:
    """Run a command in a terminal of 80 by 24, whose session it leads."""
    mine, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", _LEADER, *command], stdin=its, stdout=its, stderr=its, env=environ, cwd=directory
    )
    os.close(its)
    found = Terminal(mine, process)
    try:
        yield found
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(mine)


@pytest.fixture
def configured(program: Program, market: Market) -> Program:
    (program.directory / "trimtab.toml").write_text(f'[databases.shop]\ndsn = "{market.dsn}"\n')
    return program


def _environ(program: Program, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLORTERM", "TERM")}
    return {**kept, **program.environ, "PYTHONPATH": os.pathsep.join(sys.path), "LC_ALL": "C.UTF-8", **more}


@pytest.mark.parametrize(
    ("environ", "is_coloured"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, False),
        ({"TERM": "vt220"}, False),
    ],
    ids=["colours", "NO_COLOR", "vt220"],
)
def test_screens_are_drawn_in_what_the_terminal_has(
    configured: Program, environ: dict[str, str], *, is_coloured: bool
) -> None:
    command = [sys.executable, "-c", ENTRY, "monitor"]
    with terminal(command, _environ(configured, **environ), configured.directory) as shown:
        shown.shows("1 of 1 servers up")
        shown.type("?")
        shown.shows("copy the row")
        shown.type("\x1b")
        shown.shows("1 of 1 servers up")
        shown.type("\r")
        shown.shows("trimtab monitor  shop")
        shown.type("q")
        assert shown.ended() == 0
    assert bool(shown.colours) == is_coloured
    assert 7 in shown.styles or is_coloured  # the row under the cursor is told by reverse video
    assert b"\x1b[?1049l" in shown.written  # the screen of before is back
    assert shown.written.rindex(b"\x1b[?25h") > shown.written.rindex(b"\x1b[?25l")  # and the cursor is seen


def test_a_terminal_that_only_writes_on_is_told_plain_lines(configured: Program) -> None:
    command = [sys.executable, "-c", ENTRY, "monitor"]
    with terminal(command, _environ(configured, TERM="dumb"), configured.directory) as shown:
        shown.shows(lambda text: text.count("shop: up") >= 2)
        shown.type("\x03")
        assert shown.ended() == 130
    assert b"\x1b" not in shown.written
    assert b"Status and compliance" in shown.written


@pytest.mark.skipif(
    _SSHD is None or shutil.which("ssh") is None or (os.geteuid() == 0 and not Path("/run/sshd").is_dir()),
    reason="there is no sshd here: apt-get install openssh-server, and as root mkdir /run/sshd",
)
def test_over_ssh_nothing_but_the_terminal_is_needed(configured: Program, tmp_path: Path) -> None:
    assert _SSHD is not None
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)], check=True)
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = str(free.getsockname()[1])
    run = tmp_path / "run.sh"
    kept = _environ(configured)
    exported = "".join(f"export {name}={_quoted(kept[name])}\n" for name in sorted(kept) if name.isidentifier())
    run.write_text(f"#!/bin/sh\n{exported}cd {configured.directory}\nexec {sys.executable} -c '{ENTRY}' monitor\n")
    run.chmod(0o755)
    options = {
        "HostKey": tmp_path / "host", "AuthorizedKeysFile": tmp_path / "user.pub", "PidFile": "none", "UsePAM": "no",
        "StrictModes": "no", "ListenAddress": "127.0.0.1", "PermitRootLogin": "yes", "PasswordAuthentication": "no",
    }  # fmt: skip
    given = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
    server = subprocess.Popen([_SSHD, "-D", "-f", "/dev/null", "-p", port, *given], stderr=subprocess.DEVNULL)
    try:
        _listens(int(port))
        trusting = ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-F", "none")
        command = ["ssh", "-tt", "-p", port, "-i", str(tmp_path / "user"), *trusting, "127.0.0.1", str(run)]
        with terminal(command, _environ(configured, TERM="vt220"), tmp_path) as shown:
            shown.shows("1 of 1 servers up")
            shown.type("q")
            assert shown.ended() == 0
        assert not shown.colours
        assert 7 in shown.styles
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(20)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _listens(port: int) -> None:
    began = time.monotonic()
    while time.monotonic() - began < LONGEST_SECONDS:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("sshd did not listen")
