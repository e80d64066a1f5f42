"""What may be dropped: only what another index makes needless, and never what protects anything."""

from dataclasses import replace
from typing import Any

import pytest

from trimtab.model.catalog import Table

from .catalogue import ORDERS, broken, create, drop, facts, index, judge, spec, strategy


def orders(*indexes: Any) -> Table:
    return replace(ORDERS, indexes=indexes, foreign_keys=())


def test_a_duplicate_and_a_prefix_may_go() -> None:
    assert judge(drop("orders_customer_again")).compliant
    assert judge(drop("orders_customer")).compliant


def test_two_duplicates_do_not_excuse_each_other() -> None:
    twins = orders(index("a", "status"), index("b", "status"))
    both = strategy(drop("a", twins), drop("b", twins))
    assert broken(judge(both, known=facts(twins))) == {"drops.reasons"}
    after = facts(twins, accepted=(strategy(drop("a", twins)),))
    assert broken(judge(drop("b", twins), known=after)) == {"drops.reasons"}


def test_an_index_that_the_strategy_makes_may_be_the_reason() -> None:
    swap = strategy(create("created_at DESC", "status", include=("total",)), drop("orders_created"))
    assert judge(swap).compliant
    assert broken(judge(drop("orders_created"))) == {"drops.reasons"}


@pytest.mark.parametrize(
    "other",
    [
        index("other", "status", "total"),
        index("other", "total", "created_at"),
        index("other", "total DESC", "status"),
        index("other", "total text_pattern_ops", "status", key_columns=("total", "status")),
        index("other", "total", "status", is_valid=False),
        index("other", "total", "status", rest=" WHERE status = 'x'", is_partial=True),
        index("other", "total", method="hash"),
    ],
)
def test_an_index_that_does_not_do_the_same_is_no_reason(other: object) -> None:
    some = orders(index("one", "total", include=("note",)), other)
    assert broken(judge(drop("one", some), known=facts(some))) == {"drops.reasons"}


def test_include_columns_must_be_held_too() -> None:
    some = orders(index("one", "total", include=("note",)), index("two", "total", "status", include=("id", "note")))
    assert judge(drop("one", some), known=facts(some)).compliant


def test_a_partial_index_is_a_duplicate_only_of_the_same_one() -> None:
    partial: dict[str, Any] = {"rest": " WHERE (status = 'open'::text)", "is_partial": True}
    some = orders(index("a", "total", **partial), index("b", "total", **partial), index("c", "total"))
    assert judge(drop("a", some), known=facts(some)).compliant
    alone = orders(index("a", "total", **partial), index("c", "total"))
    assert broken(judge(drop("a", alone), known=facts(alone))) == {"drops.reasons"}


def test_storage_options_do_not_make_another_index() -> None:
    some = orders(index("a", "total"), index("b", "total", rest=" WITH (fillfactor='70')"))
    assert judge(drop("b", some), known=facts(some)).compliant


def test_the_reasons_are_the_specifications() -> None:
    only_duplicates = spec(drops={"reasons": ["duplicate"]})
    some = orders(index("a", "total"), index("b", "total", "status"))
    assert broken(judge(drop("a", some), only_duplicates, facts(some))) == {"drops.reasons"}
    assert broken(judge(drop("orders_customer_again"), spec(drops={"allow": False}))) == {"drops.allow"}


UNUSED = spec(drops={"reasons": ["unused"], "min_unused_days": 90})


