"""Where Trimtab keeps what outlives a run: the state directory, the ledger in it, keys of approvers.

It creates the state directory, no more.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from trimtab.errors import ConfigError, UsageError

LEDGER_NAME = "ledger.db"


def state_directory(
    configured: Path | None = None, environ: Mapping[str, str] = os.environ, *, is_written: bool = True
) -> Path:
    """Return the state directory, created with mode 0700 when it was not there.

    Who only reads what is there (`is_written` is False) needs no right to write there.

    It is `$TRIMTAB_STATE`, else `configured` (trimtab.toml), else `$XDG_STATE_HOME/trimtab`, else
    `~/.local/state/trimtab` (XDG Base Directory Specification: a relative `$XDG_STATE_HOME` does not count). Raises
    ConfigError `state.no_home`, `state.unusable`, or `state.shared` when every user may write to it.
    """
    path = _chosen(configured, environ)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = path.stat().st_mode
    except FileExistsError:
        raise _refused(path, "it is not a directory", "state.unusable") from None
    except OSError as error:
        raise _refused(path, error.strerror or type(error).__name__, "state.unusable") from None
    wanted, told = (os.W_OK, "write") if is_written else (0, "read")
    if not os.access(path, os.R_OK | os.X_OK | wanted, effective_ids=os.access in os.supports_effective_ids):
        raise _refused(path, f"this user may not {told} there", "state.unusable")
    if mode & stat.S_IWOTH:
        raise _refused(path, "every user may write there, so its ledger would prove nothing", "state.shared")
    return path


def ledger_path(
    configured: Path | None = None, environ: Mapping[str, str] = os.environ, *, is_written: bool = True
) -> Path:
    """Return the path of the ledger in the state directory, which is created. Raises ConfigError as above."""
    return state_directory(configured, environ, is_written=is_written) / LEDGER_NAME


def approver_key_path(name: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Return where the locked key of an approver is kept: `$XDG_CONFIG_HOME`, else ~/.config, /trimtab/approvers.

    Raises UsageError `usage.approver` for what is no name of one.
    """
    if not name or "/" in name or "\0" in name or name.startswith("."):
        raise UsageError(
            f"{name!r} is no name of an approver", code="usage.approver", next_step="Use letters, digits, . _ @ and -."
        )
    base = Path(environ.get("XDG_CONFIG_HOME", ""))
    if not base.is_absolute():
        base = _home_expanded(Path("~/.config"))
    return base / "trimtab" / "approvers" / f"{name}.pem"


def _chosen(configured: Path | None, environ: Mapping[str, str]) -> Path:
    if named := environ.get("TRIMTAB_STATE", ""):
        return _home_expanded(Path(named)).absolute()
    if configured is not None:
        return _home_expanded(configured).absolute()
    base = Path(environ.get("XDG_STATE_HOME", ""))
    if not base.is_absolute():
        base = _home_expanded(Path("~/.local/state"))
    return base / "trimtab"


def _home_expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:
        raise ConfigError(
            "no state directory: this user has no home directory",
            code="state.no_home",
            next_step="Set TRIMTAB_STATE to a directory that this user may write to.",
        ) from None


def _refused(path: Path, found: str, code: str) -> ConfigError:
    return ConfigError(
        f"the state directory {path} cannot be used: {found}",
        code=code,
        next_step="Set TRIMTAB_STATE to a directory that belongs to this user, or mend this one.",
    )
