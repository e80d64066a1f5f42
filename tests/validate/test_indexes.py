"""What a new index may be."""

from dataclasses import replace

import pytest

from .catalogue import MIB, ORDERS, broken, create, drop, facts, index, judge, spec, strategy


@pytest.mark.parametrize(
    "tail",
    [
        'USING btree ("total"); DROP TABLE public.orders',
        'USING btree ("total") WHERE true; SELECT 1',
        'USING btree ("total") WHERE total > (SELECT 1)',
        "USING btree (lower(total))",
        'USING brin ("total") WITH (autosummarize = on)',
        'USING btree ("total", "status")',
        'USING btree ("total") INCLUDE ("status")',
        'USING btree ("total") WITH (fillfactor = 10)',
        'USING btree ("total") TABLESPACE slow',
        'USING btree ("total" -- )',
        'USING btree ("total") /* */',
        "USING btree (U&\"total\")",
        "",
    ],
)  # fmt: skip
def test_a_definition_that_says_more_or_else_is_refused(tail: str) -> None:
    assert "indexes.definition" in broken(judge(create("total", tail=tail)))


@pytest.mark.parametrize(
    "tail",
    [
        'USING btree ("total")',
        "using btree (total)",
        'USING btree ("total" DESC)',
        'USING btree ("total" DESC NULLS LAST)',
        'USING btree ("total" text_pattern_ops)',
        'USING btree ("total" COLLATE pg_catalog."C" text_pattern_ops ASC NULLS FIRST)',
    ],
)
def test_a_plain_definition_is_accepted(tail: str) -> None:
    assert judge(create("total", tail=tail)).compliant


def test_a_part_of_the_rows_and_an_expression_are_accepted_as_the_change_names_them() -> None:
    part = create("total", tail='USING btree ("total") WHERE (status = \'open\'::text) AND ("note" IS NULL)')
    assert judge(part).compliant
    assert judge(create("note", key_columns=("",), tail="USING btree ((lower(note)))")).compliant
    assert judge(
        create("note", "total", key_columns=("", "total"), tail="USING btree (lower(note), total DESC)")
    ).compliant
    assert broken(judge(create("note", key_columns=("",), tail='USING btree ("total")'))) >= {"indexes.definition"}
    assert broken(judge(create("note", key_columns=("",), tail="USING btree (lower(nothing))"))) == {
        "objects.unknown_column"
    }
    assert broken(judge(create("total", tail="USING btree (total) WHERE nothing"))) == {"objects.unknown_column"}
    limits = spec(indexes={"allowed_methods": ["btree"]})
    brin = create("total", tail='USING brin ("total") WITH (pages_per_range = 16)')
    assert broken(judge(brin, limits)) == {"indexes.allowed_methods"}
    assert judge(brin, spec(indexes={"allowed_methods": ["brin"]})).compliant


def test_the_same_part_is_not_made_twice() -> None:
    tail = "USING btree (total) WHERE (status = 'open'::text)"
    there = index("orders_open", "total", rest=" WHERE (status = 'open'::text)", is_partial=True)
    known = facts(replace(ORDERS, indexes=(*ORDERS.indexes, there)))
    assert broken(judge(create("total", tail=tail), known=known)) == {"objects.index_exists"}
    other = create("total", tail=tail.replace("open", "done"))
    assert judge(other, known=known).compliant


def test_the_method_must_be_allowed() -> None:
    gin = create("total", tail="USING gin (total)")
    assert broken(judge(gin, spec(indexes={"allowed_methods": ["btree"]}))) == {"indexes.allowed_methods"}
    assert judge(gin, spec(indexes={"allowed_methods": ["gin"]})).compliant


def test_an_index_has_a_largest_size_and_must_be_estimated() -> None:
    small = spec(indexes={"max_size": "2MB"})
    assert judge(strategy(create("total"), size_bytes=2 * MIB), small).compliant
    assert broken(judge(strategy(create("total"), size_bytes=2 * MIB + 1), small)) == {"indexes.max_size"}
    assert broken(judge(strategy(create("total"), size_bytes=0))) == {"indexes.max_size"}


def test_what_a_drop_frees_does_not_hide_a_large_index() -> None:
    small = spec(indexes={"max_size": "9MB"})
    swap = strategy(create("total"), drop("orders_customer_again"), size_bytes=0)
    assert broken(judge(swap, small)) == {"indexes.max_size"}


def test_several_indexes_are_judged_by_their_own_estimates_or_all_together() -> None:
    small = spec(indexes={"max_size": "2MB"})
    both = (create("total", name="trimtab_a"), create("status", name="trimtab_b"))
    assert broken(judge(strategy(*both, size_bytes=3 * MIB), small)) == {"indexes.max_size"}
    known = strategy(*both, size_bytes=3 * MIB, size_bytes__trimtab_a=1 * MIB, size_bytes__trimtab_b=2 * MIB)
    assert judge(known, small).compliant


def test_the_run_has_a_budget() -> None:
    budget = spec(indexes={"max_total_size": "3MB"})
    earlier = (strategy(create("status", name="trimtab_a"), size_bytes=2 * MIB),)
    assert judge(create("total"), budget, facts(accepted=earlier)).compliant
    over = strategy(create("total"), size_bytes=MIB + 1)
    assert broken(judge(over, budget, facts(accepted=earlier))) == {"indexes.max_total_size"}


def test_an_earlier_drop_does_not_widen_the_budget() -> None:
    budget = spec(indexes={"max_total_size": "3MB"})
    earlier = (strategy(drop("orders_customer_again"), size_bytes=-10 * MIB),)
    over = strategy(create("total"), size_bytes=4 * MIB)
    assert broken(judge(over, budget, facts(accepted=earlier))) == {"indexes.max_total_size"}


def test_a_table_may_be_too_large() -> None:
    assert broken(judge(create("total"), spec(indexes={"max_table_size": "79MB"}))) == {"indexes.max_table_size"}


def test_columns_are_counted() -> None:
    limits = spec(indexes={"max_key_columns": 2, "max_include_columns": 1})
    assert judge(create("total", "status", include=("note",)), limits).compliant
    assert broken(judge(create("total", "status", "note"), limits)) == {"indexes.max_key_columns"}
    assert broken(judge(create("total", include=("note", "status")), limits)) == {"indexes.max_include_columns"}


def test_the_indexes_of_a_table_are_counted_with_those_of_the_run() -> None:
    limits = spec(indexes={"max_per_table": len(ORDERS.indexes) + 1})
    earlier = (strategy(create("status", name="trimtab_a")),)
    assert judge(create("total"), limits).compliant
    assert broken(judge(create("total"), limits, facts(accepted=earlier))) == {"indexes.max_per_table"}
    swap = strategy(create("total"), drop("orders_customer_again"))
    assert judge(swap, limits, facts(accepted=earlier)).compliant


def test_the_name_says_whose_it_is() -> None:
    assert broken(judge(create("total", name="mine"))) == {"indexes.name_prefix"}
