"""Tables that nobody analysed are told where indexes are thought of for them, and no others."""

from __future__ import annotations

from dataclasses import replace

from tests.propose.catalogue import column, context, table
from trimtab.lifecycle.indexes import without_statistics
from trimtab.model.change import CreateIndex


def test_a_table_with_rows_and_without_statistics_is_told() -> None:
    bare = [column("a", width=None), column("b", width=None)]
    tables = (
        table("guessed", bare),
        table("known", [*bare, "c"]),
        replace(table("empty", bare), is_empty=True),
        replace(table("hidden", bare), is_readable=False),
        table("unasked", bare),
    )
    changes = [CreateIndex("public", name, f"i_{name}", "", ()) for name in ("guessed", "known", "empty", "hidden")]
    [told] = without_statistics(context(*tables).snapshot, changes)
    assert told.startswith("public.guessed has no statistics")
