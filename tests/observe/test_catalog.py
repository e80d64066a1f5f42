from __future__ import annotations

import pytest

from trimtab.db.connection import Connection
from trimtab.model.catalog import Index, Table
from trimtab.model.change import CreateIndex
from trimtab.observe.catalog import read_tables
from trimtab.observe.server import read_extensions

WEIRD = 'Wéird "S"'


def tables(conn: Connection) -> dict[tuple[str, str], Table]:
    return {(table.schema, table.name): table for table in read_tables(conn)}


def index(table: Table, name: str) -> Index:
    return next(found for found in table.indexes if found.name == name)


def test_every_user_table_is_there_and_nothing_else(conn: Connection) -> None:
    found = {key: table.kind for key, table in tables(conn).items()}
    assert found == {
        (WEIRD, "T 'q' ü"): "r",
        (WEIRD, "sale"): "r",
        ("public", "city"): "r",
        ("public", "city_of_weird"): "r",
        ("public", "sale"): "r",
        ("public", "part"): "p",
        ("public", "part_1"): "r",
        ("public", "part_2"): "r",
        ("public", "summary"): "m",
    }


def test_columns_know_their_type_order_and_width(conn: Connection) -> None:
    table = tables(conn)[WEIRD, "T 'q' ü"]
    assert [(c.name, c.type_name, c.has_btree_order) for c in table.columns] == [
        ("id", "bigint", True),
        ("A b", "text", True),
        ("doc", "json", False),
        ("docb", "jsonb", True),
        ("place", "point", False),
        ("numbers", "integer[]", True),
        ("twice", "bigint", True),
        ("short", "character varying(10)", True),
    ]
    assert [c.name for c in table.columns if c.is_not_null] == ["id", "A b"]
    sale = tables(conn)["public", "sale"]
    assert {c.name: c.average_width for c in sale.columns}["id"] == 8
    assert sale.rows == 5000
    assert sale.inserts >= 5000
    assert sale.pages * 8192 <= sale.size_bytes


def test_a_virtual_generated_column_has_no_order_since_no_index_can_hold_it(owner: Connection) -> None:
    if owner.info.server_version < 180000:
        pytest.skip("virtual columns came with 18")
    with owner.transaction(force_rollback=True):
        owner.execute("CREATE TABLE virtual (a int, b int GENERATED ALWAYS AS (a + 1) VIRTUAL)")
        table = tables(owner)["public", "virtual"]
    assert [column.has_btree_order for column in table.columns] == [True, False]


def test_a_partitioned_table_stands_for_the_sum_of_its_leaves(conn: Connection) -> None:
    found = tables(conn)
    whole, leaves = found["public", "part"], [found["public", "part_1"], found["public", "part_2"]]
    assert whole.rows == sum(leaf.rows for leaf in leaves) == 2000
    assert whole.size_bytes == sum(leaf.size_bytes for leaf in leaves) > 0
    assert [found.tail for table in (whole, *leaves) for found in table.indexes] == [None, None, None]


def test_rows_that_nobody_counted_are_not_known(owner: Connection) -> None:
    names, known = ("fresh", "fresh_0", "fresh_1"), []
    statements = ["CREATE TABLE fresh (a int) PARTITION BY RANGE (a)"]
    for n in range(2):
        limits = f"FROM ({n * 100}) TO ({n * 100 + 100})"
        statements.append(
            f"CREATE TABLE fresh_{n} PARTITION OF fresh FOR VALUES {limits} WITH (autovacuum_enabled = off)"
        )
    try:
        for statement in statements:
            owner.execute(statement.encode())
        for statement in ("", "INSERT INTO fresh SELECT generate_series(0, 199)", "ANALYZE fresh_0", "ANALYZE fresh_1"):
            owner.execute(statement.encode())
            known.append([tables(owner)["public", name].rows_are_known for name in names])
    finally:
        owner.execute(b"DROP TABLE fresh")
    assert known == [[True, True, True], [False, False, False], [False, True, False], [True, True, True]]


def test_indexes_are_told_apart_by_what_they_are_for(conn: Connection) -> None:
    sale = tables(conn)["public", "sale"]
    by_name = {found.name: found for found in sale.indexes}
    cover = by_name["sale_cover"]
    assert (cover.key_columns, cover.include_columns, cover.key_options) == (("city", "at"), ("amount",), (0, 1))
    assert cover.tail == "USING btree (city, at DESC NULLS LAST) INCLUDE (amount)"
    assert len(cover.operator_classes) == len(cover.collations) == 2
    primary = by_name["sale_pkey"]
    assert (primary.is_primary, primary.is_unique, primary.constraint) == (True, True, "sale_pkey")
    assert primary.size_bytes > 0
    exclusion = next(found for found in sale.indexes if found.method == "gist")
    assert exclusion.constraint == exclusion.name
    assert (exclusion.key_columns, exclusion.has_expressions) == ((None,), True)
    # The foreign key points at this index, but it does not back one of its own table's constraints.
    assert [key.columns for key in sale.foreign_keys] == [("city",)]
    assert (sale.foreign_keys[0].referenced_schema, sale.foreign_keys[0].referenced_table) == ("public", "city")


