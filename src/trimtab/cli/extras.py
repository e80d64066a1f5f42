"""Refuses a command whose extra is not installed, and says how to install it. It imports nothing of the extra."""

from __future__ import annotations

from importlib.util import find_spec

from trimtab.errors import UsageError


def require_extra(command: str, extra: str, *modules: str, code: str, otherwise: str = "") -> None:
    """Raise UsageError with `code` where a module of the extra is missing; `otherwise` says what works without it."""
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise UsageError(
            f"{command} needs what is not installed: {', '.join(missing)}",
            code=code,
            next_step=f"pip install 'trimtab[{extra}]'{otherwise}",
        )
