"""Operator classes of the user's own are in the clone, with what rests on them, and no superuser calls them there."""

from __future__ import annotations

from contextlib import closing

import pytest

from trimtab.db.connection import connect
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.trial.lab import open_clone_lab

from .conftest import snapshot_of

pytestmark = pytest.mark.server

# Numbers of a sequence outlive the transaction that took them.
CLASSES = """
create sequence calls;
create sequence calls_by_superusers;
create function backward(int4, int4) returns int language plpgsql immutable as $$
begin
    perform nextval('public.calls');
    if (select rolsuper from pg_catalog.pg_roles where rolname = current_user) then
        perform nextval('public.calls_by_superusers');
    end if;
    return case when $1 > $2 then -1 when $1 = $2 then 0 else 1 end;
end $$;
create function b1(int4, int4) returns bool language plpgsql immutable as $$ begin return backward($1, $2) < 0; end $$;
create function b2(int4, int4) returns bool language plpgsql immutable as $$ begin return backward($1, $2) <= 0; end $$;
create function b3(int4, int4) returns bool language plpgsql immutable as $$ begin return backward($1, $2) = 0; end $$;
create function b4(int4, int4) returns bool language plpgsql immutable as $$ begin return backward($1, $2) >= 0; end $$;
create function b5(int4, int4) returns bool language plpgsql immutable as $$ begin return backward($1, $2) > 0; end $$;
create operator <# (function = b1, leftarg = int4, rightarg = int4);
create operator <=# (function = b2, leftarg = int4, rightarg = int4);
create operator =# (function = b3, leftarg = int4, rightarg = int4);
create operator >=# (function = b4, leftarg = int4, rightarg = int4);
create operator ># (function = b5, leftarg = int4, rightarg = int4);
create operator class backward for type int4 using btree as
  operator 1 <#, operator 2 <=#, operator 3 =#, operator 4 >=#, operator 5 >#, function 1 backward(int4, int4);
create table numbered (n int, big numeric);
insert into numbered select i, i from generate_series(1, 3000) i;
create unique index numbered_n on numbered (n backward);
"""
FORGOTTEN = "alter sequence calls restart; alter sequence calls_by_superusers restart"
OTHERS = """
create type span as range (subtype = int4, subtype_opclass = backward);
create operator class claims for type int4 using btree as
  operator 1 >, operator 2 >=, operator 3 =, operator 4 <=, operator 5 <, function 1 backward(int4, int4);
"""


def cloned(source: Server, binaries: Binaries, script: str) -> tuple[tuple[str, ...], list[str], tuple[bool, bool]]:
    """Return the notes of a clone, the nodes of a plan in it, and whether functions, or superusers, were called."""
    with closing(connect(source.dsn(), read_only=False)) as admin:
        admin.execute(b"create database classes template template0")
    try:
        with closing(connect(source.dsn("classes"), read_only=False)) as admin:
            admin.execute(script.encode())
            admin.execute(FORGOTTEN.encode())
        with closing(connect(source.dsn("classes"), read_only=True)) as connection:
            snapshot = snapshot_of(connection)
        with open_clone_lab(source.dsn("classes"), snapshot, binaries, max_size_bytes=10**9) as lab:
            lab.connection.execute(b"delete from numbered where n % 3 = 0")
            lab.connection.execute(b"insert into numbered values (0, 0)")
            plan = [row[0] for row in lab.connection.execute("explain select * from numbered where n =# 7").fetchall()]
            assert lab.connection.execute("select big from numbered where n =# 7").fetchall() == [(7,)]
            text = "select c.is_called, s.is_called from public.calls c, public.calls_by_superusers s"
            row = lab.connection.execute(text).fetchone()
            assert row is not None
            return lab.notes, plan, (row[0], row[1])
    finally:
        with closing(connect(source.dsn(), read_only=False)) as admin:
            admin.execute(b"drop database classes with (force)")


def test_a_clone_has_them_and_the_indexes_that_need_them(source: Server, binaries: Binaries) -> None:
    notes, plan, called = cloned(source, binaries, CLASSES)
    assert notes == ()
    assert "numbered_n" in plan[0]
    assert called == (True, False)


def test_those_that_may_do_harm_are_named(source: Server, binaries: Binaries) -> None:
    notes, plan, called = cloned(source, binaries, CLASSES + OTHERS)
    [note] = notes
    assert note.startswith("not restored in the lab: ")
    for entry in ("TYPE public span", "OPERATOR CLASS public claims", "OPERATOR FAMILY public claims"):
        assert entry in note
    assert "backward:" not in note
    assert "numbered_n" in plan[0]
    assert called == (True, False)
