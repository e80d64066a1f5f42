"""A small catalog to judge strategies against: public.orders and public.payments, indexed as a server shows it."""

import copy
from dataclasses import replace
from typing import Any

from trimtab.model.catalog import Column, ForeignKey, Index, ServerIdentity, Setting, Snapshot, StatisticsObject, Table
from trimtab.model.change import (
    Change,
    CreateIndex,
    CreateStatistics,
    DropIndex,
    RebuildIndex,
    SetSetting,
    quote_identifier,
)
from trimtab.model.strategy import Strategy, Verdict
from trimtab.model.workload import Workload
from trimtab.spec.limits import Limits
from trimtab.spec.load import get_spec
from trimtab.spec.specification import Specification
from trimtab.validate.facts import Facts, facts_from
from trimtab.validate.validate import validate

MIB = 2**20
SHIPPED = get_spec("DATABASE_OPTIMIZATION_SPEC_V4")
COLUMNS = ("id", "customer_id", "status", "created_at", "total", "note")


def index(name: str, *keys: str, schema: str = "public", table: str = "orders", **fields: Any) -> Index:
    """An index as observe would show it, `fields` over the usual ones."""
    include = tuple(fields.pop("include", ()))
    method = fields.pop("method", "btree")
    tail = f"USING {method} ({', '.join(keys)})" + (f" INCLUDE ({', '.join(include)})" if include else "")
    tail += fields.pop("rest", "")
    usual = Index(
        schema=schema,
        name=name,
        table=table,
        method=method,
        key_columns=tuple(key.split()[0] for key in keys),
        include_columns=include,
        key_options=tuple(3 if key.endswith(" DESC") else 0 for key in keys),
        operator_classes=tuple(1 for _ in keys),
        collations=tuple(0 for _ in keys),
        definition=f"CREATE INDEX {name} ON {schema}.{table} {tail}",
        tail=tail,
        is_unique=False,
        is_primary=False,
        is_valid=True,
        is_replica_identity=False,
        is_clustered=False,
        is_partial=False,
        has_expressions=False,
        has_more=False,
        constraint=None,
        size_bytes=10 * MIB,
        scans=0,
    )
    return replace(usual, **fields)


def table(name: str, *indexes: Index, schema: str = "public", **fields: Any) -> Table:
    columns = tuple(Column(column, number, "text", False, True) for number, column in enumerate(COLUMNS, 1))
    return replace(Table(schema, name, 1, "table", 1e6, 10_000, 80 * MIB, columns, indexes), **fields)


ORDERS = table(
    "orders",
    index("orders_pkey", "id", is_unique=True, is_primary=True, constraint="orders_pkey"),
    index("orders_customer", "customer_id"),
    index("orders_customer_again", "customer_id"),
    index("orders_customer_status", "customer_id", "status"),
    index("orders_created", "created_at DESC", include=("total",)),
    foreign_keys=(ForeignKey("orders_customer_fkey", ("customer_id",), "public", "customers"),),
    statistics=(StatisticsObject("public", "orders_stat", ("status", "customer_id"), ("mcv", "ndistinct")),),
)
PAYMENTS = table("payments", index("payments_pkey", "id", table="payments", is_unique=True, constraint="payments_pkey"))


def snapshot(*tables: Table, is_standby: bool = False) -> Snapshot:
    server = ServerIdentity(180006, "shop", 5, "owner", "7", "2026-01-01T00:00:00Z", is_standby, False)
    settings = {
        "work_mem": Setting("work_mem", "4096", "kB", "user", "default", True),
        "random_page_cost": Setting("random_page_cost", "4", None, "user", "default", True),
        "jit": Setting("jit", "on", None, "user", "default", True),
    }
    return Snapshot(
        server,
        tables or (ORDERS, PAYMENTS),
        settings,
        Workload((), "file"),
        "2026-01-01T00:00:00Z",
        settable_scopes=frozenset({"database:shop", "role:reporting", 'function:"public"."f"()'}),
    )


def spec(**sections: dict[str, object]) -> Specification:
    """The shipped specification with some fields set to something else, wider or narrower."""
    document = copy.deepcopy(SHIPPED.document()["spec"])
    assert isinstance(document, dict)
    for name, fields in sections.items():
        section = document[name]
        assert isinstance(section, dict)
        document[name] = {**section, **fields}  # type: ignore[dict-item]
    return Specification("TEST", 1, "", ("TEST@1",), Limits.model_validate(document))


def create(*keys: str, include: tuple[str, ...] = (), name: str = "trimtab_new", **fields: Any) -> CreateIndex:
    words = [key.partition(" ") for key in keys]
    tail = "USING btree (" + ", ".join(quote_identifier(c) + s + more for c, s, more in words) + ")"
    if include:
        tail += " INCLUDE (" + ", ".join(map(quote_identifier, include)) + ")"
    change = CreateIndex("public", "orders", name, tail, tuple(c for c, _, _ in words), include)
    return replace(change, **fields)


def drop(name: str, of: Table = ORDERS, **fields: Any) -> DropIndex:
    found = next(index for index in of.indexes if index.name == name)
    keys = tuple(column or "" for column in found.key_columns)
    return replace(DropIndex(found.schema, found.table, name, found.tail or "", keys, found.include_columns), **fields)


def rebuild(name: str, oid: int = 0) -> RebuildIndex:
    return RebuildIndex("public", "orders", name, oid)


def statistics(
    *columns: str, kinds: tuple[str, ...] = ("mcv",), name: str = "trimtab_s", **fields: Any
) -> CreateStatistics:
    return replace(CreateStatistics("public", "orders", name, columns, kinds), **fields)


def setting(name: str, value: str | None, scope: str = "database", scope_name: str = "shop") -> SetSetting:
    return SetSetting(scope, scope_name, name, value)


def strategy(*changes: Change, size_bytes: int | None = None, **evidence: float) -> Strategy:
    makes = any(isinstance(change, CreateIndex) for change in changes)
    size = (MIB if makes else 0) if size_bytes is None else size_bytes
    return Strategy(
        changes, "test", "title", "reason", (), size, {k.replace("__", "."): v for k, v in evidence.items()}
    )


def facts(*tables: Table, is_standby: bool = False, **fields: Any) -> Facts:
    return facts_from(snapshot(*tables, is_standby=is_standby), **fields)


def judge(what: Strategy | Change, specification: Specification | None = None, known: Facts | None = None) -> Verdict:
    proposed = what if isinstance(what, Strategy) else strategy(what)
    return validate(proposed, specification or spec(), known or facts())


def broken(verdict: Verdict) -> set[str]:
    assert verdict.compliant == (not verdict.violations)
    return {violation.rule_id for violation in verdict.violations}
