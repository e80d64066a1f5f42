"""Which rule brings which candidate for what a plan asks of a table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trimtab.model.catalog import Column, ForeignKey, Index, Table
from trimtab.model.plan import Plan, PlanNode
from trimtab.propose.candidate import Candidate, Key
from trimtab.propose.candidates import MAX_EXPRESSION, MAX_OF_METHOD, MAX_PARTIAL, MAX_PER_NEED, candidates_for
from trimtab.propose.context import Limits
from trimtab.propose.merge import merged
from trimtab.propose.methods import pages_per_range
from trimtab.propose.needs import Need, needs_of

from .catalogue import LIMITS, column, context, index, node, scan, table

COLUMNS = (
    column("id"),
    column("customer_id"),
    replace(column("status", "text", width=6), distinct_values=5.0),
    replace(column("city", "text", width=8), distinct_values=900.0),
    column("deleted_at", "date"),
    column("is_open", "boolean", width=1),
    replace(column("placed", "timestamp with time zone", width=8), correlation=0.99),
    replace(column("shuffled", "integer"), correlation=0.02),
    column("email", "text", width=24),
    column("key", "text", width=90),
    column("tags", "integer[]", width=40),
    column("doc", "jsonb", width=200),
    column("body", "tsvector", width=90),
    column("during", "tstzrange", width=22),
    column("place", "point", width=16, has_order=False),
    column("address", "inet", width=7),
)


def orders(*indexes: Index, columns: tuple[Column, ...] = COLUMNS, **fields: tuple[ForeignKey, ...]) -> Table:
    return table("t", columns, *indexes, **fields)  # type: ignore[arg-type]


def need(condition: str = "", *, sort: str = "", group: str = "", output: tuple[str, ...] = ("t.id",)) -> Need:
    keys = {"Output": output}
    found = replace(scan("t", condition), keys=keys)
    if sort:
        found = replace(node("Sort", found), keys={"Sort Key": (sort,), "Output": output})
    if group:
        found = replace(node("Aggregate", found), keys={"Group Key": (group,), "Output": output}, strategy="Sorted")
    [only] = needs_of(Plan(found))
    return only


def rules(
    condition: str = "",
    *,
    of: Table | None = None,
    limits: Limits = LIMITS,
    is_constant: bool = True,
    is_shared: bool = False,
    extensions: tuple[str, ...] = (),
    sort: str = "",
    group: str = "",
) -> dict[str, list[str]]:
    """The definitions that each rule brings, in order."""
    asked = need(condition, sort=sort, group=group)
    constant = frozenset(c.predicate for c in asked.scan_conditions if c.predicate) if is_constant else frozenset()
    found: dict[str, list[str]] = {}
    for candidate in candidates_for(
        asked,
        of or orders(),
        limits,
        constant=constant,
        shared=constant if is_shared else frozenset(),
        extensions=dict.fromkeys(extensions, "Own place"),
    ):
        found.setdefault(candidate.rule, []).append(candidate.tail.removeprefix("USING "))
    return found


@pytest.mark.parametrize(
    ("condition", "predicate"),
    [
        ("(t.deleted_at IS NULL)", "deleted_at IS NULL"),
        ("(t.deleted_at IS NOT NULL)", "deleted_at IS NOT NULL"),
        ("(t.status = 'open'::text)", "status = 'open'::text"),
        ("(t.status = ANY ('{open,paid}'::text[]))", "status = ANY('{open,paid}'::text[])"),
        ("(t.status <> 'done'::text)", "status <> 'done'::text"),
        ("t.is_open", "is_open"),
        ("(NOT t.is_open)", "NOT is_open"),
    ],
)
def test_a_state_makes_a_part_with_the_rest_as_its_keys(condition: str, predicate: str) -> None:
    found = rules(f"((t.customer_id = 7) AND {condition})")
    assert f'btree ("customer_id") WHERE ({predicate})' in found["partial"]
    assert not any("customer_id = 7" in tail.partition("WHERE")[2] for tail in found["partial"])


@pytest.mark.parametrize(
    "condition",
    ["(t.status = $1)", "(t.city = 'here'::text)", "(t.placed > '2024-01-01 00:00:00+00'::timestamp with time zone)",
     "(t.status = (InitPlan 1).col1)", "(lower(t.status) = 'open'::text)", "((t.status = 'a'::text) OR t.is_open)"],
)  # fmt: skip
def test_what_is_no_state_makes_no_part(condition: str) -> None:
    assert "partial" not in rules(f"((t.customer_id = 7) AND {condition})")


@pytest.mark.parametrize("column", ["city", "deleted_at", "email"])
def test_what_must_not_be_indexed_is_in_no_key_expression_or_predicate(column: str) -> None:
    condition = (
        "((t.customer_id = 7) AND (t.city = 'x'::text) AND (t.deleted_at IS NULL) AND (lower(t.email) = 'a'::text))"
    )
    free = [tail for tails in rules(condition).values() for tail in tails]
    limits = replace(LIMITS, must_not=frozenset({("public", "t", column)}))
    found = [tail for tails in rules(condition, limits=limits).values() for tail in tails]
    assert any(column in tail for tail in free)
    assert found
    assert not any(column in tail for tail in found)
    assert rules(condition, limits=replace(LIMITS, must_not=frozenset({("public", "t", "")}))) == {}


@pytest.mark.parametrize("above", ["Hash Join", "Sort", "Aggregate"])
def test_what_is_asked_of_rows_that_were_appended_is_asked_of_each_member(above: str) -> None:
    """Nodes above what UNION ALL makes call its columns by the first member's names alone."""
    members = [
        replace(scan("sold", "(sold.price > 7)"), keys={"Output": ("sold.price", "0", "sold.day")}),
        replace(scan("returned"), keys={"Output": ("0", "returned.amount", "returned.back_on")}),
    ]
    appended = node("Append", *members)
    if above == "Hash Join":
        days = replace(scan("days"), keys={"Output": ("days.day",)})
        top = replace(node(above, appended, days), conditions={"Hash Cond": "(sold.day = days.day)"})
    else:
        top = replace(node(above, appended), keys={"Sort Key" if above == "Sort" else "Group Key": ("sold.day",)})
    found = {one.table: one for one in needs_of(Plan(top))}
    for name, asked in (("sold", "day"), ("returned", "back_on")):
        ordered = [key[0] for order in found[name].orders for key in order]
        assert [*found[name].join_columns, *ordered, *found[name].group] == [asked]
    # What a member asks for itself is its own.
    assert found["sold"].range == ["price"]
    assert found["returned"].range == []


