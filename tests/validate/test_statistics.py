"""What a new statistics object may be."""

import pytest

from trimtab.model.change import DropStatistics, SetDistinct, SetStatisticsTarget

from .catalogue import broken, facts, judge, spec, statistics, strategy


def test_columns_and_kinds_are_limited() -> None:
    limits = spec(statistics={"max_columns": 2, "kinds": ["mcv"]})
    assert judge(statistics("status", "total"), limits).compliant
    assert broken(judge(statistics("status", "total", "note"), limits)) == {"statistics.max_columns"}
    assert broken(judge(statistics("status"), limits)) == {"statistics.max_columns"}
    assert broken(judge(statistics("status", "status"), limits)) == {"statistics.max_columns"}
    assert broken(judge(statistics("status", "total", kinds=("ndistinct",)), limits)) == {"statistics.kinds"}
    assert broken(judge(statistics("status", "total", kinds=()), limits)) == {"statistics.kinds"}


def test_a_kind_cannot_carry_sql() -> None:
    sneaky = statistics("status", "total", kinds=("mcv) ON id FROM x; DROP TABLE orders; --",))
    assert broken(judge(sneaky)) == {"statistics.kinds"}


def test_the_name_says_whose_it_is() -> None:
    assert broken(judge(statistics("status", "total", name="mine"))) == {"statistics.name_prefix"}


def test_what_is_there_is_not_made_again() -> None:
    assert broken(judge(statistics("customer_id", "status"))) == {"objects.statistics_exist"}
    assert judge(statistics("customer_id", "status", kinds=("dependencies",))).compliant
    taken = statistics("status", "total", name="orders_stat")
    assert broken(judge(taken, spec(statistics={"name_prefix": "o"}))) == {"objects.statistics_exist"}
    earlier = (strategy(statistics("total", "status", name="trimtab_other")),)
    assert broken(judge(statistics("status", "total"), known=facts(accepted=earlier))) == {"objects.statistics_exist"}


def test_dropping_needs_leave_and_an_object() -> None:
    held = DropStatistics("public", "orders", "orders_stat", ("status", "customer_id"), ("mcv", "ndistinct"))
    assert broken(judge(held)) == {"changes.allowed_kinds"}
    leave = spec(changes={"allowed_kinds": ["drop_statistics"]})
    assert judge(held, leave).compliant
    missing = DropStatistics("public", "orders", "nothing", ("status", "customer_id"), ("mcv",))
    assert broken(judge(missing, leave)) == {"objects.statistics_gone"}


@pytest.mark.parametrize(
    ("target", "is_allowed"), [(None, True), (1, True), (1000, True), (1001, False), (0, False), (-1, False)]
)
def test_a_target_is_within_the_limit_and_never_forgets_the_column(target: int | None, is_allowed: bool) -> None:
    verdict = judge(SetStatisticsTarget("public", "orders", "total", target))
    assert broken(verdict) == (set() if is_allowed else {"statistics.max_target"})


@pytest.mark.parametrize(
    ("distinct", "is_allowed"),
    [(None, True), (1.0, True), (5e6, True), (-1.0, True), (-0.001, True), (0.0, False), (0.5, False), (-1.5, False),
     (2.5, False), (float("inf"), False), (float("nan"), False)],
)  # fmt: skip
def test_a_number_of_distinct_values_is_a_count_or_a_share(distinct: float | None, is_allowed: bool) -> None:
    verdict = judge(SetDistinct("public", "orders", "total", distinct))
    assert broken(verdict) == (set() if is_allowed else {"statistics.distinct"})


def test_a_column_that_is_not_there_has_no_target_and_no_number() -> None:
    for change in (SetStatisticsTarget("public", "orders", "gone", 5), SetDistinct("public", "orders", "gone", 5.0)):
        assert broken(judge(change)) == {"objects.unknown_column"}
