"""Claims about the role that `init` prints: what it lacks is refused before a trial, and what it needs is printed; and
about proven changes that could not be applied: no output tells the gain of the lab as one that was reached.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trimtab.lifecycle.one_read import run_read
from trimtab.setup_sql import hardening_sql, role_sql, undo_hardening_sql

from .market import SPECIFICATION, Market
from .program import Program

pytestmark = [pytest.mark.server, pytest.mark.slow]


@pytest.fixture
def group_owned(market: Market) -> Iterator[Market]:
    """The market, its tables owned by a group that owns neither the database nor a schema."""
    tables = ("customer", "orders", "stock")
    market.execute("CREATE ROLE market_group", *(f"ALTER TABLE {table} OWNER TO market_group" for table in tables))
    market.execute("REVOKE market_owner FROM trimtab_apply", "GRANT market_group TO trimtab_apply")
    yield market
    market.execute("REVOKE ALL ON SCHEMA public FROM trimtab_apply")
    market.execute(*(f"ALTER TABLE {table} OWNER TO market_owner" for table in tables))
    market.execute("DROP ROLE market_group", "GRANT market_owner TO trimtab_apply")


def _granted(what: str) -> str:
    """A line that `init` prints commented out, as a DBA would run it."""
    [line] = re.findall(rf"^-- (GRANT {what} .*;)$", role_sql(), re.MULTILINE)
    return str(line)


def _outcomes(document: dict[str, Any]) -> Counter[str]:
    return Counter(strategy["outcome"] for strategy in document["strategies"])


@pytest.mark.usefixtures("roles")
def test_a_dry_run_and_an_anchor_work_for_the_role_that_explains_where_the_server_was_hardened(
    market: Market, program: Program, quick: tuple[str, ...]
) -> None:
    assert program.succeed("init", "--hardening", "--json").document["hardening_sql"] == hardening_sql()
    assert not Path("trimtab.toml").exists()
    market.execute(hardening_sql())
    try:
        source = market.dsn_of("trimtab_explain")
        dry = program.succeed("optimize", source, *quick, "--json").document
        assert _outcomes(dry)["proven"] >= 3
        assert [message for message in dry["messages"] if "left out" in message] == []
        # The write, which the second alone may plan, is not run.
        for role, runs in (("trimtab_explain", {2}), ("trimtab_apply", {0, 2})):
            program.succeed("anchor", "create", market.dsn_of(role), *quick[:2], "--runs", "2")
            levels = program.succeed("anchor", "show", "latest", "--json").document["anchor"]["queries"]
            assert {level["runs"] for level in levels} == runs
        read = run_read(source, "SELECT current_user, count(*) FROM public.orders", max_rows=2, max_bytes=100)
        assert read.rows == (("trimtab_read", "40000"),)
    finally:
        market.execute(undo_hardening_sql())


STRICT = {"TRIMTAB_ALLOW_OVERPRIVILEGED": ""}
READING, APPLYING = (5, "read.overprivileged"), (5, "apply.overprivileged")


def test_a_superuser_is_refused_by_whatever_opens_a_source_unless_told(
    market: Market, program: Program, quick: tuple[str, ...], tmp_path: Path
) -> None:
    (program.directory / "trimtab.toml").write_text(f'[databases.shop]\ndsn = "{market.dsn}"\n')
    program.succeed("anchor", "create", market.dsn, *quick[:2], "--allow-overprivileged", environ=STRICT)
    before, index = market.everything(), "CREATE INDEX ON orders (customer_id)"
    for refused, line in (
        (READING, ("optimize", market.dsn, *quick)),
        (APPLYING, ("optimize", "--database", "shop", *quick, "--apply")),
        (READING, ("indexes", market.dsn, *quick, "--no-trial")),
        (READING, ("watch", market.dsn, "--once")),
        (READING, ("collect", "--for", "60")),
        (READING, ("monitor", "--once")),
        (READING, ("twin", "export", market.dsn, "--out", tmp_path / "shop.twin")),
        (READING, ("twin", "build", market.dsn, "--name", "shop")),
        (READING, ("twin", "check", market.dsn, *quick[:2])),
        (READING, ("twin", "explain", market.dsn, *quick[:2], "--index", index)),
        (READING, ("twin", "explain", market.dsn, *quick[:2], "--index", index, "--engine", "hypopg")),
        (READING, ("anchor", "create", market.dsn, *quick[:2])),
        (APPLYING, ("anchor", "lock", "latest", market.dsn, *quick[:2], "--query", "q1")),
        (APPLYING, ("anchor", "review", market.dsn, *quick[:2])),
        (APPLYING, ("watch", market.dsn, "--once", "--act")),
        (READING, ("security", "baseline", market.dsn)),
        (APPLYING, ("backend", "list", market.dsn)),
        (APPLYING, ("resume", market.dsn)),
    ):
        told = program.run(*line, environ=STRICT)
        assert (told.code, told.reason) == refused, line
        assert "role trimtab was refused" in told.stderr
        assert "superuser" in told.stderr
        assert "--allow-overprivileged" in told.stderr
        if line[0] not in ("collect", "monitor"):
            error = program.run(*line, "--json", environ=STRICT).document["error"]
            assert (error["code"], "trimtab init" in error["next_step"]) == (refused[1], True)
    assert market.everything() == before
    assert not (tmp_path / "shop.twin").exists()
    program.succeed("backend", "list", market.dsn, "--allow-overprivileged", environ=STRICT)
    program.succeed("security", "baseline", market.dsn, environ={"TRIMTAB_ALLOW_OVERPRIVILEGED": "1"})
    program.assert_nothing_left()


@pytest.mark.usefixtures("roles")
def test_what_the_role_may_not_do_is_refused_before_its_trial_and_the_printed_grant_mends_it(
    group_owned: Market, program: Program, quick: tuple[str, ...]
) -> None:
    source, before = group_owned.dsn_of("trimtab_apply"), group_owned.definitions()
    dry = program.succeed("optimize", source, *quick, "--json").document
    assert _outcomes(dry)["proven"] >= 3
    assert dry["total"]["on_source"] == "not_asked"
    [message] = [message for message in dry["messages"] if "with --apply" in message]
    assert "this role would be refused by objects.no_create" in message
    assert "CREATE on schema public" in message

    document = program.succeed("optimize", source, *quick, "--apply", "--json").document
    assert set(_outcomes(document)) == {"refused"}
    assert all(strategy["trial"] is None for strategy in document["strategies"])
    broken = {v["rule_id"] for strategy in document["strategies"] for v in strategy["verdict"]["violations"]}
    assert broken <= {"objects.no_create", "settings.not_owner"}
    assert group_owned.definitions() == before

    group_owned.execute(_granted("CREATE ON SCHEMA public"))
    applied = program.succeed("optimize", source, *quick, "--apply", "--json").document
    assert _outcomes(applied)["kept"] >= 3
    assert applied["total"]["on_source"] == "all"
    assert applied["changes_standing"] == _outcomes(applied)["kept"]
    assert (applied["security"]["preserved"], applied["security"]["undeclared"]) == (True, [])
    assert applied["security"]["comparisons"] >= applied["changes_standing"]
    assert group_owned.definitions() != before
    program.succeed("revert", "--all", "--database", source)
    assert group_owned.definitions() == before
    program.assert_nothing_left()


@pytest.mark.usefixtures("roles")
def test_a_gain_that_was_not_applied_is_told_as_that_of_the_lab_alone(
    market: Market, program: Program, workload: Path, tmp_path: Path
) -> None:
    impatient = tmp_path / "impatient.yaml"
    impatient.write_text(SPECIFICATION + "  locks: {lock_timeout_ms: 100, attempts: 1}\n", "utf-8")
    run = ("optimize", market.dsn_of("trimtab_apply"), "--workload", workload, "--spec", impatient, "--apply")
    before = market.definitions()
    with market.session() as other, other.transaction(force_rollback=True):
        other.execute("LOCK TABLE orders, customer, stock IN ROW EXCLUSIVE MODE")
        other.execute("SELECT pg_sleep(0.2)")
        ended = program.run(*run, "--json")
        told = program.run(*run)
    assert (ended.code, ended.reason, told.code) == (6, "apply.incomplete", 6)
    assert "mending what broke off, as `trimtab resume` does" in ended.stderr
    assert market.definitions() == before
    document = ended.document
    failed = [strategy for strategy in document["strategies"] if strategy["outcome"] == "failed"]
    assert len(failed) >= 3
    assert all("old transaction open" in strategy["note"] for strategy in failed)
    assert _outcomes(document)["kept"] == 0
    assert (document["applied"], document["changes_standing"]) == (True, 0)
    assert document["total"]["after_ms"] < document["total"]["before_ms"]
    assert (document["total"]["measured_in"], document["total"]["on_source"]) == ("lab", "none")

    assert "measured in the lab with all that was proven there; on the source: not applied: 0 of" in told.stdout
    assert "not applied; in the lab" in told.stdout
    assert "kept: 0 strategies; could not be applied: " in told.stdout
    runs = program.succeed("history", "--json").document["runs"]
    assert {(found["applied"], found["on_source"], found["measured_in"]) for found in runs} == {(0, "none", "lab")}
    history = program.succeed("history").stdout
    assert "lab change" in history
    assert "not applied: 0 of" in history
    shown = program.succeed("show", document["run_id"]).stdout.splitlines()[-1]
    assert "measured_in=lab" in shown
    assert "on_source=none" in shown
    program.assert_nothing_left()
