"""Claims about rights: what is refused is what the server itself would refuse, on old servers and new ones."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from trimtab.errors import RefusedError
from trimtab.model.change import Change, SetSetting, qualified
from trimtab.model.strategy import Strategy

from .shop import CREATE_INDEX, CREATE_STATISTICS, DROP_INDEX, Shop

ON_TABLES = (CREATE_INDEX, CREATE_STATISTICS, DROP_INDEX)


def strategy(change: Change) -> Strategy:
    return Strategy((change,), "test", "title", "reason", (), 1024)


@pytest.fixture
def crewed(any_shop: Shop) -> Iterator[Shop]:
    """The shop, its table owned by a group that may nothing else; `clerk` is a member of it, `other` a stranger."""
    any_shop.run("CREATE ROLE crew", "CREATE ROLE clerk LOGIN IN ROLE crew", "CREATE ROLE other")
    any_shop.run("ALTER TABLE orders OWNER TO crew", "GRANT pg_read_all_data TO clerk")
    any_shop.run("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    yield any_shop
    any_shop.stack.close()
    any_shop.run("ALTER TABLE orders OWNER TO keeper")
    for role in ("clerk", "other", "crew"):
        any_shop.run(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def _assert_refused(shop: Shop, change: Change, rule: str, *, by_the_server: bool = True) -> None:
    before = shop.picture()
    with pytest.raises(RefusedError, match=rule.replace(".", r"\.")):
        shop.enforcer(user="clerk").apply(strategy(change))
    assert (shop.picture(), shop.kinds()) == (before, [])
    if by_the_server:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            shop.connect(user="clerk").execute(change.sql().encode())


def _assert_applied_and_taken_back(shop: Shop, change: Change) -> None:
    before, enforcer = shop.picture(), shop.enforcer(user="clerk")
    (applied,) = enforcer.apply(strategy(change))
    assert shop.picture() != before
    enforcer.revert(applied)
    assert shop.picture() == before
    shop.ledger_path = shop.ledger_path.with_name(f"{shop.ledger_path.stem}_.db")  # else it saw the ledger before


@pytest.mark.parametrize("change", ON_TABLES, ids=lambda change: change.kind)
def test_the_owner_of_a_table_needs_create_on_its_schema(crewed: Shop, change: Change) -> None:
    # The server would drop an index for its owner; what it would not do is put it back.
    _assert_refused(crewed, change, "objects.no_create", by_the_server=change is not DROP_INDEX)
    for grantee in ("clerk", "crew"):
        crewed.run(f"GRANT CREATE ON SCHEMA public TO {grantee}")
        _assert_applied_and_taken_back(crewed, change)
        crewed.run(f"REVOKE CREATE ON SCHEMA public FROM {grantee}")


def test_what_can_be_dropped_but_not_put_back_is_what_the_server_says(crewed: Shop) -> None:
    clerk = crewed.connect(user="clerk")
    clerk.execute(f"DROP INDEX {qualified(DROP_INDEX.schema, DROP_INDEX.name)}".encode())
    inverse = DROP_INDEX.inverse(crewed.facts())
    assert inverse is not None
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        clerk.execute(inverse.sql().encode())


def test_a_new_index_needs_create_on_the_default_tablespace(crewed: Shop) -> None:
    crewed.run("GRANT CREATE ON SCHEMA public TO clerk")
    with psycopg.connect(crewed.dsn, autocommit=True) as superuser:
        superuser.execute("SET allow_in_place_tablespaces = on")
        superuser.execute("CREATE TABLESPACE \"fast 'disk'\" LOCATION ''")
    crewed.run("ALTER ROLE clerk SET default_tablespace = \"fast 'disk'\"")
    try:
        _assert_refused(crewed, CREATE_INDEX, "objects.no_tablespace")
        _assert_applied_and_taken_back(crewed, DROP_INDEX)
        crewed.run("GRANT CREATE ON TABLESPACE \"fast 'disk'\" TO clerk")
        _assert_applied_and_taken_back(crewed, CREATE_INDEX)
    finally:
        crewed.run("DROP OWNED BY clerk", "DROP TABLESPACE \"fast 'disk'\"")


def test_settings_of_the_database_are_its_owners(crewed: Shop) -> None:
    change = crewed.set_setting("64MB")
    _assert_refused(crewed, change, "settings.not_owner")
    crewed.run(f'ALTER DATABASE "{crewed.database}" OWNER TO keeper', "GRANT keeper TO clerk")
    _assert_applied_and_taken_back(crewed, change)


def test_settings_of_a_role_are_its_own_or_for_who_administers_it(crewed: Shop) -> None:
    other = SetSetting("role", "other", "work_mem", "64MB")
    _assert_applied_and_taken_back(crewed, SetSetting("role", "clerk", "work_mem", "64MB"))
    _assert_refused(crewed, other, "settings.not_owner")
    crewed.run("ALTER ROLE clerk CREATEROLE")
    if crewed.facts().server.version >= 160000:
        _assert_refused(crewed, other, "settings.not_owner")
        crewed.run("GRANT other TO clerk WITH ADMIN OPTION")
    _assert_applied_and_taken_back(crewed, other)
    _assert_refused(crewed, SetSetting("role", "trimtab", "work_mem", "64MB"), "settings.not_owner")
