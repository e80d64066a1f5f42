"""The one exception tree. Every refusal has a stable reason code, a message and a next step.

    TrimtabError
    ├── UsageError          the command or its input is wrong              exit 2
    │   ├── ConfigError       trimtab.toml cannot be used
    │   ├── KeyFileError      a key file cannot be used
    │   ├── AnchorError       an anchor is missing, or not what was signed
    │   ├── SecurityError     a security baseline is missing, or not what was signed
    │   ├── SpecError         a specification cannot be used
    │   └── WorkloadError     no usable workload
    │       └── EmptyWorkloadError  nothing of it can be used, each statement for a reason of its own
    ├── SourceError         the source server cannot be used               exit 3
    ├── LabError            the lab or the twin cannot be used             exit 4
    │   └── EmbeddedError     an embedded server cannot be started or kept
    ├── RefusedError        the specification or the facts forbid it       exit 5
    │   ├── ForbiddenError    the specification forbids it, by rules that are named
    │   ├── UnapprovedError   people have to approve it first
    │   └── HeldError         frozen, outside the windows, or too much already: later it may be allowed
    ├── ApplyError          a change could not be carried out or undone    exit 6
    ├── LedgerError         the ledger cannot be trusted or written        exit 7
    ├── BusyError           another run holds this database                exit 8
    └── RegressionError     a level was found worse, or could not be judged  exit 9

Exit 0 is success, 1 an internal fault, 130 an interrupt (Ctrl-C), 143 a SIGTERM.
"""

from __future__ import annotations

from collections.abc import Iterable


class TrimtabError(Exception):
    """Something was refused. Says what, what was found, and what to do next.

    `code` is stable: scripts and tests may rely on it. `next_step` is one sentence for a person, or empty.
    The message never holds a password, a literal of a query or a row's value. `done` is what was done all the same: of
    a revert or a resume its `Recovery`.
    """

    exit_code = 1

    def __init__(self, message: str, *, code: str, next_step: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.next_step = next_step
        self.done: object = None

    def as_dict(self) -> dict[str, object]:
        """Return the error as the `--json` faces print it."""
        return {
            "code": self.code,
            "message": str(self),
            "next_step": self.next_step,
            "exit_code": self.exit_code,
        }


class UsageError(TrimtabError):
    """The command line or its input is wrong."""

    exit_code = 2


class ConfigError(UsageError):
    """`trimtab.toml` cannot be used."""


class KeyFileError(UsageError):
    """A key file cannot be read, written or believed."""


class AnchorError(UsageError):
    """An anchor is not there, cannot be used, or is not what was signed."""


class SecurityError(UsageError):
    """A security baseline is not there, cannot be kept, or is not what was signed."""


class SpecError(UsageError):
    """A specification cannot be read or does not mean anything."""


class WorkloadError(UsageError):
    """There is no workload to work on."""


class EmptyWorkloadError(WorkloadError):
    """Nothing of a workload can be used; the code is `workload.empty`.

    `left_out` has the name of each of its statements, the code of why it was left out, and the reason in words.
    """

    def __init__(self, message: str, *, next_step: str, left_out: Iterable[tuple[str, str, str]]) -> None:
        super().__init__(message, code="workload.empty", next_step=next_step)
        self.left_out = tuple(left_out)

    def as_dict(self) -> dict[str, object]:
        """Return the error, and what was left out, as the `--json` faces print it."""
        named = [{"name": name, "code": code, "reason": reason} for name, code, reason in self.left_out]
        return {**super().as_dict(), "skipped": named}


class SourceError(TrimtabError):
    """The source server cannot be reached or lacks what the run needs."""

    exit_code = 3


class LabError(TrimtabError):
    """The lab or the statistics twin cannot be made or used."""

    exit_code = 4


class EmbeddedError(LabError):
    """An embedded server cannot be started, cloned or stopped."""


class RefusedError(TrimtabError):
    """The specification or the facts forbid what was asked."""

    exit_code = 5


class ForbiddenError(RefusedError):
    """The specification forbids what was asked. `verdict` has each rule, what it allows and what was found."""

    def __init__(self, message: str, *, code: str, next_step: str = "", verdict: object = None) -> None:
        super().__init__(message, code=code, next_step=next_step)
        self.verdict = verdict


class HeldError(RefusedError):
    """The moment forbids what was asked; nothing is wrong with it, and later it may be allowed."""


class UnapprovedError(RefusedError):
    """People have to approve it first. It waits for them in the ledger."""


class ApplyError(TrimtabError):
    """A change could not be carried out, verified or undone."""

    exit_code = 6


class LedgerError(TrimtabError):
    """The ledger cannot be trusted or cannot be written; then no change is made."""

    exit_code = 7


class BusyError(TrimtabError):
    """Another run holds this database."""

    exit_code = 8


class RegressionError(TrimtabError):
    """What was to be checked got worse, or nothing can be said of it: never a silent pass."""

    exit_code = 9
