"""Asks HypoPG, on a server that has it, what the twin is asked: the peer of the comparison, run as its users run it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg

from bench.twin.designs import definition
from trimtab.db.connection import Connection
from trimtab.db.explain import explain
from trimtab.errors import TrimtabError
from trimtab.model.change import CreateIndex
from trimtab.model.plan import Plan

_CREATE = b"select indexrelid::bigint from hypopg_create_index($1)"


def install(connection: Connection) -> bool:
    """Create the extension if the server has it, and return whether it has."""
    found = connection.execute("select from pg_available_extensions where name = 'hypopg'").fetchone()
    if found is not None:
        connection.execute(b"create extension if not exists hypopg")
    return found is not None


def sizes(connection: Connection, changes: Sequence[CreateIndex]) -> dict[str, int]:
    """Return HypoPG's sizes in bytes by definition, of those that it accepts; nothing where it is absent."""
    found: dict[str, int] = {}
    if not install(connection):
        return found
    for change in changes:
        oid = create(connection, change)
        if oid is not None:
            row = connection.execute("select hypopg_relation_size($1::bigint::oid)", (oid,)).fetchone()
            assert row is not None
            found[definition(change)] = row[0]
        connection.execute(b"select hypopg_reset()")
    return found


def create(connection: Connection, change: CreateIndex) -> int | None:
    """Create the hypothetical index; None when HypoPG refuses its kind."""
    try:
        row = connection.execute(_CREATE, (change.sql(concurrently=False),)).fetchone()
    except psycopg.Error:
        return None
    return None if row is None else int(row[0])


def ask(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Add HypoPG's answer to each row whose index it accepts."""
    if not install(connection):
        return
    for row in rows:
        change: CreateIndex = row["design"].change
        if create(connection, change) is not None:
            row["hypopg"] = _answer(connection, row)
        connection.execute(b"select hypopg_reset()")


def _answer(connection: Connection, row: dict[str, Any]) -> dict[str, Any]:
    real: Plan = row["plan"]
    try:
        plan = explain(connection, row["asked"])
    except TrimtabError as error:
        return {"cost": None, "error_percent": None, "why": f"not planned: {error}"}
    used = [node for node in plan.root.walk() if node.index and node.index.startswith("<")]
    scan = next(node for node in real.root.walk() if node.index == row["design"].change.name)
    why = (
        f"index scan costs {scan.total_cost:g} really, {used[0].total_cost:g} with HypoPG"
        if used
        else "the index is not used with HypoPG"
    )
    off = round(100 * abs(plan.cost - real.cost) / real.cost, 4)
    return {"cost": plan.cost, "error_percent": off, "same_shape": _shape(plan) == _shape(real), "why": why}


def _shape(plan: Plan) -> list[str]:
    """Node types in order; HypoPG's indexes have names of its own."""
    return [node.node_type for node in plan.root.walk()]
