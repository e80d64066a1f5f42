from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.observe.bindings import Role, bindings

KNOWN = {
    ("", "t"): ["a", "b", "c"],
    ("", "u"): ["id", "x"],
    ("s", "o"): ["k"],
}
T_A, T_B, T_C, U_ID, U_X = ("", "t", "a"), ("", "t", "b"), ("", "t", "c"), ("", "u", "id"), ("", "u", "x")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("select * from t where a = $1 and $2 < b", {1: (Role.EQUAL, T_A), 2: (Role.LOW, T_B)}),
        ("select * from t y where y.a between $1 and $2", {1: (Role.LOW, T_A), 2: (Role.HIGH, T_A)}),
        ("select * from t where (a, b) > ($1, $2)", {1: (Role.LOW, T_A), 2: (Role.LOW, T_B)}),
        ("select * from t where a in ($1, $2)", {1: (Role.EQUAL, T_A), 2: (Role.EQUAL, T_A)}),
        ("select * from t where a = any($1::int[])", {1: (Role.EQUAL, T_A)}),
        ("select * from t where lower(b) like $1", {1: (Role.PATTERN, T_B)}),
        ("select * from t where lower(b) = lower($1)", {1: (Role.EQUAL, T_B)}),
        ("select * from t where b is distinct from $1", {1: (Role.EQUAL, T_B)}),
        ("select * from t join u on u.id = a and x >= $1", {1: (Role.LOW, U_X)}),
        ("select * from s.o where k = $1", {1: (Role.EQUAL, ("s", "o", "k"))}),
        ("select (select x from u where id = t.a and b = $1) from t", {1: (Role.EQUAL, T_B)}),
        ("select * from (select a as z from t) q where q.z = $1", {1: (Role.EQUAL, T_A)}),
        ("with q(z) as (select * from t) select * from q where z = $1", {1: (Role.EQUAL, T_A)}),
        (
            "select date_trunc($1, c) from t limit $2 offset $3",
            {1: (Role.PART, None), 2: (Role.LIMIT, None), 3: (Role.OFFSET, None)},
        ),
        ("insert into t (b, a) values ($1, $2)", {1: (Role.INSERTED, T_B), 2: (Role.INSERTED, T_A)}),
        (
            "insert into t values ($1, $2), ($3, 4)",
            {1: (Role.INSERTED, T_A), 2: (Role.INSERTED, T_B), 3: (Role.INSERTED, T_A)},
        ),
        ("insert into t (a) select $1 from u where id = $2", {1: (Role.INSERTED, T_A), 2: (Role.EQUAL, U_ID)}),
        ("insert into t (a) values (1) on conflict (a) do update set b = $1", {1: (Role.ASSIGNED, T_B)}),
        ("update t set a = $1 where b = $2", {1: (Role.ASSIGNED, T_A), 2: (Role.EQUAL, T_B)}),
        ("update t set (a, b) = ($1, $2)", {1: (Role.ASSIGNED, T_A), 2: (Role.ASSIGNED, T_B)}),
        ("delete from t using u where t.a = u.id and u.x = $1", {1: (Role.EQUAL, U_X)}),
        (
            "merge into t using u on t.a = u.id when matched then update set b = $1"
            " when not matched then insert (a, c) values ($2, $3)",
            {1: (Role.ASSIGNED, T_B), 2: (Role.INSERTED, T_A), 3: (Role.INSERTED, T_C)},
        ),
        (
            "select a from t where a = $1 union select id from u where x = $2",
            {1: (Role.EQUAL, T_A), 2: (Role.EQUAL, U_X)},
        ),
        ("select coalesce(a, $1) from t", {1: (Role.EQUAL, T_A)}),
        ("select $1 from t where a + $2 = 4", {}),
        ("select * from unknown where a = $1", {}),
        ("select * from t y, t z where a = $1", {}),
        ("select (", {}),
    ],
)
def test_a_parameter_is_bound_to_the_column_it_is_used_with(text: str, expected: dict[int, object]) -> None:
    assert {number: (b.role, b.column) for number, b in bindings(text, KNOWN).items()} == expected


def test_bounds_of_different_query_levels_are_kept_apart() -> None:
    found = bindings("select * from t where a > $1 and b in (select a from t where a < $2)", KNOWN)
    assert found[1].level != found[2].level


@given(st.text(max_size=60))
def test_no_text_raises(text: str) -> None:
    bindings(f"select {text} from t", KNOWN)
