"""Claims about `trimtab security`: a baseline is signed, a server is checked against it, and nothing bad passes."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from .market import CANARY, Market
from .program import Ended, Program

pytestmark = pytest.mark.server


def _refused(ended: Ended, exit_code: int, reason: str) -> None:
    assert (ended.code, ended.reason) == (exit_code, reason), ended.stderr
    assert "\n  next: " in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_baseline_is_taken_and_checked_and_changes_nothing(market: Market, program: Program) -> None:
    before = market.everything()
    taken = program.succeed("security", "baseline", market.dsn, "--json")
    assert taken.document["schema"] == "trimtab.security.baseline/v1"
    path = Path(str(taken.document["path"]))
    assert path.stat().st_mode & 0o777 == 0o600
    checked = program.succeed("security", "check", market.dsn, "--json").document
    assert (checked["schema"], checked["preserved"]) == ("trimtab.security.check/v1", True)
    for command in ("baseline", "check"):
        ended = program.succeed("security", command, market.dsn)
        assert CANARY not in ended.stdout + ended.stderr
        assert "key exchange" in ended.stdout
    assert CANARY not in path.read_text("utf-8") + taken.stdout
    assert market.everything() == before
    program.assert_nothing_left()


def test_what_is_weakened_is_an_exit_code_and_a_reason(market: Market, program: Program) -> None:
    program.succeed("security", "baseline", market.dsn, "--out", "before.json")
    with psycopg.connect(market.server.dsn(market.database), autocommit=True) as conn:
        table = conn.execute("SELECT min(oid::regclass::text) FROM pg_class WHERE relkind = 'r' AND oid > 16383")
        (name,) = table.fetchone() or ("",)
        conn.execute(f"GRANT SELECT ON {name} TO PUBLIC".encode())
        ended = program.run("security", "check", market.dsn)
        _refused(ended, 9, "security.weakened")
        assert "posture.grant_public" in ended.stdout
        conn.execute(f"REVOKE SELECT ON {name} FROM PUBLIC".encode())
    program.succeed("security", "check", market.dsn)
    program.succeed("security", "baseline", market.dsn, "--out", "after.json")
    document = program.succeed("security", "diff", "before.json", "after.json", "--check", "--json").document
    assert (document["preserved"], document["differences"]) == (True, [])


def test_a_baseline_that_was_changed_or_is_of_elsewhere_is_refused(
    market: Market, program: Program, tmp_path: Path
) -> None:
    _refused(program.run("security", "check", market.dsn), 2, "security.no_baseline")
    program.succeed("security", "baseline", market.dsn, "--out", "copy.json")
    copy = program.directory / "copy.json"
    elsewhere = {"TRIMTAB_STATE": str(tmp_path / "elsewhere")}
    with_copy = ("security", "check", market.dsn, "--baseline", "copy.json")
    _refused(program.run(*with_copy, environ=elsewhere), 2, "security.flawed")
    program.succeed("anchor", "key", "--out", "shop.pub")
    program.succeed(*with_copy, "--key", "shop.pub", environ=elsewhere)
    copy.write_text(copy.read_text("utf-8").replace('"is_superuser":false', '"is_superuser":true', 1), "utf-8")
    _refused(program.run(*with_copy), 2, "security.flawed")
    program.succeed("security", "baseline", market.server.dsn("postgres"), "--out", "other.json")
    _refused(program.run("security", "check", market.dsn, "--baseline", "other.json"), 2, "security.other_database")
    _refused(program.run("security", "diff", "other.json", "nowhere.json"), 2, "security.no_baseline")
    _refused(program.run("security", "baseline", market.dsn, "--out", "shop.pub/x.json"), 2, "security.unwritable")


def test_an_older_baseline_that_is_put_in_the_place_of_the_last_is_refused(market: Market, program: Program) -> None:
    first = Path(str(program.succeed("security", "baseline", market.dsn, "--json").document["path"]))
    older = first.read_bytes()
    program.succeed("security", "baseline", market.dsn)
    program.succeed("security", "check", market.dsn)
    first.write_bytes(older)
    _refused(program.run("security", "check", market.dsn), 2, "security.flawed")


@pytest.mark.slow
def test_a_run_takes_back_what_opens_the_server_and_changes_nothing_more(
    market: Market, program: Program, quick: tuple[str, ...]
) -> None:
    """An event trigger of the owner's does it, with each index that is made."""
    before = market.definitions()
    with psycopg.connect(market.dsn, autocommit=True) as conn:
        conn.execute(
            "CREATE FUNCTION opening() RETURNS event_trigger LANGUAGE plpgsql AS"
            " 'BEGIN EXECUTE ''GRANT CREATE ON SCHEMA public TO PUBLIC''; END'"
        )
        conn.execute("CREATE EVENT TRIGGER opens ON ddl_command_end WHEN TAG IN ('CREATE INDEX', 'CREATE STATISTICS')"
                     " EXECUTE FUNCTION opening()")  # fmt: skip
        ended = program.spawn("optimize", market.dsn, *quick, "--apply", "--json")
        assert (ended.code, ended.reason) == (6, "apply.incomplete"), ended.stderr
        conn.execute("DROP EVENT TRIGGER opens")
        conn.execute("DROP FUNCTION opening()")
        conn.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    failed = [each["note"] for each in ended.document["strategies"] if each["outcome"] == "failed"]
    assert len(failed) >= 1
    assert "posture.grant_public (weakened)" in failed[0]
    assert all("nothing more is changed" in note for note in failed[1:])
    assert not [each for each in ended.document["strategies"] if each["outcome"] == "kept"]
    assert market.definitions() == before
    run = program.succeed("show", str(ended.document["run_id"]), "--json").document
    compared = [entry for entry in run["entries"] if entry["kind"] == "security_compared"]
    assert compared[0]["body"]["undeclared_count"] == 1
