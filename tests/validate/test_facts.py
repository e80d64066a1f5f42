"""The facts are the snapshot's, looked up by full name."""

from .catalogue import ORDERS, create, facts, snapshot, strategy


def test_tables_and_indexes_are_found_by_their_full_names() -> None:
    known = facts()
    assert known.table("public", "orders") is ORDERS
    assert known.table("other", "orders") is None
    assert known.index("public", "orders", "orders_pkey") is ORDERS.indexes[0]
    assert known.index("public", "payments", "orders_pkey") is None
    assert known.index("public", "nowhere", "orders_pkey") is None


def test_the_server_is_the_snapshots() -> None:
    known = facts(is_standby=True)
    assert (known.database, known.server_version, known.is_standby) == ("shop", 180006, True)
    assert known.settings == snapshot().settings


def test_unless_told_otherwise_a_change_is_about_to_be_made() -> None:
    assert facts().is_applying


def test_every_relation_holds_its_name() -> None:
    assert {("public", "orders"), ("public", "orders_created")} <= facts().relation_names
    assert facts(accepted=(strategy(create("total")),)).accepted[0].changes[0].kind == "create_index"
