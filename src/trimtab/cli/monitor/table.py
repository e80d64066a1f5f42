"""A table of the monitor: rows under a cursor that keep their place while their values change. Knows no server.

Cells are set as plain texts: what a server's name says as markup stays text. A cell that did not change is not drawn.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.widgets import DataTable

from trimtab.cli.monitor.rows import Column, shown


class Rows(DataTable[Text]):
    """Rows with keys; `put` brings them to what they are now."""

    def __init__(self, columns: Sequence[Column], *, id: str | None = None) -> None:
        super().__init__(cursor_type="row", zebra_stripes=False, id=id)
        self._all = columns
        self._shown: list[Column] = []
        self._keys: list[str] = []
        self._cells: list[tuple[str, ...]] = []
        self._styles: list[str] = []

    @property
    def columns_shown(self) -> Sequence[Column]:
        """The columns that this terminal shows."""
        return self._shown or shown(self._all, self.app.size.width)

    @property
    def key_at_cursor(self) -> str | None:
        """The key of the row under the cursor."""
        return self._keys[self.cursor_row] if 0 <= self.cursor_row < len(self._keys) else None

    @property
    def cells_at_cursor(self) -> Sequence[str]:
        """The texts of the row under the cursor."""
        return self._cells[self.cursor_row] if 0 <= self.cursor_row < len(self._cells) else ()

    def put(self, rows: Sequence[tuple[str, Sequence[str], str]]) -> None:
        """Show these rows: each a key, its cells and its style."""
        self._fit()
        keys = [key for key, _, _ in rows]
        if keys != self._keys:
            at = self.key_at_cursor
            self.clear()
            for key, cells, style in rows:
                self.add_row(*(Text(cell, style=style, no_wrap=True) for cell in cells), key=key)
            if at in keys:
                self.move_cursor(row=keys.index(at))
        else:
            for place, (_, cells, style) in enumerate(rows):
                before, is_same_style = self._cells[place], self._styles[place] == style
                for column, (was, now) in enumerate(zip(before, cells, strict=True)):
                    if was != now or not is_same_style:
                        self.update_cell_at((place, column), Text(now, style=style, no_wrap=True))  # type: ignore[arg-type]
        self._keys = keys
        self._cells = [tuple(cells) for _, cells, _ in rows]
        self._styles = [style for _, _, style in rows]

    def _fit(self) -> None:
        wanted = shown(self._all, self.app.size.width)
        if wanted == self._shown:
            return
        self.clear(columns=True)
        self._keys, self._cells, self._styles, self._shown = [], [], [], wanted
        for column in wanted:
            title = column.title.rjust(column.width) if column.is_number else column.title
            self.add_column(Text(title), width=column.width, key=column.key)
