"""Claims about security around a change: what it declares stands, what comes with it does not, none is unseen."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import pytest

from trimtab.apply.enforce import Enforcer
from trimtab.apply.preserve import Preservation
from trimtab.db.connection import connect
from trimtab.errors import ApplyError, RefusedError, SourceError
from trimtab.ledger.entry import Entry
from trimtab.model.change import CreateIndex, DropIndex, SetSetting
from trimtab.security.read import read_security
from trimtab.security.snapshot import SecuritySnapshot

from .shop import CREATE_INDEX, CREATE_STATISTICS, DROP_INDEX, Shop, open_transaction, strategy

pytestmark = pytest.mark.server


def _enforcer(shop: Shop, meanwhile: Callable[[int], None] = lambda _number: None) -> tuple[Enforcer, Preservation]:
    """An enforcer that looks at security; `meanwhile` is called with the number of each look, before it."""
    reader = shop.connect()
    enforcer = shop.enforcer()
    looks = 0

    def look() -> SecuritySnapshot:
        nonlocal looks
        looks += 1
        meanwhile(looks)
        return read_security(reader, now_ns=lambda: looks)

    preservation = Preservation(look, enforcer.ledger, enforcer.run_id)
    return replace(enforcer, preservation=preservation), preservation


def _compared(shop: Shop) -> list[Entry]:
    with closing(shop.ledger()) as ledger:
        return [entry for entry in ledger.entries() if entry.kind.value == "security_compared"]


@pytest.mark.parametrize(
    "kind",
    [
        "create_index",
        "drop_index",
        "create_statistics",
        "set_setting",
        "for_a_function",
        "for_a_role_here",
        "set_statistics_target",
        "set_distinct",
    ],
)
def test_what_a_change_declares_stands_and_is_taken_back(any_shop: Shop, kind: str) -> None:
    enforcer, preservation = _enforcer(any_shop)
    (applied,) = enforcer.apply(strategy(any_shop.every_kind()[kind]))
    enforcer.revert(applied)
    assert any_shop.kinds() == [
        "apply_intended",
        "apply_done",
        "security_compared",
        "revert_intended",
        "revert_done",
        "security_compared",
    ]
    assert [entry.number("undeclared_count") for entry in _compared(any_shop)] == [0, 0]
    assert [note for note in preservation.notes if "warning." not in note] == []


def test_n_changes_take_one_look_more_than_there_are_changes(shop: Shop) -> None:
    looks: list[int] = []
    enforcer, preservation = _enforcer(shop, looks.append)
    enforcer.apply(strategy(CREATE_INDEX))
    enforcer.apply(strategy(CREATE_STATISTICS, shop.set_setting("64MB")))
    assert (len(looks), preservation.compared) == (4, 3)
    digests = [(entry.text("before_digest"), entry.text("after_digest")) for entry in _compared(shop)]
    assert [before for before, _ in digests[1:]] == [after for _, after in digests[:-1]]


def test_a_weakening_at_the_same_time_takes_the_change_back_and_says_so(shop: Shop) -> None:
    before = shop.picture()

    def meanwhile(number: int) -> None:
        if number == 2:
            shop.run("GRANT SELECT ON customer TO PUBLIC")

    enforcer, preservation = _enforcer(shop, meanwhile)
    with pytest.raises(ApplyError) as caught:
        enforcer.apply(strategy(CREATE_INDEX))
    assert caught.value.code == "security.undeclared"
    assert "posture.grant_public" in str(caught.value)
    assert "somebody else" in str(caught.value)
    assert "customer" not in str(caught.value)  # which is written to the ledger
    assert 'grants["relation"."public"."customer"."PUBLIC"]' in preservation.notes[0]
    assert ("posture.grant_public", "grants") in {(each.code, each.section) for each in preservation.found}
    shop.run("REVOKE SELECT ON customer FROM PUBLIC")
    assert shop.picture() == before
    assert shop.standing() == []
    first, second = _compared(shop)
    assert (first.number("undeclared_count"), second.number("undeclared_count")) == (1, 1)
    assert "customer" not in json.dumps(dict(first.body))


def test_nothing_more_is_changed_while_the_weakening_stands_and_again_when_it_is_gone(shop: Shop) -> None:
    def meanwhile(number: int) -> None:
        if number == 2:
            shop.run("GRANT SELECT ON customer TO PUBLIC")

    enforcer, _ = _enforcer(shop, meanwhile)
    with pytest.raises(ApplyError):
        enforcer.apply(strategy(CREATE_INDEX))
    with pytest.raises(RefusedError) as caught:
        enforcer.apply(strategy(CREATE_STATISTICS))
    assert caught.value.code == "security.weakened_before"
    assert shop.standing() == []
    shop.run("REVOKE SELECT ON customer FROM PUBLIC")
    enforcer.apply(strategy(CREATE_STATISTICS))
    assert shop.standing() == [CREATE_STATISTICS]


def test_what_somebody_else_does_that_guards_nothing_is_let_stand(shop: Shop) -> None:
    def meanwhile(number: int) -> None:
        if number == 2:
            shop.run("CREATE TABLE theirs (id int PRIMARY KEY)", "CREATE INDEX theirs_too ON theirs (id)")

    enforcer, _ = _enforcer(shop, meanwhile)
    enforcer.apply(strategy(CREATE_INDEX))
    assert shop.standing() == [CREATE_INDEX]
    (compared,) = _compared(shop)
    assert compared.number("difference_count") == 5  # the index, their table, its key, and their two indexes
    assert compared.number("undeclared_count") == 0


def test_what_is_weaker_after_a_revert_is_noted_and_the_revert_stays(shop: Shop) -> None:
    def meanwhile(number: int) -> None:
        if number == 3:
            shop.run("ALTER TABLE customer ALTER email DROP NOT NULL")

    enforcer, preservation = _enforcer(shop, meanwhile)
    (applied,) = enforcer.apply(strategy(CREATE_INDEX))
    enforcer.revert(applied)
    assert shop.standing() == []
    assert all("posture.not_null" in note for note in preservation.notes)
    assert any("customer" in note for note in preservation.notes)


def test_what_cannot_be_looked_at_cannot_stand(shop: Shop) -> None:
    before = shop.picture()

    def meanwhile(number: int) -> None:
        if number == 2:
            raise SourceError("the connection was lost", code="source.lost")

    enforcer, _ = _enforcer(shop, meanwhile)
    with pytest.raises(SourceError):
        enforcer.apply(strategy(CREATE_INDEX))
    assert shop.picture() == before


def test_what_cannot_be_looked_at_is_taken_back_all_the_same_and_that_is_noted(shop: Shop) -> None:
    before = shop.picture()

    def meanwhile(number: int) -> None:
        if number == 3:
            raise SourceError("the connection was lost", code="source.lost")

    enforcer, preservation = _enforcer(shop, meanwhile)
    (applied,) = enforcer.apply(strategy(CREATE_INDEX))
    enforcer.revert(applied)
    assert shop.picture() == before
    [note] = preservation.notes
    assert "not looked at" in note


def test_a_table_that_somebody_holds_is_not_waited_for_long(shop: Shop) -> None:
    shop.run("CREATE VIEW of_orders AS SELECT id FROM orders WHERE city > 'a'")
    reader = shop.connect()
    with open_transaction(shop, "LOCK TABLE orders IN ACCESS EXCLUSIVE MODE"), pytest.raises(SourceError):
        read_security(reader, now_ns=lambda: 1)
    assert read_security(reader, now_ns=lambda: 1).rows("relations")


def test_an_index_that_guards_something_is_refused_before_it_is_tried(shop: Shop) -> None:
    _, preservation = _enforcer(shop)
    preservation.look_first()
    guarding = DropIndex("public", "ticket", "ticket_id", "USING btree (id)", ("id",))
    with pytest.raises(RefusedError) as caught:
        preservation.refuse_blocked(guarding)
    assert caught.value.code == "security.blocked"
    preservation.refuse_blocked(DROP_INDEX)


@pytest.mark.parametrize("name", ["fsync", "session_replication_role", "search_path", "row_security"])
def test_a_setting_that_guards_something_is_refused_before_it_is_tried(shop: Shop, name: str) -> None:
    _, preservation = _enforcer(shop)
    preservation.look_first()
    with pytest.raises(RefusedError, match="posture"):
        preservation.refuse_blocked(SetSetting("database", shop.database, name, "off"))


def test_a_role_without_rights_can_look_and_an_index_with_a_function_is_declared(shop: Shop) -> None:
    shop.run("CREATE FUNCTION half(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 / 2'",
             "ALTER TABLE orders OWNER TO keeper", "GRANT CREATE ON SCHEMA public TO keeper")  # fmt: skip
    with closing(connect(shop.server.dsn(shop.database, user="stranger"), read_only=True)) as reader:
        enforcer = shop.enforcer()
        preservation = Preservation(lambda: read_security(reader, now_ns=lambda: 1), enforcer.ledger, "r-test")
        index = CreateIndex("public", "orders", "trimtab_orders_half", "USING btree (half(id))", ("",))
        replace(enforcer, preservation=preservation).apply(strategy(index))
    assert shop.standing() == [index]


def test_what_an_event_trigger_does_with_a_change_is_taken_back_with_it(shop: Shop) -> None:
    shop.run(
        "CREATE FUNCTION opening() RETURNS event_trigger LANGUAGE plpgsql AS"
        " 'BEGIN GRANT SELECT ON public.customer TO PUBLIC; END'",
        "CREATE EVENT TRIGGER opens ON ddl_command_end WHEN TAG IN ('CREATE STATISTICS') EXECUTE FUNCTION opening()",
    )
    enforcer, _ = _enforcer(shop)
    with pytest.raises(ApplyError, match=r"posture\.grant_public") as caught:
        enforcer.apply(strategy(CREATE_STATISTICS))
    assert caught.value.code == "security.undeclared"
    assert shop.standing() == []


def test_a_change_that_copies_values_of_a_personal_column_is_noted(shop: Shop) -> None:
    shop.run("COMMENT ON COLUMN orders.city IS 'PII'")
    enforcer, preservation = _enforcer(shop)
    enforcer.apply(strategy(CREATE_STATISTICS))
    assert [note.split(": ")[1] for note in preservation.notes] == ["warning.personal_column"]
    [entry] = _compared(shop)
    assert entry.body["warnings"] == ["warning.personal_column"]
