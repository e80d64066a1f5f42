"""What the monitor's C and K do: look at the backend anew, show it, ask, and hand it to the enforcement point.

It decides nothing: what is refused is told in the words of who refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from trimtab import api_operations as api
from trimtab.cli.monitor.words import cut
from trimtab.lifecycle.backends import SeenBackend, told_lines
from trimtab.model.backend import BackendAct, BackendEnded

_WIDTH = 72
_LINES_OF_TEXT = 4


@dataclass(frozen=True, slots=True)
class Operating:
    """How backends are reached: by which DSN those of a server, under which specification, told to which ledger."""

    operators: Mapping[str, Callable[[], str]]
    spec: str | None
    ledger_path: Path

    def look(self, server: str, pid: int) -> SeenBackend:
        """Return the backend as it is now. Raises TrimtabError."""
        return api.backend(pid, dsn=self.operators[server](), spec=self.spec, ledger_path=self.ledger_path)

    def end(self, server: str, act: BackendAct, seen: SeenBackend) -> BackendEnded:
        """Have done what a person said yes to. Raises TrimtabError."""
        return api.end_backend(
            act,
            seen.backend,
            dsn=self.operators[server](),
            via="monitor",
            is_confirmed=True,
            spec=self.spec,
            ledger_path=self.ledger_path,
        )


class ConfirmScreen(ModalScreen[bool]):
    """Shows what would be ended, and asks. Only `y` is a yes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes"),
        Binding("n,escape,q,enter", "answer(False)", "No"),
    ]

    def __init__(self, act: BackendAct, seen: SeenBackend) -> None:
        super().__init__()
        self._act, self._seen = act, seen

    def compose(self) -> ComposeResult:
        """Lay it out."""
        *about, text = told_lines(self._seen)
        what = "Cancel the statement of" if self._act is BackendAct.CANCEL else "Terminate the session of"
        lines = [
            f"{what} this backend? It cannot be put back.",
            "",
            *(cut(line, _WIDTH) for line in about),
            cut(text, _WIDTH * _LINES_OF_TEXT),
            "",
            f"{self._seen.spec_id}    y: yes    n, Escape: no",
        ]
        with Vertical(id="confirm"):
            yield Static("\n".join(lines), markup=False)

    def action_answer(self, is_yes: bool) -> None:
        """Close with the answer."""
        self.dismiss(is_yes)
