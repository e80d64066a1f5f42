"""The `trimtab` program: runs one command, turns every refusal into a message and an exit code.

No traceback reaches a user; a fault of our own says so and where to report it.
"""

from __future__ import annotations

import json
import os
import sys
from io import TextIOWrapper

from trimtab.errors import TrimtabError

INTERNAL = 1
_ENDED_BY_SIGNAL = (129, 130, 143)


def main() -> None:
    """Run the command line and exit with its code."""
    from trimtab.embedded.signals import cleanup_on_signals

    _never_fail_to_print()
    try:
        with cleanup_on_signals():
            code = _run()
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else INTERNAL
        if code in _ENDED_BY_SIGNAL:
            _tell_interrupt(leaving)
    _leave(code)


def _run() -> int:
    try:
        from trimtab.cli.app import app

        return int(app(standalone_mode=False) or 0)
    except TrimtabError as error:
        _tell(error)
        return error.exit_code
    except Exception as error:
        return _usage_or_fault(error)


def wants_json() -> bool:
    """Return True when the command line asks for JSON: then errors are JSON too."""
    return "--json" in sys.argv[1:]


def _tell(error: TrimtabError) -> None:
    if wants_json():
        print(json.dumps({"schema": "trimtab.error/v1", "error": error.as_dict()}))
    _say(f"trimtab: {error}")
    if error.next_step:
        _say(f"  next: {error.next_step}")
    _say(f"  [{error.code}]")


def _tell_interrupt(error: BaseException) -> None:
    """Say that the run was broken off, and what it noted as left to do."""
    _say("trimtab: interrupted; no server of ours was left running")
    for note in getattr(error, "__notes__", ()) or ("no change was left half done",):
        _say(f"  {note}")


def _usage_or_fault(error: Exception) -> int:
    """Typer's usage errors know how to show themselves; all else is ours."""
    show, code = getattr(error, "show", None), getattr(error, "exit_code", None)
    if callable(show) and isinstance(code, int):
        show()
        return code
    if os.environ.get("TRIMTAB_DEBUG"):
        raise error
    _say(f"trimtab: a fault inside trimtab ({type(error).__name__})")
    _say("  next: Run again with TRIMTAB_DEBUG=1 to see where, and report it.")
    _say("  [internal]")
    return INTERNAL


def _say(text: str) -> None:
    from trimtab.cli.text import printable

    print(printable(text, may_break=True), file=sys.stderr)


def _never_fail_to_print() -> None:
    """Where the encoding of stdout lacks a character, print its escape, as Python does on stderr."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _leave(code: int) -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)