@pytest.mark.parametrize("is_whole", [True, False])
def test_what_is_asked_of_a_subquery_that_stayed_one_is_asked_of_what_is_below(is_whole: bool) -> None:
    """The arms of a UNION may be such; those that give some columns alone are told by equal names."""
    arms = [
        replace(scan("sold", "(sold.price > 7)"), keys={"Output": ("sold.price", "sold.day")}),
        replace(
            scan("returned"), keys={"Output": ("returned.amount", "returned.back_on" if is_whole else "returned.day")}
        ),
    ]
    whole = [('"*SELECT* 1".price', '"*SELECT* 1".day'), ('("*SELECT* 2".price)::numeric', '"*SELECT* 2".day')]
    scans = [
        replace(
            node("Subquery Scan", replace(arm, parent_relationship="Subquery")),
            alias=f"*SELECT* {number}",
            keys={"Output": outputs if is_whole else outputs[1:]},
        )
        for number, (arm, outputs) in enumerate(zip(arms, whole, strict=True), 1)
    ]
    appended = replace(node("Append", *scans), keys={})
    days = replace(scan("days"), keys={"Output": ("days.day",)})
    top = replace(node("Hash Join", appended, days), conditions={"Hash Cond": '("*SELECT* 1".day = days.day)'})
    found = {one.table: one for one in needs_of(Plan(top))}
    assert found["sold"].join == [("days", "day")]
    assert found["returned"].join == [("days", "back_on" if is_whole else "day")]


@pytest.mark.parametrize(
    ("condition", "predicate"),
    [
        ("(t.city = 'here'::text)", "(city = 'here'::text)"),
        ("(t.id > 100)", "(id > 100)"),
        ("((t.id >= 5) AND (t.id <= 9))", "(id <= 9) AND (id >= 5)"),
        ("((t.status = 'a'::text) OR t.is_open)", "(status = 'a'::text OR is_open)"),
    ],
)
def test_what_several_queries_ask_in_the_same_words_makes_a_part(condition: str, predicate: str) -> None:
    asked = f"((t.customer_id = $1) AND {condition})"
    assert "partial" not in rules(asked)
    assert f'btree ("customer_id") WHERE {predicate}' in rules(asked, is_shared=True)["partial"]


def test_what_only_the_drawn_parameters_say_makes_no_part() -> None:
    assert "partial" not in rules("((t.customer_id = 7) AND (t.status = 'open'::text))", is_constant=False)


