"""How many changes, of which kinds, on which server."""

from .catalogue import broken, create, drop, facts, judge, setting, spec, statistics, strategy


def test_a_kind_that_is_not_allowed_is_refused() -> None:
    only_drops = spec(changes={"allowed_kinds": ["drop_index"]})
    assert broken(judge(create("total"), only_drops)) == {"changes.allowed_kinds"}
    assert judge(drop("orders_customer_again"), only_drops).compliant


def test_a_run_has_a_number_of_changes() -> None:
    two = spec(changes={"max_changes_per_run": 2})
    earlier = (strategy(create("total", name="trimtab_a")), strategy(setting("jit", "off")))
    assert judge(strategy(create("status"), setting("jit", "off")), two).compliant
    assert broken(judge(create("status"), two, facts(accepted=earlier))) == {"changes.max_changes_per_run"}


def test_a_table_has_a_number_of_changes() -> None:
    one = spec(changes={"max_changes_per_table": 1})
    earlier = (strategy(create("total", name="trimtab_a")),)
    assert broken(judge(create("status"), one, facts(accepted=earlier))) == {"changes.max_changes_per_table"}
    assert judge(create("status", table="payments"), one, facts(accepted=earlier)).compliant
    assert judge(setting("jit", "off"), one, facts(accepted=earlier)).compliant


def test_a_standby_is_considered_but_not_changed() -> None:
    assert broken(judge(create("total"), known=facts(is_standby=True))) == {"servers.allow_standby"}
    assert judge(create("total"), known=facts(is_standby=True, is_applying=False)).compliant
    assert judge(create("total"), spec(servers={"allow_standby": True}), facts(is_standby=True)).compliant


def test_nothing_to_do_has_nothing_to_refuse() -> None:
    assert judge(strategy(), known=facts(is_applying=False)).compliant
    assert judge(statistics("status", "total")).compliant
