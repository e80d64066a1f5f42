"""Claims about what may be wanted of indexes: what is no limit is refused, and the nearer wish wins."""

from __future__ import annotations

import math
from dataclasses import fields

import pytest

from trimtab.errors import TrimtabError, UsageError
from trimtab.model.index_wishes import KINDS, NO_WISHES, WISHES, IndexWishes, wishes_of, with_wish

EVERY_WISH: dict[str, object] = {
    "kinds": ["btree", "include"],
    "max_width": 2,
    "max_indexes": 0,
    "max_write_overhead": "10%",
    "max_regression": "2.5%",
    "must_keep": ["a", "public.b"],
    "must_not": ["t", "t.c"],
    "seconds": 1,
    "solver": "local",
}


def test_every_wish_is_read_into_its_field() -> None:
    assert list(EVERY_WISH) == list(WISHES) == [field.name for field in fields(IndexWishes)][:-1]
    assert wishes_of(EVERY_WISH) == IndexWishes(
        kinds=frozenset({"btree", "include"}),
        max_width=2,
        max_indexes=0,
        max_write_overhead=0.1,
        max_regression=0.025,
        must_keep=("a", "public.b"),
        must_not=("t", "t.c"),
        seconds=1.0,
        solver="local",
    )


def test_what_is_not_given_is_no_wish() -> None:
    assert wishes_of(dict.fromkeys(WISHES) | {"must_keep": [], "must_not": []}) == NO_WISHES


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("kinds", ["tree"], "usage.kinds"),
        ("kinds", [], "usage.kinds"),
        ("kinds", "btree", "usage.kinds"),
        ("kinds", [["btree"]], "usage.kinds"),
        ("max_width", 0, "usage.max_width"),
        ("max_width", 2.0, "usage.max_width"),
        ("max_indexes", -1, "usage.max_indexes"),
        ("max_indexes", True, "usage.max_indexes"),
        ("max_write_overhead", 0.1, "usage.max_write_overhead"),
        ("max_write_overhead", "0.1", "share.invalid"),
        ("max_regression", "-5%", "share.invalid"),
        ("must_keep", "orders_pkey", "usage.must_keep"),
        ("must_keep", [" "], "usage.must_keep"),
        ("must_not", [1], "usage.must_not"),
        ("must_not", ["a\0b"], "usage.must_not"),
        ("seconds", -0.5, "usage.seconds"),
        ("seconds", math.nan, "usage.seconds"),
        ("seconds", math.inf, "usage.seconds"),
        ("solver", "oracle", "usage.solver"),
        ("solver", None, "usage.solver"),
    ],
)
def test_what_is_no_limit_is_refused_by_its_code(name: str, value: object, code: str) -> None:
    with pytest.raises(TrimtabError) as refused:
        with_wish(NO_WISHES, name, value)
    assert (refused.value.code, refused.value.exit_code) == (code, 2)
    assert refused.value.next_step


@pytest.mark.parametrize("name", ["max_indexes", "max_write_overhead", "max_regression", "seconds"])
@pytest.mark.parametrize("value", [-1, math.nan, math.inf])
def test_python_refuses_what_is_no_limit(name: str, value: float) -> None:
    with pytest.raises(UsageError) as refused:
        IndexWishes(**{name: value})  # type: ignore[arg-type]
    assert refused.value.code == f"usage.{name}"


def test_the_nearer_wish_wins_and_no_name_is_unsaid() -> None:
    file = wishes_of(EVERY_WISH)
    assert NO_WISHES.over(file) == file == file.over(NO_WISHES)
    nearer = IndexWishes(
        kinds=KINDS, max_width=3, max_indexes=4, max_write_overhead=0.0, max_regression=0.0,
        must_keep=("c", "a"), must_not=("u",), seconds=0.0, solver="exact", drops=False,
    )  # fmt: skip
    both = nearer.over(file)
    assert (both.must_keep, both.must_not) == (("a", "public.b", "c"), ("t", "t.c", "u"))
    others = [field.name for field in fields(IndexWishes) if not field.name.startswith("must_")]
    assert [getattr(both, name) for name in others] == [getattr(nearer, name) for name in others]