def test_the_tail_builds_the_same_index_again_under_awkward_names(conn: Connection, owner: Connection) -> None:
    table = tables(conn)[WEIRD, "T 'q' ü"]
    expression = index(table, "Ex pr")
    assert (expression.is_partial, expression.has_expressions, expression.key_columns) == (True, True, (None, "id"))
    assert expression.tail is not None
    again = CreateIndex(table.schema, table.name, 'Once "more"', expression.tail, ())
    with owner.transaction(force_rollback=True):
        owner.execute(again.sql(concurrently=False).encode())
        copy = index(tables(owner)[WEIRD, "T 'q' ü"], 'Once "more"')
    assert copy.tail == expression.tail
    assert index(table, "hash").method == "hash"


def test_a_clustered_index_and_the_replica_identity_are_known(owner: Connection) -> None:
    with owner.transaction(force_rollback=True):
        owner.execute("ALTER TABLE sale REPLICA IDENTITY USING INDEX sale_replica")
        owner.execute("ALTER TABLE sale CLUSTER ON sale_cover")
        sale = tables(owner)["public", "sale"]
    assert [found.name for found in sale.indexes if found.is_replica_identity] == ["sale_replica"]
    assert [found.name for found in sale.indexes if found.is_clustered] == ["sale_cover"]


@pytest.mark.parametrize(
    "statement",
    [
        "COMMENT ON INDEX one IS 'ask Ada'",
        "ALTER INDEX one DEPENDS ON EXTENSION plpgsql",
        "ALTER INDEX one ALTER COLUMN 1 SET STATISTICS 500",
    ],
)
def test_an_index_that_is_more_than_its_definition_is_known(owner: Connection, statement: str) -> None:
    assert not any(found.has_more for found in tables(owner)["public", "sale"].indexes)
    with owner.transaction(force_rollback=True):
        owner.execute("CREATE INDEX one ON sale (lower(state))")
        owner.execute(statement.encode())
        sale = tables(owner)["public", "sale"]
    assert [found.name for found in sale.indexes if found.has_more] == ["one"]


def test_extended_statistics_name_their_columns_and_kinds(conn: Connection) -> None:
    (found,) = tables(conn)["public", "sale"].statistics
    assert (found.schema, found.name, found.columns) == ("public", "sale_stats", ("city", "state"))
    assert sorted(found.kinds) == ["dependencies", "mcv"]


def test_a_role_sees_what_it_may_read_and_owns(reader: Connection, conn: Connection) -> None:
    found = tables(reader)
    assert {name for (_, name), table in found.items() if table.is_readable} == {"sale", "city"}
    assert not found[WEIRD, "sale"].is_readable
    assert not any(table.is_owned for table in found.values())
    assert all(table.may_create for table in tables(conn).values())
    assert not any(table.may_create for (schema, _), table in found.items() if schema == WEIRD)
    hidden = found["public", "part"]
    assert all(column.average_width is None for column in hidden.columns)
    assert all(table.is_owned and table.is_readable for table in tables(conn).values())


def test_row_level_security_is_known_for_the_role_that_it_binds(owner: Connection, reader: Connection) -> None:
    assert not any(table.has_row_security for table in tables(reader).values())
    owner.execute("ALTER TABLE sale ENABLE ROW LEVEL SECURITY")
    try:
        bound, free = tables(reader)["public", "sale"], tables(owner)["public", "sale"]
    finally:
        owner.execute("ALTER TABLE sale DISABLE ROW LEVEL SECURITY")
    assert (bound.has_row_security, bound.is_readable) == (True, False)
    assert (free.has_row_security, free.is_readable) == (False, True)


def test_an_exclusively_locked_table_does_not_hold_up_the_reading(conn: Connection, owner: Connection) -> None:
    with owner.transaction(force_rollback=True):
        owner.execute("LOCK TABLE sale IN ACCESS EXCLUSIVE MODE")
        conn.execute("SET lock_timeout = '100ms'")
        sale = tables(conn)["public", "sale"]
    assert sale.size_bytes > 0
    assert {found.tail for found in sale.indexes} == {None}
    assert index(sale, "sale_cover").key_columns == ("city", "at")


def test_columns_know_how_many_values_they_have_and_how_they_lie(conn: Connection) -> None:
    columns = {column.name: column for column in tables(conn)["public", "sale"].columns}
    assert columns["state"].distinct_values == 2
    assert columns["id"].distinct_values == 5000
    assert columns["at"].correlation == 1.0
    assert abs(columns["city"].correlation or 0) < 0.9


def test_a_role_that_may_not_read_a_table_knows_nothing_of_its_values(reader: Connection) -> None:
    hidden = tables(reader)["public", "part"]
    assert {(column.correlation, column.distinct_values) for column in hidden.columns} == {(None, None)}


def test_extensions_are_known_with_their_schemas(reader: Connection) -> None:
    assert read_extensions(reader) == {"pg_stat_statements": "public"}