def test_an_index_that_nobody_used_for_long_enough_may_go_where_the_specification_says_so() -> None:
    some = orders(index("a", "total", unused_days=90.0))
    assert judge(drop("a", some), UNUSED, facts(some)).compliant
    assert broken(judge(drop("a", some), known=facts(some))) == {"drops.min_unused_days"}
    only_others = spec(drops={"reasons": ["duplicate", "redundant"]})
    assert broken(judge(drop("a", some), only_others, facts(some))) == {"drops.reasons"}
    early = orders(index("a", "total", unused_days=89.9))
    assert broken(judge(drop("a", early), UNUSED, facts(early))) == {"drops.min_unused_days"}
    unknown = orders(index("a", "total"))
    assert broken(judge(drop("a", unknown), UNUSED, facts(unknown))) == {"drops.reasons"}
    over_expression = orders(index("a", "lower(note)", has_expressions=True, unused_days=900.0))
    assert broken(judge(drop("a", over_expression), UNUSED, facts(over_expression))) == {"drops.reasons"}


def test_two_reasons_that_fall_short_make_none_and_either_is_enough() -> None:
    both = spec(drops={"reasons": ["redundant", "unused"], "min_unused_days": 90, "max_extra_columns": 1})
    wide = index("b", "total", "status", "note")
    short = orders(index("a", "total", unused_days=3.0), wide)
    assert broken(judge(drop("a", short), both, facts(short))) == {"drops.max_extra_columns", "drops.min_unused_days"}
    long = orders(index("a", "total", unused_days=91.0), wide)
    assert judge(drop("a", long), both, facts(long)).compliant
    near = orders(index("a", "total", unused_days=3.0), index("b", "total", "status"))
    assert judge(drop("a", near), both, facts(near)).compliant


def test_what_an_unused_index_protects_it_protects_all_the_same() -> None:
    needed = replace(orders(index("a", "customer_id", unused_days=900.0)), foreign_keys=ORDERS.foreign_keys)
    assert broken(judge(drop("a", needed), UNUSED, facts(needed))) == {"drops.protects_foreign_key"}
    unique = orders(index("a", "total", is_unique=True, unused_days=900.0))
    assert broken(judge(drop("a", unique), UNUSED, facts(unique))) == {"drops.protects_uniqueness"}


def test_a_much_wider_index_does_not_stand_in() -> None:
    some = orders(index("a", "total"), index("b", "total", "status", "note"))
    assert broken(judge(drop("a", some), spec(drops={"max_extra_columns": 1}), facts(some))) == {
        "drops.max_extra_columns"
    }
    assert judge(drop("a", some), spec(drops={"max_extra_columns": 2}), facts(some)).compliant


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"constraint": "some_check"}, "drops.protects_constraint"),
        ({"is_unique": True}, "drops.protects_uniqueness"),
        ({"is_primary": True}, "drops.protects_uniqueness"),
        ({"is_replica_identity": True}, "drops.protects_replica_identity"),
        ({"is_clustered": True}, "drops.protects_clustered"),
        ({"has_more": True}, "drops.protects_additions"),
    ],
)
def test_what_protects_something_is_never_dropped(fields: dict[str, Any], rule: str) -> None:
    some = orders(index("a", "total", **fields), index("b", "total"))
    assert broken(judge(drop("a", some), known=facts(some))) == {rule}


def test_the_last_index_of_a_foreign_key_stays() -> None:
    served = replace(ORDERS, indexes=(index("a", "customer_id"), index("b", "customer_id", "status")))
    assert judge(drop("a", served), known=facts(served)).compliant
    both = strategy(drop("a", served), drop("b", served))
    assert "drops.protects_foreign_key" in broken(judge(both, known=facts(served)))


def test_an_index_that_is_gone_or_another_is_refused() -> None:
    gone = replace(ORDERS, indexes=ORDERS.indexes[:2])
    assert broken(judge(drop("orders_customer_again"), known=facts(gone))) == {"objects.index_gone"}
    changed = orders(index("orders_customer_again", "customer_id", "total"), index("x", "customer_id", "total"))
    assert broken(judge(drop("orders_customer_again"), known=facts(changed))) == {"objects.index_changed"}


def test_an_index_that_could_not_be_put_back_is_refused() -> None:
    some = orders(index("a", "total", tail=None), index("b", "total"))
    assert broken(judge(drop("a", some), known=facts(some))) == {"objects.index_changed"}
