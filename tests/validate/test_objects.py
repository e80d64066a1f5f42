"""Which objects may be touched, and which names may be made."""

from dataclasses import replace

import pytest

from .catalogue import ORDERS, PAYMENTS, broken, create, drop, facts, judge, spec, statistics, strategy


def test_a_denied_table_is_refused_and_the_rule_named() -> None:
    denied = spec(objects={"denied_tables": ["public.payments"]})
    assert broken(judge(create("total", table="payments"), denied)) == {"objects.denied_tables"}
    assert broken(judge(statistics("id", "total", table="payments"), denied)) == {"objects.denied_tables"}
    assert judge(create("total"), denied).compliant


@pytest.mark.parametrize("pattern", ["public.*", "public.pay*", "*"])
def test_denied_tables_may_be_patterns(pattern: str) -> None:
    denied = spec(objects={"denied_tables": [pattern]})
    assert "objects.denied_tables" in broken(judge(create("total", table="payments"), denied))


def test_schemas_can_be_allowed_and_denied() -> None:
    assert broken(judge(create("total"), spec(objects={"allowed_schemas": ["shop"]}))) == {"objects.allowed_schemas"}
    assert broken(judge(create("total"), spec(objects={"denied_schemas": ["pub*"]}))) == {"objects.denied_schemas"}


@pytest.mark.parametrize("schema", ["pg_catalog", "pg_toast", "information_schema"])
def test_the_servers_own_schemas_are_never_touched(schema: str) -> None:
    assert "objects.system_schema" in broken(judge(create("total", schema=schema)))


def test_what_is_not_there_is_refused() -> None:
    assert broken(judge(create("total", table="nowhere"))) == {"objects.unknown_table"}
    assert broken(judge(create("nothing"))) == {"objects.unknown_column"}
    assert broken(judge(create("total", include=("nothing",)))) == {"objects.unknown_column"}
    assert broken(judge(statistics("total", "nothing"))) == {"objects.unknown_column"}


def test_only_the_owner_changes_a_table_but_anyone_may_consider_it() -> None:
    foreign = replace(ORDERS, is_owned=False)
    assert broken(judge(create("total"), known=facts(foreign))) == {"objects.not_owner"}
    assert judge(create("total"), known=facts(foreign, is_applying=False)).compliant


@pytest.mark.parametrize("name", ["trimtab_" + "x" * 56, "trimtab_" + "é" * 28, "trimtab_\n", "\ud800", ""])
def test_a_name_that_the_server_would_not_keep_is_refused(name: str) -> None:
    assert "objects.name" in broken(judge(create("total", name=name)))


def test_a_name_in_use_is_refused() -> None:
    anything = spec(indexes={"name_prefix": "o"})
    assert broken(judge(create("total", name="orders_created"), anything)) == {"objects.name_taken"}
    assert broken(judge(create("total", name="orders"), anything)) == {"objects.name_taken"}
    two = strategy(create("total"), create("status"))
    assert broken(judge(two)) == {"objects.name_taken"}
    assert broken(judge(create("total"), known=facts(accepted=(strategy(create("status")),)))) == {"objects.name_taken"}


def test_a_definition_that_is_there_is_refused() -> None:
    assert broken(judge(create("customer_id"))) == {"objects.index_exists"}
    assert broken(judge(create("created_at DESC", include=("total",)))) == {"objects.index_exists"}
    assert judge(create("created_at", include=("total",))).compliant
    earlier = strategy(create("total", name="trimtab_other"))
    assert broken(judge(create("total"), known=facts(accepted=(earlier,)))) == {"objects.index_exists"}


def test_an_invalid_leftover_is_no_index_of_that_definition() -> None:
    leftover = tuple(replace(i, is_valid=False) if "customer" in i.name else i for i in ORDERS.indexes)
    assert judge(create("customer_id"), known=facts(replace(ORDERS, indexes=leftover))).compliant


def test_a_change_that_was_done_does_not_stand_in_its_own_way() -> None:
    first, second = create("status", "customer_id", name="trimtab_one"), drop("orders_customer_again")
    built = replace(ORDERS, indexes=(*ORDERS.indexes, replace(ORDERS.indexes[1], name="trimtab_one", tail=first.tail)))
    both = strategy(first, second)
    assert broken(judge(both, known=facts(built))) == {"objects.name_taken", "objects.index_exists"}
    assert judge(both, known=facts(built, done=(first,))).compliant


def test_a_strategy_is_not_counted_against_itself() -> None:
    one = strategy(create("total"))
    assert judge(one, known=facts(accepted=(one,))).compliant


def test_payments_is_untouched_by_default_rules() -> None:
    assert judge(create("total", table="payments"), known=facts(ORDERS, PAYMENTS)).compliant
