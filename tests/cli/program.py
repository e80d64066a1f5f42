"""`trimtab` as its users run it: a process with its own home, state and places; and what it leaves behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from trimtab.embedded.processes import processes_in
from trimtab.embedded.sweep import sweep
from trimtab.ledger.entry import Entry
from trimtab.ledger.ledger import Ledger

LONGEST_SECONDS = 240.0
ENTRY = "from trimtab.cli.main import main; main()"


@dataclass(frozen=True)
class Ended:
    """How a program ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        found = json.loads(self.stdout)
        assert isinstance(found, dict)
        return found

    @property
    def reason(self) -> str:
        """The reason code: the last line of stderr, in brackets."""
        return self.stderr.rstrip().rpartition("\n")[2].strip().strip("[]")


@dataclass(frozen=True)
class Strike:
    """The signal that a program gives itself, before or after the n-th entry of a kind that it writes."""

    signal: int
    when: str
    kind: str
    nth: int = 1


class Zygote:
    """The process whose forks are the programs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[Zygote]:
        """Start it, and end it together with what it has started."""
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, str(Path(__file__).with_name("zygote.py"))]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as process:
            yield cls(process)

    def fork(self, order: Mapping[str, object]) -> int:
        """Return the pid of a new program."""
        return int(self._ask(order))

    def poll(self, pid: int) -> str:
        """Return "running", "stopped" or the exit code; negative when a signal ended it."""
        return self._ask({"poll": pid})

    def _ask(self, order: Mapping[str, object]) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()


@dataclass
class Running:
    """A program that was started."""

    pid: int
    _zygote: Zygote
    _stdout: Path
    _stderr: Path
    _ended: int | None = None

    def wait(self) -> Ended:
        """Wait until it ends."""
        self._wait_while("running")
        assert self._ended is not None
        return Ended(self._ended, self._stdout.read_text("utf-8"), self._stderr.read_text("utf-8"))

    def wait_until_stopped(self) -> None:
        """Wait until it has stopped itself by SIGSTOP."""
        assert self._wait_while("running") == "stopped", self._stderr.read_text("utf-8")

    def send(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.is_running():
            os.kill(self.pid, number)

    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        if self._ended is None:
            self._note(self._zygote.poll(self.pid))
        return self._ended is None

    def _wait_while(self, state: str) -> str:
        deadline = time.monotonic() + LONGEST_SECONDS
        found = state
        while self._ended is None and (found := self._zygote.poll(self.pid)) == state:
            assert time.monotonic() < deadline, f"still {state}: {self._stderr.read_text('utf-8')}"
            time.sleep(0.01)
        self._note(found)
        return found

    def _note(self, state: str) -> None:
        if self._ended is None and state not in ("running", "stopped"):
            self._ended = int(state)


def private_directory(prefix: str) -> Path:
    """Make a short path that the account which servers run under can pass through."""
    path = Path(tempfile.mkdtemp(prefix=prefix)).resolve()
    path.chmod(0o711)
    return path


@dataclass
class Program:
    """Starts programs in one home, with one ledger; `directory` is where they are started."""

    zygote: Zygote
    directory: Path
    run_directory: Path
    environ: Mapping[str, str]
    _numbers: Iterator[int] = field(default_factory=count)
    _started: list[Running] = field(default_factory=list)

    @classmethod
    @contextmanager
    def at_home(cls, zygote: Zygote, cache_directory: Path, place: Path) -> Iterator[Program]:
        """Yield one with home, state and scratch files of its own in `place`; afterwards nothing of it runs."""
        run_directory = private_directory("ttn-")
        variables = {"TRIMTAB_CACHE": str(cache_directory), "TRIMTAB_RUN_DIR": str(run_directory)}
        for name, directory in (("HOME", "home"), ("TRIMTAB_STATE", "state"), ("TMPDIR", "scratch"), ("", "work")):
            path = place / directory
            path.mkdir()
            if name:
                variables[name] = str(path)
        kept = {
            name: os.environ[name]
            for name in ("PATH", "LANG", "LC_ALL", "TRIMTAB_RUN_AS", "TRIMTAB_ALLOW_OVERPRIVILEGED")
            if name in os.environ
        }
        found = cls(zygote, place / "work", run_directory, {**kept, **variables})
        yield found
        found.clear()
        with suppress(FileNotFoundError):
            shutil.rmtree(run_directory)

    @property
    def ledger_path(self) -> Path:
        """Where its ledger is."""
        return Path(self.environ["TRIMTAB_STATE"]) / "ledger.db"

    def start(
        self,
        *arguments: str | Path,
        environ: Mapping[str, str] | None = None,
        strike: Strike | None = None,
        terminal: str | None = None,
    ) -> Running:
        """Start `trimtab` with these arguments; `terminal` is the device that its outputs go to, instead of files."""
        number = next(self._numbers)
        stdout, stderr = (self.directory.parent / f"{number}.{name}" for name in ("stdout", "stderr"))
        for path in (stdout, stderr):
            path.touch()
        order = {
            "arguments": [str(argument) for argument in arguments],
            "environ": {**self.environ, **(environ or {})},
            "directory": str(self.directory),
            "stdout": terminal or str(stdout),
            "stderr": terminal or str(stderr),
            "strike": None if strike is None else [strike.signal, strike.when, strike.kind, strike.nth],
        }
        running = Running(self.zygote.fork(order), self.zygote, stdout, stderr)
        self._started.append(running)
        return running

    def run(self, *arguments: str | Path, environ: Mapping[str, str] | None = None) -> Ended:
        """Run `trimtab` to its end."""
        return self.start(*arguments, environ=environ).wait()

    def succeed(self, *arguments: str | Path, environ: Mapping[str, str] | None = None) -> Ended:
        """Run `trimtab` to a good end."""
        ended = self.run(*arguments, environ=environ)
        assert ended.code == 0, ended.stderr
        return ended

    def spawn(self, *arguments: str | Path, environ: Mapping[str, str] | None = None) -> Ended:
        """Run `trimtab` to its end in an interpreter of its own, as the installed script does."""
        command = [sys.executable, "-c", ENTRY, *(str(argument) for argument in arguments)]
        variables = {**self.environ, **(environ or {})}
        done = subprocess.run(
            command, capture_output=True, check=False, cwd=self.directory, env=variables, encoding="utf-8"
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def entries(self) -> tuple[Entry, ...]:
        """Return the ledger's entries."""
        if not self.ledger_path.exists():
            return ()
        with Ledger.open(self.ledger_path) as ledger:
            return tuple(ledger.entries())

    def assert_nothing_left(self) -> None:
        """Nothing of ours runs, no directory of a server is left, no scratch file."""
        assert processes_in(self.run_directory) == {}
        assert list(self.run_directory.iterdir()) == []
        assert list(Path(self.environ["TMPDIR"]).iterdir()) == []

    def clear(self) -> None:
        """End what still runs, and remove what killed programs left, as the next start would."""
        for running in self._started:
            if running.is_running():
                os.kill(running.pid, signal.SIGKILL)
                running.wait()
        sweep(self.run_directory)