def test_a_condition_above_an_outer_join_is_not_one_of_the_scan() -> None:
    join = replace(
        node("Hash Join", scan("o"), scan("t")),
        join_type="Left",
        conditions={"Hash Cond": "(o.id = t.customer_id)", "Filter": "(t.deleted_at IS NULL)"},
    )
    found = {need.alias: need for need in needs_of(Plan(join))}
    assert found["t"].scan_conditions == []


def test_several_states_make_one_part_and_parts_of_their_own() -> None:
    found = rules("((t.customer_id = 7) AND (t.deleted_at IS NULL) AND (t.status = 'open'::text))")["partial"]
    assert found[0] == "btree (\"customer_id\") WHERE (deleted_at IS NULL) AND (status = 'open'::text)"
    assert {tail.partition("WHERE ")[2] for tail in found} == {
        "(deleted_at IS NULL) AND (status = 'open'::text)",
        "(deleted_at IS NULL)",
        "(status = 'open'::text)",
    }


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("(lower(t.email) = 'x'::text)", "btree ((lower(email)))"),
        ("(lower(t.email) = $1)", "btree ((lower(email)))"),
        ("(((t.doc ->> 'k'::text))::integer > 5)", "btree (((doc ->> 'k'::text)::int))"),
        ("((t.doc ->> 'k'::text) = 'x'::text)", "btree ((doc ->> 'k'::text))"),
        ("((t.customer_id = 7) AND (lower(t.email) = 'x'::text))", 'btree ("customer_id", (lower(email)))'),
        ("((t.id > 7) AND (lower(t.email) = 'x'::text))", 'btree ((lower(email)), "id")'),
        ("(lower(t.email) = lower(o.email))", "btree ((lower(email)))"),
    ],
)
def test_an_expression_that_is_compared_makes_keys(condition: str, expected: str) -> None:
    assert expected in rules(condition)["expression"]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("((t.customer_id = 7) OR (t.id > 9))", ['"customer_id"', '"id"']),
        (
            "((t.placed > '2024-01-01'::date) AND (((t.customer_id = 7) AND (t.id > 9)) OR (t.deleted_at IS NULL)))",
            ['"customer_id", "id"', '"deleted_at"', '"placed", "customer_id", "id"', '"placed", "deleted_at"'],
        ),
        ("((t.status = 'x'::text) AND ((t.customer_id = o.id) OR (t.id = o.id)))", ['"customer_id"', '"id"']),
    ],
)
def test_each_branch_of_an_or_makes_keys(condition: str, expected: list[str]) -> None:
    found = rules(condition)["columns"]
    assert {f"btree ({keys})" for keys in expected} <= set(found)


@pytest.mark.parametrize(
    "condition", ["((t.customer_id = 7) OR (t.email ~~ '%x'::text))", "((t.customer_id = 7) OR (o.id = 9))"]
)
def test_an_or_with_a_branch_that_nothing_serves_makes_none(condition: str) -> None:
    assert need(condition).alternatives == []


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("((t.email)::text ~~ 'abc%'::text)", ['btree ("email" pg_catalog.text_pattern_ops)']),
        ("(lower(t.email) ~~ 'abc%'::text)", ["btree ((lower(email)) pg_catalog.text_pattern_ops)"]),
        (
            "((t.customer_id = 7) AND (lower(t.email) ~ '^abc'::text))",
            [
                "btree ((lower(email)) pg_catalog.text_pattern_ops)",
                'btree ("customer_id", (lower(email)) pg_catalog.text_pattern_ops)',
            ],
        ),
        ("((t.email)::text ~~ '%abc'::text)", []),
        ("((t.email)::text ~~ $1)", []),
        ("((t.email)::text !~~ 'abc%'::text)", []),
    ],
)
def test_a_pattern_with_a_known_beginning_makes_keys_in_the_order_of_bytes(condition: str, expected: list[str]) -> None:
    assert rules(condition).get("prefix", []) == expected


def test_an_expression_that_is_sorted_or_grouped_by_makes_keys() -> None:
    assert rules(sort="lower(t.email) DESC")["expression"] == ["btree ((lower(email)))"]
    grouped = rules(group="(date_trunc('day'::text, t.placed))")["expression"]
    assert grouped == ["btree ((date_trunc('day'::text, placed)))"]


def test_a_varchar_column_in_its_cast_is_the_column() -> None:
    assert "expression" not in rules("((t.email)::text = 'x'::text)")


