"""What a new statistics object may be."""

from trimtab.model.change import DropStatistics

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
