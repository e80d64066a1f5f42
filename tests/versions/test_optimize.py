"""On every version: the whole run, as the roles that `init` prints, from the server's own counters to the way back."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from tests.cli.market import SPECIFICATION, Market
from tests.cli.program import Program
from trimtab.embedded.binaries import Binaries

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.versions]
STRICT = {"TRIMTAB_ALLOW_OVERPRIVILEGED": ""}


@pytest.mark.usefixtures("roles")
def test_what_is_proven_is_applied_and_taken_back_by_the_least_of_roles(
    market: Market, program: Program, tmp_path: Path, local: dict[str, str], major: int
) -> None:
    market.play()
    before, source = market.definitions(), market.dsn_of("trimtab_apply")
    specification = tmp_path / "market.yaml"
    specification.write_text(SPECIFICATION, "utf-8")
    ended = program.succeed(
        "optimize", source, "--spec", specification, "--apply", "--json", environ={**STRICT, **local}
    )
    document = ended.document
    assert document["source"]["version"].startswith(f"{major}.")
    assert document["workload"]["origin"] == "pg_stat_statements"
    assert document["lab"].startswith(f"clone in an embedded PostgreSQL {major}.")
    assert [message for message in document["messages"] if "may differ" in message or "not restored" in message] == []
    kept = [strategy for strategy in document["strategies"] if strategy["outcome"] == "kept"]
    changes = [change for strategy in kept for change in strategy["changes"]]
    made = [change["sql"] for change in changes if change["kind"] == "create_index"]
    assert len(made) == 3
    assert all(sql.startswith("CREATE INDEX CONCURRENTLY ") for sql in made)
    assert market.definitions() != before
    program.succeed("revert", "--all", source, environ=STRICT)
    assert market.definitions() == before
    program.assert_nothing_left()


@pytest.mark.usefixtures("roles")
def test_no_role_may_do_more_than_it_is_for(market: Market, program: Program, workload: Path) -> None:
    refused = program.run("optimize", market.dsn, "--workload", workload, "--lab", "none", "--apply", environ=STRICT)
    assert refused.reason == "trial.required"
    for role, may_read in (("trimtab_monitor", False), ("trimtab_explain", True), ("trimtab_apply", True)):
        with psycopg.connect(market.dsn_of(role), autocommit=True) as conn:
            conn.execute("SET default_transaction_read_only = off")
            if may_read:
                assert conn.execute("SELECT count(*) FROM orders").fetchone() == (40000,)
            else:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    conn.execute("SELECT count(*) FROM orders")
            if role != "trimtab_apply":
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    conn.execute("UPDATE orders SET note = ''")
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    conn.execute("CREATE INDEX ON orders (total)")
    found = program.succeed("twin", "check", market.dsn_of("trimtab_explain"), "--workload", workload, "--json")
    assert found.document["summary"]["same_shape"] == 1.0


@pytest.mark.usefixtures("roles")
def test_the_best_indexes_are_chosen_on_a_twin_of_the_bundled_version(
    market: Market, program: Program, workload: Path
) -> None:
    options = ("--workload", workload, "--pg-bin", Binaries.find().directory, "--no-trial", "--seconds", "2", "--json")
    found = program.succeed("indexes", market.dsn_of("trimtab_explain"), *options).document
    assert len(found["indexes"]) == 3
    assert found["twin"]["same_shape"] == 1.0
    assert [problem for problem in found["problems"] if "plans may differ" in problem]


@pytest.mark.usefixtures("roles")
def test_the_server_refuses_more_by_itself_once_it_is_hardened(market: Market, program: Program) -> None:
    sql = program.succeed("init", "--hardening").stdout
    done = market.server.run("psql", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--quiet", market.database, input=sql)
    assert (done.returncode, done.stderr) == (0, "")
    try:
        with psycopg.connect(market.dsn_of("trimtab_explain"), autocommit=True) as conn:
            assert conn.execute("SELECT count(*) FROM orders").fetchone() == (40000,)
            for text in ("SELECT pg_sleep(0)", "SELECT pg_notify('a', 'b')", "SELECT 1 FROM pg_authid"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    conn.execute(text.encode())
    finally:
        sql = program.succeed("init", "--undo-hardening").stdout
        done = market.server.run("psql", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--quiet", market.database, input=sql)
        assert (done.returncode, done.stderr) == (0, "")