def test_brin_wants_a_large_table_in_the_column_s_order() -> None:
    assert rules("(t.placed > $1)")["brin"] == ['brin ("placed") WITH (pages_per_range = 8)']
    assert "brin" not in rules("(t.shuffled > 5)")
    assert "brin" not in rules("(t.placed = $1)")
    assert "brin" not in rules("(t.placed > $1)", of=replace(orders(), pages=500))
    assert [pages_per_range(n) for n in (1024, 20_000, 100_000, 10**9)] == [8, 16, 64, 128]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("(t.tags @> '{7}'::integer[])", ['gin ("tags")']),
        ("(t.tags && '{7}'::integer[])", ['gin ("tags")']),
        ("(t.doc @> '{}'::jsonb)", ['gin ("doc" "pg_catalog".jsonb_path_ops)', 'gin ("doc")']),
        ("((t.doc @> '{}'::jsonb) AND (t.doc ? 'k'::text))", ['gin ("doc")']),
        ("((t.doc -> 'a'::text) @> '[]'::jsonb)",
         ["gin ((doc -> 'a'::text) \"pg_catalog\".jsonb_path_ops)", "gin ((doc -> 'a'::text))"]),
        ("(t.body @@ '''x'''::tsquery)", ['gin ("body")']),
        ("(to_tsvector('simple'::regconfig, t.email) @@ '''x'''::tsquery)",
         ["gin ((to_tsvector('simple'::regconfig, email)))"]),
        ("(t.email ~~ '%x%'::text)", []),
    ],
)  # fmt: skip
def test_gin_is_for_what_is_inside(condition: str, expected: list[str]) -> None:
    assert rules(condition).get("gin", []) == expected


@pytest.mark.parametrize(
    ("condition", "is_for_trigrams"),
    [
        ("(t.email ~~ '%x%'::text)", True),
        ("(t.email ~~* 'x%'::text)", True),
        ("(t.email ~~ $1)", True),
        ("(t.email ~~ 'x%'::text)", False),
        ("(t.email ~ 'x.*y'::text)", True),
        ("(t.email OPERATOR(public.%) 'x'::text)", True),
        ("(t.email = 'x'::text)", False),
    ],
)
def test_pieces_of_words_need_the_extension(condition: str, is_for_trigrams: bool) -> None:
    expected = ['gin ("email" "Own place".gin_trgm_ops)'] if is_for_trigrams else []
    assert rules(condition, extensions=("pg_trgm",)).get("gin", []) == expected
    assert "gin" not in rules(condition)


def test_gist_is_for_ranges_shapes_networks_and_what_is_nearest() -> None:
    assert rules("(t.during && '[2024-01-01,2024-02-01)'::tstzrange)")["gist"] == ['gist ("during")']
    assert rules("(t.place <@ '((0,0),(1,1))'::box)")["gist"] == ['gist ("place")']
    assert rules("(t.address << '10.0.0.0/8'::inet)")["gist"] == ['gist ("address" "pg_catalog".inet_ops)']
    assert rules(sort="((t.place <-> '(5,5)'::point))") == {"gist": ['gist ("place")']}


def test_hash_is_for_wide_texts() -> None:
    assert rules("(t.key = 'x'::text)")["hash"] == ['hash ("key")']
    assert "hash" not in rules("(t.city = 'x'::text)")


def test_only_the_kinds_of_the_limits_are_brought_and_plain_ones_come_first() -> None:
    condition = "((t.placed > $1) AND (t.status = 'open'::text) AND (t.tags @> '{7}'::integer[]))"
    everything = list(rules(condition))
    assert everything[0] in ("columns", "covering")
    assert {"partial", "brin", "gin"} <= {*everything}
    few = replace(LIMITS, kinds=frozenset({"btree", "gin"}))
    assert {*rules(condition, limits=few)} == {"columns", "gin"}


def test_their_number_is_bounded() -> None:
    names = [f"c{n}" for n in range(30)]
    wide = table("t", [replace(column(name), distinct_values=3.0, correlation=1.0) for name in names])
    condition = " AND ".join(f"(t.{n} = 1) AND (t.{n} > 3) AND (abs(t.{n}) = 4) AND (abs(t.{n}) < 9)" for n in names)
    found = rules(f"({condition})", of=wide)
    assert sum(map(len, found.values())) <= MAX_PER_NEED + MAX_PARTIAL + MAX_EXPRESSION + 4 * MAX_OF_METHOD
    assert len(found["partial"]) <= MAX_PARTIAL


def _there(tail: str, *, is_valid: bool = True) -> Index:
    made = index("there", "customer_id")
    text = f"CREATE INDEX there ON public.t {tail}"
    is_partial = "WHERE" in tail
    return replace(made, tail=tail, definition=text, is_valid=is_valid, is_partial=is_partial, key_columns=(None,))


