"""What the moment allows, asked again immediately before each statement: the kill switch, and the change windows.

It knows nothing of the change. What the specification says of the change itself is `validate`'s, on fresh facts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from trimtab.apply.switch import KillSwitch
from trimtab.errors import HeldError
from trimtab.spec.limits import ChangeWindows
from trimtab.spec.windows import HORIZON_DAYS, is_open, open_intervals


@dataclass(frozen=True, slots=True)
class Gate:
    """Stands before every statement that changes `database`, or takes a change back. `now_ns` gives UTC nanoseconds."""

    switch: KillSwitch
    windows: ChangeWindows
    database: str
    is_revert: bool
    now_ns: Callable[[], int]

    def __call__(self) -> None:
        """Return when the statement may be sent. Raises HeldError `apply.frozen`, `apply.window`."""
        self.switch.refuse(self.database, is_revert=self.is_revert)
        if self.is_revert and not self.windows.bind_reverts:
            return
        now = datetime.fromtimestamp(self.now_ns() / 1e9, UTC)
        if is_open(self.windows.open_windows, now):
            return
        raise HeldError(
            f"nothing was {'taken back' if self.is_revert else 'changed'}: windows.open does not allow it now; "
            + next_opening(self.windows, now),
            code="apply.window",
            next_step="Wait for it, or have the specification's owner open another; `trimtab status` tells of them.",
        )


def next_opening(windows: ChangeWindows, now: datetime) -> str:
    """Return in words when changes may be made next."""
    found = open_intervals(windows.open_windows, now)
    if not found:
        return f"there is no window within {HORIZON_DAYS} days: those of the specification are never open together"
    begin, end = (moment.isoformat(sep=" ", timespec="minutes")[:16] for moment in found[0])
    return f"the next window is from {begin} to {end} UTC"
