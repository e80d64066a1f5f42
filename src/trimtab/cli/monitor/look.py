"""What every screen of the monitor is: drawn anew when there is something new, or another size. It shows nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from textual.screen import Screen

if TYPE_CHECKING:
    from trimtab.cli.monitor.app import MonitorApp


class Look(Screen[None]):
    """A screen that is drawn anew when there is something new."""

    draw: Callable[[], None]
    """Show what there is now: each screen says how."""

    @property
    def monitor(self) -> MonitorApp:
        """The program that it belongs to."""
        return cast("MonitorApp", self.app)

    def on_screen_resume(self) -> None:
        """Draw when it comes to the front."""
        self.draw()

    def on_resize(self) -> None:
        """Draw for another size."""
        self.draw()
