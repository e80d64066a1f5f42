"""Claims about the enforcement point: what it refuses on fresh facts, and that what it does is recorded and undone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from trimtab.apply.enforce import Enforcer
from trimtab.errors import ApplyError, LedgerError, RefusedError, TrimtabError
from trimtab.ledger.entry import Entry, Kind
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.required import Required
from trimtab.model.change import (
    Change,
    CreateIndex,
    CreateStatistics,
    DropIndex,
    SetDistinct,
    SetSetting,
    SetStatisticsTarget,
)

from .shop import CREATE_INDEX, CREATE_STATISTICS, DROP_INDEX, FUNCTION, SET_TARGET, Shop, quick_specification, strategy

pytestmark = pytest.mark.server

KINDS = (
    "create_index",
    "create_partial_index",
    "drop_index",
    "create_statistics",
    "set_setting",
    "for_a_function",
    "for_a_role_here",
    "set_statistics_target",
    "set_distinct",
)


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_is_intended_done_recorded_and_taken_back_exactly(any_shop: Shop, kind: str) -> None:
    change = any_shop.every_kind()[kind]
    before = any_shop.picture()
    enforcer = any_shop.enforcer()
    (applied,) = enforcer.apply(strategy(change))
    assert any_shop.picture() != before
    assert any_shop.standing() == [change]
    enforcer.revert(applied)
    assert any_shop.picture() == before
    assert any_shop.kinds() == ["apply_intended", "apply_done", "revert_intended", "revert_done"]
    assert any_shop.standing() == []


class _BrokenLedger(Ledger):
    """A ledger that cannot be written when an entry of one kind is to be appended."""

    broken_at: Kind

    def append(
        self,
        kind: Kind,
        body: Mapping[str, object],
        *,
        run_id: str | None = None,
        require: Required | None = None,
    ) -> Entry:
        if kind is self.broken_at:
            raise LedgerError("no", code="ledger.unwritable")
        return super().append(kind, body, run_id=run_id, require=require)


def _with_broken_ledger(shop: Shop, kind: Kind) -> Enforcer:
    class Broken(_BrokenLedger):
        broken_at = kind

    return shop.enforcer(ledger=shop.stack.enter_context(Broken.open(shop.ledger_path)))


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_changed_when_the_intent_cannot_be_written(shop: Shop, kind: str) -> None:
    before = shop.picture()
    with pytest.raises(LedgerError):
        _with_broken_ledger(shop, Kind.APPLY_INTENDED).apply(strategy(shop.every_kind()[kind]))
    assert shop.picture() == before


def test_a_revert_that_cannot_be_written_is_not_done(shop: Shop) -> None:
    (applied,) = shop.enforcer().apply(strategy(CREATE_INDEX))
    after = shop.picture()
    with pytest.raises(LedgerError):
        _with_broken_ledger(shop, Kind.REVERT_INTENDED).revert(applied)
    assert shop.picture() == after


def test_a_result_that_cannot_be_written_leaves_the_intent_open(shop: Shop) -> None:
    with pytest.raises(LedgerError):
        _with_broken_ledger(shop, Kind.APPLY_DONE).apply(strategy(CREATE_INDEX))
    assert shop.open_intents() == 1


def _drop(shop: Shop, table: str, name: str) -> DropIndex:
    found = shop.facts().table("public", table)
    assert found is not None
    index = next(index for index in found.indexes if index.name == name)
    keys = tuple(column or "" for column in index.key_columns)
    return DropIndex("public", table, name, index.tail or "", keys, index.include_columns)


@pytest.mark.parametrize(
    ("table", "name", "rule"),
    [
        ("customer", "customer_pkey", "drops.protects_constraint"),
        ("customer", "customer_email_key", "drops.protects_constraint"),
        ("ticket", "ticket_id", "drops.protects_uniqueness"),
        ("ticket", "ticket_code", "drops.protects_replica_identity"),
    ],
)
def test_what_guards_the_data_is_never_dropped(shop: Shop, table: str, name: str, rule: str) -> None:
    before = shop.picture()
    with pytest.raises(RefusedError, match=rule) as refused:
        shop.enforcer().apply(strategy(_drop(shop, table, name)))
    assert refused.value.code == "apply.specification"
    assert (shop.picture(), shop.kinds()) == (before, [])


def test_a_table_that_only_has_the_name_of_the_observed_one_is_left_alone(shop: Shop) -> None:
    observed = shop.facts()
    shop.run(f"ALTER TABLE {CREATE_INDEX.table} RENAME TO elsewhere")
    shop.run(f"CREATE TABLE {CREATE_INDEX.table} (LIKE elsewhere)")
    before = shop.picture()
    with pytest.raises(RefusedError, match="another table than the one that was observed") as refused:
        replace(shop.enforcer(), observed=observed).apply(strategy(CREATE_INDEX))
    assert refused.value.code == "apply.other_table"
    assert (shop.picture(), shop.kinds()) == (before, [])


def test_the_last_index_of_a_foreign_key_is_never_dropped_even_if_it_was_not_the_last_before(shop: Shop) -> None:
    drop = _drop(shop, "orders", "orders_customer")
    shop.run("DROP INDEX orders_customer_day")
    with pytest.raises(RefusedError, match="protects_foreign_key"):
        shop.enforcer().apply(strategy(drop))


def test_an_index_that_was_changed_since_the_proposal_is_not_dropped(shop: Shop) -> None:
    drop = _drop(shop, "orders", "orders_city")
    shop.run("DROP INDEX orders_city", "CREATE INDEX orders_city ON orders (city text_pattern_ops)")
    with pytest.raises(RefusedError, match="index_changed"):
        shop.enforcer().apply(strategy(drop))


@pytest.mark.parametrize(
    "making",
    [
        "CREATE INDEX {} ON orders (note)",
        "CREATE INDEX {} ON customer (name)",
        "CREATE TABLE {} ()",
        "CREATE VIEW {} AS SELECT 1",
        "CREATE SEQUENCE {}",
    ],
)
def test_a_name_that_somebody_else_uses_is_refused_and_left_alone(shop: Shop, making: str) -> None:
    shop.run(making.format(CREATE_INDEX.name))
    before = shop.picture()
    with pytest.raises(RefusedError) as refused:
        shop.enforcer().apply(strategy(CREATE_INDEX))
    assert refused.value.code in ("apply.specification", "apply.precondition")
    assert (shop.picture(), shop.kinds()) == (before, [])


def test_an_invalid_index_of_the_same_name_and_definition_that_is_not_ours_is_left_alone(shop: Shop) -> None:
    make = f"CREATE INDEX {CREATE_INDEX.name} ON orders {CREATE_INDEX.tail}"
    shop.run(make, f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{CREATE_INDEX.name}'::regclass")
    before = shop.picture()
    with pytest.raises(RefusedError):
        shop.enforcer().apply(strategy(CREATE_INDEX))
    assert (shop.picture(), shop.kinds()) == (before, [])


def test_index_work_on_a_partitioned_table_is_refused_and_on_its_partition_is_done(shop: Shop) -> None:
    whole = CreateIndex("public", "event", "trimtab_event_kind", 'USING btree ("kind")', ("kind",))
    with pytest.raises(RefusedError) as refused:
        shop.enforcer().apply(strategy(whole))
    assert refused.value.code == "apply.partitioned"
    shop.enforcer().apply(strategy(replace(whole, table="event_2024")))
    assert shop.kinds() == ["apply_intended", "apply_done"]


def test_a_standby_is_refused_for_apply_and_for_revert(shop: Shop) -> None:
    enforcer = shop.enforcer()
    (applied,) = enforcer.apply(strategy(CREATE_INDEX))
    entries = shop.kinds()
    facts = shop.facts()
    on_standby = replace(enforcer, look=lambda: replace(facts, server=replace(facts.server, is_standby=True)))
    for attempt in (lambda: on_standby.apply(strategy(CREATE_STATISTICS)), lambda: on_standby.revert(applied)):
        with pytest.raises(RefusedError) as refused:
            attempt()
        assert refused.value.code == "apply.standby"
    assert shop.kinds() == entries


def test_an_index_with_more_than_its_definition_is_not_dropped(shop: Shop) -> None:
    shop.run("COMMENT ON INDEX orders_city IS 'ask Ada'")
    with pytest.raises(RefusedError) as refused:
        shop.enforcer().apply(strategy(DROP_INDEX))
    assert refused.value.code == "apply.specification"
    assert "drops.protects_additions" in str(refused.value)


def test_statistics_targets_of_an_index_are_more_than_its_definition(any_shop: Shop) -> None:
    make = "CREATE INDEX {} ON orders (lower(city))"
    any_shop.run(make.format("one"), make.format("two"), "ALTER INDEX one ALTER COLUMN 1 SET STATISTICS 500")
    with pytest.raises(RefusedError) as refused:
        any_shop.enforcer().apply(strategy(_drop(any_shop, "orders", "one")))
    assert refused.value.code == "apply.specification"
    assert "drops.protects_additions" in str(refused.value)
    any_shop.enforcer().apply(strategy(_drop(any_shop, "orders", "two")))


def test_the_changes_of_a_strategy_are_made_in_order(shop: Shop) -> None:
    changes = (CREATE_INDEX, CREATE_STATISTICS, shop.set_setting("64MB"))
    applied = shop.enforcer().apply(strategy(*changes))
    assert [each.change for each in applied] == list(changes) == shop.standing()


def test_when_the_second_change_fails_the_first_is_taken_back(shop: Shop) -> None:
    before = shop.picture()
    shop.run("ALTER TABLE orders ALTER note SET STORAGE PLAIN")
    shop.run("UPDATE orders SET note = repeat('x', 7000) WHERE id = 1")
    too_wide = CreateIndex("public", "orders", "trimtab_note", 'USING btree ("note")', ("note",))
    with pytest.raises(ApplyError) as failed:
        shop.enforcer().apply(strategy(CREATE_STATISTICS, too_wide))
    assert failed.value.code == "apply.failed"
    assert shop.picture() == before
    assert shop.kinds() == [
        "apply_intended", "apply_done", "apply_intended", "apply_failed", "revert_intended", "revert_done",
    ]  # fmt: skip
    assert shop.standing() == []


def test_a_failed_take_back_is_told_and_stays_in_the_ledger(shop: Shop) -> None:
    no_class = CreateIndex("public", "orders", "trimtab_no_operator_class", 'USING gin ("note")', ("note",))
    with pytest.raises(TrimtabError) as failed:
        _with_broken_ledger(shop, Kind.REVERT_INTENDED).apply(strategy(CREATE_STATISTICS, no_class))
    assert failed.value.code == "apply.not_taken_back"
    assert shop.standing() == [CREATE_STATISTICS]


@pytest.mark.parametrize("held", [None, "'65536kB'", "65536", "'  16 MB'", "DEFAULT"])
def test_a_setting_returns_to_exactly_what_was_held_before(any_shop: Shop, held: str | None) -> None:
    if held is not None:
        any_shop.run(f'ALTER DATABASE "{any_shop.database}" SET work_mem = {held}')
    before = any_shop.picture()
    enforcer = any_shop.enforcer()
    (applied,) = enforcer.apply(strategy(any_shop.set_setting("64MB")))
    assert any_shop.picture() != before
    enforcer.revert(applied)
    assert any_shop.picture() == before


def test_a_setting_of_an_extension_returns_too_though_snapshots_do_not_read_it(shop: Shop) -> None:
    specification = quick_specification()
    settings = specification.settings
    allowed = {**settings.allowed, "shop.depth": settings.allowed["join_collapse_limit"]}
    limits = specification.limits.model_copy(update={"settings": settings.model_copy(update={"allowed": allowed})})
    shop.run(f"ALTER DATABASE \"{shop.database}\" SET shop.depth = '9'")
    before = shop.picture()
    enforcer = shop.enforcer(specification=replace(specification, limits=limits))
    (applied,) = enforcer.apply(strategy(shop.set_setting("12", "shop.depth")))
    enforcer.revert(applied)
    assert shop.picture() == before


def test_a_setting_that_is_held_already_is_refused(shop: Shop) -> None:
    shop.run(f"ALTER DATABASE \"{shop.database}\" SET work_mem = '64MB'")
    with pytest.raises(RefusedError) as refused:
        shop.enforcer().apply(strategy(shop.set_setting("64MB")))
    assert refused.value.code == "apply.precondition"


def test_a_setting_can_be_set_for_a_role_of_an_odd_name(shop: Shop) -> None:
    role = "o\"dd %s O'Hara"
    quoted = role.replace('"', '""')
    shop.run(f'CREATE ROLE "{quoted}"')
    before = shop.picture()
    enforcer = shop.enforcer()
    (applied,) = enforcer.apply(strategy(SetSetting("role", role, "Work_Mem", "32MB")))
    assert len(shop.picture()) == len(before) + 1
    enforcer.revert(applied)
    assert shop.picture() == before
    shop.run(f'DROP ROLE "{quoted}"')


def test_a_setting_that_needs_more_rights_is_refused(shop: Shop) -> None:
    before = shop.picture()
    with pytest.raises(RefusedError, match=r"settings\.not_owner"):
        shop.enforcer(user="stranger").apply(strategy(shop.set_setting("64MB")))
    assert (shop.picture(), shop.kinds()) == (before, [])


def test_what_belongs_to_another_role_is_not_touched(shop: Shop) -> None:
    for change in (CREATE_INDEX, DROP_INDEX, CREATE_STATISTICS):
        with pytest.raises(RefusedError, match=r"objects\.not_owner"):
            shop.enforcer(user="stranger").apply(strategy(change))
    assert shop.kinds() == []


def test_statistics_that_are_there_already_are_refused(shop: Shop) -> None:
    shop.run(f"CREATE STATISTICS {CREATE_STATISTICS.name} ON id, day FROM orders")
    before = shop.picture()
    with pytest.raises(RefusedError):
        shop.enforcer().apply(strategy(CREATE_STATISTICS))
    assert (shop.picture(), shop.kinds()) == (before, [])


def _replace(shop: Shop, change: Change) -> None:
    """Somebody else puts another thing in the place of what we made."""
    match change:
        case CreateIndex():
            shop.run(f"DROP INDEX {change.name}", f"CREATE INDEX {change.name} ON orders (note)")
        case CreateStatistics():
            shop.run(f"DROP STATISTICS {change.name}", f"CREATE STATISTICS {change.name} ON id, day FROM orders")
        case DropIndex():
            shop.run(f"CREATE INDEX {change.name} ON orders (note)")
        case SetStatisticsTarget():
            shop.run("ALTER TABLE orders ALTER city SET STATISTICS 7")
        case SetDistinct():
            shop.run("ALTER TABLE orders ALTER city SET (n_distinct = 7)")
        case SetSetting(scope="function"):
            shop.run(f"ALTER FUNCTION {FUNCTION} SET work_mem = '5MB'")
        case SetSetting(scope="role_in_database"):
            shop.run(f"ALTER ROLE {change.scope_name} SET work_mem = '5MB'")
        case _:
            shop.run(f"ALTER DATABASE \"{shop.database}\" SET work_mem = '5MB'")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "drop_index"])
def test_what_somebody_else_has_put_in_its_place_is_left_alone(shop: Shop, kind: str) -> None:
    enforcer = shop.enforcer()
    (applied,) = enforcer.apply(strategy(shop.every_kind()[kind]))
    _replace(shop, applied.change)
    replaced = shop.picture()
    enforcer.revert(applied)
    assert shop.picture() == replaced
    assert shop.standing() == []
    with Ledger.open(shop.ledger_path) as ledger:
        last = ledger.last()
    assert last is not None
    assert last.body["replaced_by_others"] is True


def test_a_dropped_index_whose_name_is_taken_is_not_put_back_over_it(shop: Shop) -> None:
    enforcer = shop.enforcer()
    (applied,) = enforcer.apply(strategy(DROP_INDEX))
    _replace(shop, applied.change)
    replaced = shop.picture()
    with pytest.raises(ApplyError) as refused:
        enforcer.revert(applied)
    assert refused.value.code == "apply.replaced"
    assert (shop.picture(), shop.standing()) == (replaced, [DROP_INDEX])


@pytest.mark.parametrize("kind", KINDS)
def test_what_somebody_has_taken_back_by_hand_counts_as_taken_back(shop: Shop, kind: str) -> None:
    before = shop.picture()
    enforcer = shop.enforcer()
    (applied,) = enforcer.apply(strategy(shop.every_kind()[kind]))
    shop.run(applied.inverse.sql(concurrently=False))
    enforcer.revert(applied)
    assert (shop.picture(), shop.standing()) == (before, [])


def test_an_index_is_put_back_where_it_was_whatever_the_default_tablespace_says(any_shop: Shop) -> None:
    before = any_shop.picture()
    enforcer = any_shop.enforcer()
    (applied,) = enforcer.apply(strategy(DROP_INDEX))
    with any_shop.connect() as connection:
        connection.execute("SET allow_in_place_tablespaces = on")
        connection.execute("CREATE TABLESPACE elsewhere LOCATION ''")
    any_shop.run(f'ALTER DATABASE "{any_shop.database}" SET default_tablespace = elsewhere')
    any_shop.enforcer().revert(applied)
    any_shop.run(f'ALTER DATABASE "{any_shop.database}" RESET default_tablespace', "DROP TABLESPACE elsewhere")
    assert any_shop.picture() == before


@pytest.mark.parametrize("held", [None, 40])
def test_a_target_and_a_number_return_to_those_of_before_and_the_column_is_analysed_each_time(
    any_shop: Shop, held: int | None
) -> None:
    if held is not None:
        any_shop.run(f"ALTER TABLE orders ALTER id SET STATISTICS {held}, ALTER id SET (n_distinct = {held})")
    any_shop.run("ANALYZE orders")
    before = (any_shop.picture(), _kept(any_shop))
    enforcer = any_shop.enforcer()
    target, number = SetStatisticsTarget("public", "orders", "id", 150), SetDistinct("public", "orders", "id", 9.0)
    first, second = enforcer.apply(strategy(target, number))
    assert _kept(any_shop) == (150, 9.0)
    enforcer.revert(second)
    enforcer.revert(first)
    assert (any_shop.picture(), _kept(any_shop)) == before


def _kept(shop: Shop) -> tuple[int, float]:
    """How many parts of a column's values ANALYZE kept, and the distinct values that it told."""
    with shop.connect() as connection:
        row = connection.execute(
            "select array_length(histogram_bounds::text::text[], 1) - 1, n_distinct"
            " from pg_stats where tablename = 'orders' and attname = 'id'"
        ).fetchone()
    assert row is not None
    return int(row[0]), float(row[1])


