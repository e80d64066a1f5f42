"""Says in SQL which keys a GIN operator class takes out of a value, so that the source can count them. Runs nothing.

An index of trigrams of GiST keeps the same of each row.
"""

# ruff: noqa: S608 - what is put together are expressions that the twin's server wrote out of its catalog
from __future__ import annotations

from trimtab.model.change import qualified

_WALK = """
WITH RECURSIVE walk(path, key, value) AS (
    SELECT ''::text, NULL::text, {value}
    UNION ALL
    SELECT walk.path || n.step, coalesce(n.key, walk.key), n.value
      FROM walk
     CROSS JOIN LATERAL (
           SELECT '/' || e.key, e.key, e.value
             FROM pg_catalog.jsonb_each(CASE pg_catalog.jsonb_typeof(walk.value) WHEN 'object' THEN walk.value END) e
           UNION ALL
           SELECT '', NULL, e.value
             FROM pg_catalog.jsonb_array_elements(
                      CASE pg_catalog.jsonb_typeof(walk.value) WHEN 'array' THEN walk.value END) e
     ) AS n(step, key, value)
)
"""
_LEAF = "pg_catalog.jsonb_typeof(value) NOT IN ('object', 'array')"
_SHORT = "CASE WHEN pg_catalog.length({0}) > 125 THEN pg_catalog.left(pg_catalog.md5({0}), 8) ELSE {0} END"


def bytes_of(item: str) -> str:
    """Return SQL for the bytes that a key takes in an index: a short text has a header of one byte there."""
    is_text = f"pg_catalog.pg_typeof({item})::oid IN (25, 1043)"
    return (
        f"CASE WHEN {is_text} THEN pg_catalog.octet_length({item}::text) + 1 ELSE pg_catalog.pg_column_size({item}) END"
    )


def items_query(value: str, schema: str, operator_class: str) -> str:
    """Return a query whose column `item` holds each distinct key of `value`, an SQL expression that is not NULL.

    Where the operator class is not known, the value itself is the key, as in btree_gin.
    """
    match operator_class:
        case "array_ops" | "gin__int_ops":
            return f"SELECT DISTINCT e AS item FROM pg_catalog.unnest({value}) e"
        case "tsvector_ops":
            return f"SELECT e AS item FROM pg_catalog.unnest(pg_catalog.tsvector_to_array({value})) e"
        case "gin_trgm_ops" | "gist_trgm_ops":
            return f"SELECT e AS item FROM pg_catalog.unnest({qualified(schema, 'show_trgm')}({value})) e"
        case "jsonb_ops":
            text = _SHORT.format("(value #>> '{}')")
            value_key = f"CASE WHEN {_LEAF} THEN 'v' || coalesce({text}, '') END"
            both = f"pg_catalog.unnest(ARRAY['k' || key, {value_key}]) e"
            return f"{_WALK.format(value=value)} SELECT DISTINCT e AS item FROM walk, {both} WHERE e IS NOT NULL"
        case "jsonb_path_ops":
            leaf = "pg_catalog.hashtext(path || ' ' || value::text)"
            return f"{_WALK.format(value=value)} SELECT DISTINCT {leaf} AS item FROM walk WHERE {_LEAF}"
        case "gin_hstore_ops":
            keys, values = (f"{qualified(schema, name)}({value})" for name in ("akeys", "avals"))
            return (
                f"SELECT 'k' || e AS item FROM pg_catalog.unnest({keys}) e"
                f" UNION SELECT 'v' || coalesce(e, '') FROM pg_catalog.unnest({values}) e"
            )
        case _:
            return f"SELECT {value} AS item"
