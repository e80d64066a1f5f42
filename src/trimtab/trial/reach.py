"""Which writes may reach a table that they do not name: through triggers, and through the actions of foreign keys.

A trigger may write anywhere; a foreign key with an action deletes or updates the rows that refer. It asks the catalog
of the lab, and judges nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, TypeAlias

from trimtab.model.change import qualified

if TYPE_CHECKING:
    from trimtab.db.connection import Connection

Write: TypeAlias = tuple[str, str, str]
"""(schema, table, operation), the operation as a plan names it: "Insert", "Update", "Delete"."""

_REACHING = """/* trimtab: the writes that may go on to one of these tables ($1: qualified names). Actions of foreign
   keys: c cascades, n and d set columns. Parents: what a partition does, a write to the whole does */
with recursive reached (id, operation) as (
    (select pg_catalog.to_regclass(t)::oid, o.name
       from pg_catalog.unnest($1::text[]) t
      cross join (values ('Insert'), ('Update'), ('Delete')) o(name)
      union
     select t.tgrelid, o.name
       from pg_catalog.pg_trigger t
       join (values ('Insert', 4), ('Delete', 8), ('Update', 16)) o(name, bit) on t.tgtype & o.bit <> 0
       join pg_catalog.pg_proc p on p.oid = t.tgfoid and p.pronamespace <> 'pg_catalog'::regnamespace
      where not t.tgisinternal and t.tgenabled in ('O', 'A'))
     union
    select n.id, n.operation
      from reached r
     cross join lateral (
           select k.confrelid, 'Delete'
             from pg_catalog.pg_constraint k
            where k.contype = 'f' and k.conrelid = r.id
              and ((k.confdeltype = 'c' and r.operation = 'Delete')
                   or (k.confdeltype in ('n', 'd') and r.operation = 'Update'))
            union all
           select k.confrelid, 'Update'
             from pg_catalog.pg_constraint k
            where k.contype = 'f' and k.conrelid = r.id
              and k.confupdtype in ('c', 'n', 'd') and r.operation = 'Update'
            union all
           select h.inhparent, r.operation from pg_catalog.pg_inherits h where h.inhrelid = r.id
           ) n(id, operation)
)
select n.nspname, c.relname, r.operation
  from reached r
  join pg_catalog.pg_class c on c.oid = r.id
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace"""


def writes_reaching(connection: Connection, tables: Collection[tuple[str, str]]) -> frozenset[Write]:
    """Return the writes that may change rows of one of the tables, those to the tables themselves among them."""
    if not tables:
        return frozenset()
    names = [qualified(schema, table) for schema, table in sorted(tables)]
    rows = connection.execute(_REACHING, (names,)).fetchall()
    return frozenset((str(schema), str(table), str(operation)) for schema, table, operation in rows)