def test_of_a_partitioned_table_the_number_is_that_of_all_partitions_together(shop: Shop) -> None:
    shop.run("INSERT INTO event SELECT n, 'k' || n % 3, date '2024-01-01' + n % 300 FROM generate_series(1, 900) n")
    before = shop.picture()
    (applied,) = shop.enforcer().apply(strategy(SetDistinct("public", "event", "kind", 77.0, is_inherited=True)))
    with shop.connect() as connection:
        text = "select n_distinct from pg_stats where tablename = 'event' and attname = 'kind' and inherited"
        assert connection.execute(text.encode()).fetchall() == [(77.0,)]
    shop.enforcer().revert(applied)
    assert shop.picture() == before


def test_what_was_set_for_a_column_that_is_gone_since_does_not_stay_open(shop: Shop) -> None:
    (applied,) = shop.enforcer().apply(strategy(SET_TARGET))
    shop.run("ALTER TABLE orders DROP COLUMN city")
    assert shop.enforcer().revert(applied).left_alone == "subject_gone"
    assert shop.standing() == []


def test_a_function_that_was_renamed_is_found_by_its_oid(shop: Shop) -> None:
    before = shop.picture()
    enforcer = shop.enforcer()
    (applied,) = enforcer.apply(strategy(shop.every_kind()["for_a_function"]))
    shop.run(f"ALTER FUNCTION {FUNCTION} RENAME TO another")
    enforcer.revert(applied)
    assert shop.picture() == before


def test_a_function_is_its_owners_to_set(shop: Shop) -> None:
    with pytest.raises(RefusedError, match=r"settings\.not_owner"):
        shop.enforcer(user="stranger").apply(strategy(shop.every_kind()["for_a_function"]))
    gone = SetSetting("function", '"public"."gone"()', "work_mem", "64MB")
    with pytest.raises(RefusedError, match=r"settings\.not_owner"):
        shop.enforcer().apply(strategy(gone))
    assert shop.kinds() == []


def test_the_same_value_set_twice_is_taken_back_in_order(shop: Shop) -> None:
    enforcer = shop.enforcer()
    (first,) = enforcer.apply(strategy(SET_TARGET))
    (second,) = enforcer.apply(strategy(replace(SET_TARGET, target=400)))
    with pytest.raises(RefusedError) as refused:
        enforcer.revert(first)
    assert refused.value.code == "revert.rested_on"
    enforcer.revert(second)
    enforcer.revert(first)
    assert shop.standing() == []