@pytest.mark.parametrize(
    ("condition", "rule", "tail"),
    [
        ("((t.customer_id = 7) AND (t.deleted_at IS NULL))", "partial",
         "USING btree (customer_id) WHERE (deleted_at IS NULL)"),
        ("(lower((t.email)::text) = 'x'::text)", "expression", "USING btree (lower((email)::text))"),
        ("(t.tags @> '{7}'::integer[])", "gin", "USING gin (tags)"),
        ("(t.placed > $1)", "brin", "USING brin (placed) WITH (pages_per_range='32')"),
    ],
)  # fmt: skip
def test_one_that_is_there_is_not_brought_again(condition: str, rule: str, tail: str) -> None:
    def brought(*indexes: Index) -> int:
        return len(rules(condition, of=orders(*indexes)).get(rule, []))

    assert brought(_there(tail)) == brought() - 1
    assert brought(replace(_there(tail), tail=None)) == brought() - 1
    assert brought(_there(tail, is_valid=False)) == brought()
    assert brought(_there(tail + (" AND (id > 5)" if "WHERE" in tail else " WHERE (id > 5)"))) == brought()


def test_a_part_does_not_stand_in_for_the_whole_nor_the_whole_for_a_part() -> None:
    whole = Candidate("public", "t", (Key("a"),))
    wider = Candidate("public", "t", (Key("a"), Key("b")))
    part = replace(whole, predicate=("b IS NULL",))
    wider_part = replace(wider, predicate=("b IS NULL",))
    hashed = replace(whole, method="hash")
    everything = (whole, wider, part, wider_part, hashed)
    pairs = [(one, other) for one in everything for other in everything if one != other and other.does_all_of(one)]
    assert pairs == [(whole, wider), (part, wider_part)]


def test_only_what_is_over_the_same_rows_is_united() -> None:
    snapshot = context(orders()).snapshot
    one = Candidate("public", "t", (Key("customer_id"),), ("id",))
    other = Candidate("public", "t", (Key("customer_id"),), ("status",))
    part = Candidate("public", "t", (Key("customer_id"),), ("is_open",), predicate=("deleted_at IS NULL",))
    gin = Candidate("public", "t", (Key("tags"),), method="gin")
    users = {one: frozenset("a"), other: frozenset("b"), part: frozenset("c"), gin: frozenset("d")}
    [union] = merged(users, snapshot, LIMITS)
    assert (union.included, union.predicate, union.rule) == (("id", "status"), (), "merged")
    assert merged(users, snapshot, replace(LIMITS, kinds=frozenset({"btree"}))) == []


def test_names_and_texts_are_quoted() -> None:
    odd = Candidate("Mixed", 'o"dd', (Key('a"b'), Key(expression='lower("C d")')), ("E f",), predicate=('"G" IS NULL',))
    change = odd.change("trimtab_")
    assert change.sql(concurrently=False) == (
        f'CREATE INDEX "{change.name}" ON "Mixed"."o""dd" USING btree ("a""b", (lower("C d"))) INCLUDE ("E f")'
        ' WHERE ("G" IS NULL)'
    )
    assert change.key_columns == ('a"b', "")


def test_the_columns_of_a_foreign_key_say_so_until_an_index_begins_with_them() -> None:
    key = ForeignKey("t_customer", ("customer_id",), "public", "customer")
    join = replace(
        node("Hash Join", scan("customer"), scan("t")), conditions={"Hash Cond": "(t.customer_id = customer.id)"}
    )
    [asked] = [need for need in needs_of(Plan(join)) if need.alias == "t"]

    def brought(*indexes: Index) -> list[str]:
        of = orders(*indexes, foreign_keys=(key,))
        return [c.tail for c in candidates_for(asked, of, LIMITS) if c.rule == "foreign_key"]

    assert brought() == ['USING btree ("customer_id")']
    assert brought(index("there", "customer_id", "id")) == []


def test_several_columns_of_a_foreign_key_are_taken_in_its_order() -> None:
    key = ForeignKey("t_pair", ("shuffled", "customer_id"), "public", "pair")
    condition = "((t.customer_id = pair.a) AND (t.shuffled = pair.b))"
    join: PlanNode = replace(node("Hash Join", scan("pair"), scan("t")), conditions={"Hash Cond": condition})
    [asked] = [need for need in needs_of(Plan(join)) if need.alias == "t"]
    found = [c.tail for c in candidates_for(asked, orders(foreign_keys=(key,)), LIMITS) if c.rule == "foreign_key"]
    assert 'USING btree ("shuffled", "customer_id")' in found
