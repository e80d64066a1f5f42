"""Which look-ups a delete brings: under each foreign key to what goes, and to what goes with it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trimtab.model.catalog import ForeignKey
from trimtab.model.plan import Plan
from trimtab.model.workload import Query, QueryKind
from trimtab.propose.lookups import lookups_of

from .catalogue import context, index, node, scan, table

QUERY = Query("q", "q", "", "", 1.0, QueryKind.WRITE)


def test_rows_that_go_with_what_is_deleted_are_looked_up_too() -> None:
    def named(name: str, rows: float, *keys: ForeignKey, indexed: str = "") -> object:
        return replace(
            table(name, "ab", *([index(f"{name}_a", indexed)] if indexed else []), foreign_keys=keys), rows=rows
        )

    customer = named("customer", 100.0)
    orders = named("orders", 1000.0, ForeignKey("o", ("a",), "public", "customer", cascades=True), indexed="a")
    line = named("line", 5000.0, ForeignKey("l", ("a",), "public", "orders"))
    below = named("below", 9000.0, ForeignKey("b", ("a",), "public", "line"))
    snapshot = replace(context(customer).snapshot, tables=(customer, orders, line, below))  # type: ignore[arg-type]
    delete = replace(node("ModifyTable", scan("customer")), operation="Delete", schema="public", relation="customer")
    [found] = lookups_of(snapshot, [QUERY], {"q": Plan(delete)})
    assert '"line"' in found.query.text
    assert found.times == pytest.approx(10.0)  # of each customer so many orders; lines do not go with them
