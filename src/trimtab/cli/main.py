"""The `trimtab` program: runs one command, turns every refusal into a message and an exit code.

No traceback reaches a user; a fault of our own says so and where to report it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence

from trimtab.errors import RegressionError, TrimtabError, UsageError

INTERNAL = 1
_ENDED_BY_SIGNAL = (129, 130, 143)


def main() -> None:
    """Run the command line and exit with its code."""
    from trimtab.cli.output import take_over
    from trimtab.embedded.signals import cleanup_on_signals, end_without_signals, ignore_signals

    try:
        finish_output = take_over()
    except UsageError as error:
        sys.exit(_tell(error))
    try:
        with cleanup_on_signals():
            code = _run()
            ignore_signals()
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else INTERNAL
        if code in _ENDED_BY_SIGNAL:
            _tell_interrupt(leaving.__cause__ or leaving)
    lost = finish_output()
    if lost is not None and code == 0:
        code = _tell(lost)
    end_without_signals()
    sys.exit(code)


def _run() -> int:
    from trimtab.embedded.signals import INTERRUPTED, Interrupted

    try:
        from trimtab.cli.app import app

        _refuse_undecodable(sys.argv)
        code = int(app(prog_name="trimtab", standalone_mode=False) or 0)
    except TrimtabError as error:
        return _tell(error)
    except Exception as error:
        for earlier in _contexts(error):
            if isinstance(earlier, Interrupted):  # and what then failed was on its way out
                raise SystemExit(earlier.code) from earlier
        return _usage_or_fault(error)
    if code == INTERRUPTED:  # before a command had begun
        raise SystemExit(code)
    return code


def _contexts(error: BaseException) -> Iterator[BaseException]:
    """Yield what was being handled when the error came, latest first."""
    while error.__context__ is not None:
        error = error.__context__
        yield error


def _refuse_undecodable(arguments: Sequence[str]) -> None:
    try:
        "".join(arguments).encode()
    except UnicodeEncodeError:
        raise UsageError(
            "the command line is refused: an argument is not text in the system's encoding",
            code="usage.arguments",
            next_step="Write it in UTF-8.",
        ) from None


def wants_json() -> bool:
    """Return True when the command line asks for JSON: then errors are JSON too."""
    return "--json" in sys.argv[1:]


def _tell(error: TrimtabError) -> int:
    """Say what was refused and return its exit code. A DSN may stand where none belongs: passwords are taken out."""
    import json

    from trimtab.cli.text import tell
    from trimtab.db.dsn import redact

    if wants_json() and not isinstance(error, RegressionError):  # what was found is in the document already
        told = {key: redact(value) if isinstance(value, str) else value for key, value in error.as_dict().items()}
        done = {"done": error.done} if isinstance(error.done, dict) else {}
        print(json.dumps({"schema": "trimtab.error/v1", "error": told, **done}))
    tell(error)
    return error.exit_code


def _tell_interrupt(error: BaseException) -> None:
    """Say that the run was broken off, and what it noted as left to do."""
    from trimtab.cli.text import say

    say("trimtab: interrupted; no server of ours was left running")
    for note in getattr(error, "__notes__", ()) or ("no change was left half done",):
        say(f"  {note}")


def _usage_or_fault(error: Exception) -> int:
    """Tell a usage error of Typer's as one of ours; without any argument it shows the help. All else is our fault."""
    show, message = getattr(error, "show", None), getattr(error, "format_message", None)
    if callable(show) and type(error).__name__ == "NoArgsIsHelpError":
        show()
        return UsageError.exit_code
    if callable(message):
        path = getattr(getattr(error, "ctx", None), "command_path", "trimtab")
        return _tell(
            UsageError(str(message()).rstrip("."), code="usage.arguments", next_step=f"`{path} --help` tells how.")
        )
    if os.environ.get("TRIMTAB_DEBUG"):
        raise error
    return _tell(
        TrimtabError(
            f"a fault inside trimtab ({type(error).__name__})",
            code="internal",
            next_step="Run again with TRIMTAB_DEBUG=1 to see where, and report it.",
        )
    )
