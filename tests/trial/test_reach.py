from __future__ import annotations

import pytest

from trimtab.trial.lab import Lab
from trimtab.trial.reach import writes_reaching

pytestmark = pytest.mark.server

_TABLES = """
create function note() returns trigger language plpgsql as 'begin return null; end';
create table audit (id int);
create table orders (id int primary key);
create trigger noted after insert on orders for each row execute function note();
create trigger off after delete on orders for each row execute function note();
alter table orders disable trigger off;
create trigger same before update on orders for each row execute function suppress_redundant_updates_trigger();
create table country (id int primary key);
create table customer (id int primary key, country int references country on update cascade on delete set null);
create table basket (id int primary key, customer int references customer on delete cascade);
create table item (basket int references basket on delete cascade on update restrict);
create table whole (id int primary key) partition by range (id);
create table part partition of whole for values from (0) to (9);
create table detail (whole int references whole on delete cascade);
"""


@pytest.mark.parametrize(
    ("table", "reaching"),
    [
        ("audit", {"audit Insert", "audit Update", "audit Delete"}),
        ("item", {"item Insert", "item Update", "item Delete", "basket Delete", "customer Delete"}),
        ("customer", {"customer Insert", "customer Update", "customer Delete", "country Update", "country Delete"}),
        ("detail", {"detail Insert", "detail Update", "detail Delete", "whole Delete", "part Delete"}),
    ],
)
def test_writes_reach_a_table_through_triggers_and_actions_of_foreign_keys(
    lab: Lab, table: str, reaching: set[str]
) -> None:
    lab.begin()
    lab.connection.execute(_TABLES.encode())
    found = {f"{name} {operation}" for _, name, operation in writes_reaching(lab.connection, {("public", table)})}
    assert found == reaching | {"orders Insert"}


def test_no_changed_table_is_reached_by_nothing(lab: Lab) -> None:
    assert writes_reaching(lab.connection, ()) == frozenset()
