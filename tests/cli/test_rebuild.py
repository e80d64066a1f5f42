"""Claims about bloated indexes: `indexes` proposes to rebuild them, and `optimize --apply` does and tells so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from trimtab.embedded.server import Server

from .conftest import TEMPLATE
from .market import SPECIFICATION, Market
from .program import Program

pytestmark = [pytest.mark.server, pytest.mark.slow]

CANARY = "Canary-0815-Part"
# Two bloated indexes, of which one holds a literal in its predicate, and one that is as large as a new one.
PILE = (
    f"CREATE TABLE pile (id int, part text DEFAULT '{CANARY}')",
    "ALTER TABLE pile OWNER TO market_owner",
    "INSERT INTO pile SELECT n FROM generate_series(1, 900000) n",
    "CREATE INDEX pile_id ON pile (id)",
    f"CREATE INDEX pile_part ON pile (id) WHERE part = '{CANARY}'",
    "DELETE FROM pile WHERE id % 5 <> 0",
    "VACUUM ANALYZE pile",
    "CREATE INDEX pile_new ON pile (part, id)",
)
WORKLOAD = "-- name: a piece\n-- weight: 10\nSELECT id FROM pile WHERE id = 4715;\n"


@pytest.fixture(scope="module")
def piled(market_server: Server) -> Iterator[str]:
    """The name of a database with the pile, to be copied: making it takes longer than most tests."""
    with closing(psycopg.connect(market_server.dsn(), autocommit=True)) as conn:
        conn.execute(f"CREATE DATABASE pile_template TEMPLATE {TEMPLATE} OWNER market_owner".encode())
        Market(market_server, "pile_template").execute(*PILE)
        yield "pile_template"
        conn.execute(b"DROP DATABASE pile_template")


@pytest.fixture
def pile(new_market: Callable[[str], Market], piled: str) -> Market:
    return new_market(piled)


@pytest.fixture
def reading(tmp_path: Path) -> tuple[str, ...]:
    workload, spec = tmp_path / "pile.sql", tmp_path / "pile.yaml"
    workload.write_text(WORKLOAD, "utf-8")
    spec.write_text(SPECIFICATION, "utf-8")
    return ("--workload", str(workload), "--spec", str(spec))


def sizes(market: Market) -> dict[str, int]:
    with market.session() as session:
        rows = session.execute(
            "SELECT relname, pg_relation_size(oid) FROM pg_class WHERE relname LIKE 'pile%' AND relkind = 'i'"
        ).fetchall()
    return {str(name): int(str(size)) for name, size in rows}


def rebuilds(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [s for s in document["strategies"] if s["changes"][0]["kind"] == "rebuild_index"]


def test_what_is_bloated_is_proposed_and_tried_and_nothing_is_changed(
    pile: Market, program: Program, reading: tuple[str, ...]
) -> None:
    before = pile.everything()
    told = program.succeed("indexes", pile.dsn, *reading, "--seconds", "0", "--json")
    document = told.document
    assert {one["sql"] for one in document["rebuilds"]} == {
        'REINDEX INDEX CONCURRENTLY "public"."pile_id"',
        'REINDEX INDEX CONCURRENTLY "public"."pile_part"',
    }
    held = sizes(pile)
    for one in document["rebuilds"]:
        assert one["outcome"] == "proven", one
        # The model's estimate and what the lab then built are within a tenth of each other.
        assert one["freed_bytes"] == pytest.approx(-one["size_bytes"], rel=0.1)
        assert 0.4 * held["pile_id"] < one["freed_bytes"] < held["pile_id"]
    assert pile.everything() == before
    untried = program.succeed("indexes", pile.dsn, *reading, "--seconds", "0", "--no-trial", "--json").document
    assert {(one["outcome"], one["freed_bytes"]) for one in untried["rebuilds"]} == {("untried", None)}
    text = program.succeed("indexes", pile.dsn, *reading, "--seconds", "0", "--no-trial").stdout
    assert "rebuild index public.pile_id" in text
    program.assert_nothing_left()


@pytest.mark.usefixtures("roles")
def test_it_is_rebuilt_kept_told_and_let_go_of(pile: Market, program: Program, reading: tuple[str, ...]) -> None:
    held = sizes(pile)
    document = program.succeed("optimize", pile.dsn_of("trimtab_apply"), *reading, "--apply", "--json").document
    done = rebuilds(document)
    assert [strategy["outcome"] for strategy in done] == ["kept", "kept"]
    assert document["ledger"]["verified"] is True
    now = sizes(pile)
    for strategy in done:
        [change] = strategy["changes"]
        assert change["inverse_sql"] == "-- nothing to undo: a rebuilt index is the same index"
        name = change["sql"].split('"')[-2]
        assert now[name] < 0.6 * held[name]
        assert f"holds {now[name]:,} bytes on the source, {held[name]:,} before" in strategy["note"]
    assert now["pile_new"] == held["pile_new"]
    definitions = pile.definitions()
    again = program.succeed("optimize", pile.dsn_of("trimtab_apply"), *reading, "--apply", "--json").document
    assert rebuilds(again) == []
    shown = program.succeed("show", done[0]["id"], "--json")
    assert CANARY not in shown.stdout
    taken = program.succeed("revert", done[0]["id"], pile.dsn, "--json").document
    assert [one["left_alone"] for one in taken["reverted"]] == ["nothing_to_undo"]
    assert (pile.definitions(), sizes(pile)) == (definitions, now)
    program.assert_nothing_left()


@pytest.mark.parametrize(
    ("limits", "rebuilt"),
    [
        ("rebuilds: {allow: false}", []),
        ("changes: {allowed_kinds: [create_index]}", ["refused", "refused"]),
        ("rebuilds: {min_excess: 1GB}", []),
        ("rebuilds: {min_excess_percent: 95.0}", []),
        ("rebuilds: {max_size: 1MB}", []),
    ],
)
def test_a_specification_narrows_it(
    pile: Market, program: Program, reading: tuple[str, ...], tmp_path: Path, limits: str, rebuilt: list[str]
) -> None:
    spec = tmp_path / "narrow.yaml"
    spec.write_text(SPECIFICATION + f"  {limits}\n", "utf-8")
    run = ("optimize", pile.dsn, *reading[:2], "--spec", str(spec), "--lab", "none", "--json")
    assert [strategy["outcome"] for strategy in rebuilds(program.succeed(*run).document)] == rebuilt


def test_statistics_that_are_wrong_do_not_make_a_rebuild(
    market: Market, program: Program, reading: tuple[str, ...]
) -> None:
    """The catalog believes in a tenth of the rows; the sample of them does not."""
    market.execute(
        "CREATE TABLE pile (id int) WITH (autovacuum_enabled = off)",
        "INSERT INTO pile SELECT n FROM generate_series(1, 900000) n",
        "CREATE INDEX pile_id ON pile (id)",
        "UPDATE pg_class SET reltuples = 90000 WHERE relname = 'pile'",
    )
    document = program.succeed("optimize", market.dsn, *reading, "--json").document
    assert rebuilds(document) == []
