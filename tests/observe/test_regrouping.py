from __future__ import annotations

import pytest

from trimtab.observe.regrouping import regrouped


@pytest.mark.parametrize(
    ("kept", "plannable"),
    [
        (
            "select f($1, x), $2 from t where y = $3 group by f('month', x) limit $4",
            "select f('month', x), $1 from t where y = $2 group by f('month', x) limit $3",
        ),
        (
            "select a + $1 from t group by a + $2 having a + $3 > $4",
            "select a + $1 from t group by a + $1 having a + $1 > $2",
        ),
        (
            "select case when a > $1 then $2 end from t group by case when a > 10 then 'ü' end",
            "select case when a > 10 then 'ü' end from t group by case when a > 10 then 'ü' end",
        ),
        ("select f($1, x) from t order by f('é', x)", "select f('é', x) from t order by f('é', x)"),
        ("select distinct on (a + 1) a + $1 from t", "select distinct on (a + 1) a + 1 from t"),
    ],
)
def test_what_must_be_equal_becomes_equal_again(kept: str, plannable: str) -> None:
    assert regrouped(kept) == plannable
    assert regrouped(plannable) == plannable


@pytest.mark.parametrize(
    "text",
    [
        "select a from t where b = $1 group by a order by a limit $2",
        "select sum(a + $1) from t group by a + 5",
        "select g($1, x) from t group by f('month', x)",
        "select f($1",
        "update t set a = $1",
    ],
)
def test_everything_else_stays_as_it_is(text: str) -> None:
    assert regrouped(text) == text
