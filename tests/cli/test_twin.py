"""Claims about `trimtab twin`: documents, files from machine to machine, kept twins, bad input, nothing left behind."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from .market import CANARY, Market
from .program import Ended, Program

pytestmark = pytest.mark.server

EXPRESSION = "CREATE INDEX halves ON orders ((id / 2))"
INDEX = "CREATE INDEX wish ON orders (customer_id, placed DESC) INCLUDE (total)"
SUMMARY = {
    "queries",
    "within_1_percent",
    "same_shape",
    "planner_calls",
    "build_seconds",
    "engine",
    "role",
    "source_version",
    "twin_version",
}


def _refused(ended: Ended, exit_code: int, reason: str) -> None:
    assert (ended.code, ended.reason) == (exit_code, reason), ended.stderr
    assert "\n  next: " in ended.stderr
    assert "Traceback" not in ended.stderr


def test_check_tells_that_plans_and_costs_are_equal(market: Market, program: Program, workload: Path) -> None:
    before = market.everything()
    found = program.succeed("twin", "check", market.dsn, "--workload", workload, "--json")
    document = found.document
    assert document["schema"] == "trimtab.twin.check/v1"
    assert set(document["summary"]) == SUMMARY
    assert document["summary"]["within_1_percent"] == 1.0
    assert document["summary"]["same_shape"] == 1.0
    assert document["summary"]["engine"] == "twin"
    for query in document["queries"]:
        assert set(query) == {"name", "source_cost", "twin_cost", "same_shape", "first_difference", "reason"}
        assert query["source_cost"] == pytest.approx(query["twin_cost"], rel=0.01)
    assert CANARY not in found.stdout + found.stderr
    assert market.everything() == before
    program.assert_nothing_left()


def test_explain_tells_costs_uses_and_sizes(market: Market, program: Program, workload: Path) -> None:
    arguments = ("twin", "explain", market.dsn, "--workload", workload, "--index", INDEX)
    document = program.succeed(*arguments, "--set", "work_mem=64MB", "--json").document
    by_name = {query["name"]: query for query in document["queries"]}
    helped = by_name["orders of a customer"]
    assert helped["uses"] == ["wish"]
    assert helped["cost_after"] < helped["cost_before"] / 10
    assert by_name["customer by mail"]["cost_after"] == by_name["customer by mail"]["cost_before"]
    [index] = document["indexes"]
    assert index["sql"].startswith('CREATE INDEX "wish" ON "public"."orders"')
    real = market.size_of(INDEX)
    assert 0.9 <= index["size_bytes"] / real <= 1.15

    shown = program.succeed(*arguments).stdout
    assert "orders of a customer" in shown
    assert "wish" in shown
    program.assert_nothing_left()


def test_explain_tells_what_hypothetical_statistics_would_do(market: Market, program: Program, tmp_path: Path) -> None:
    workload = tmp_path / "groups.sql"
    workload.write_text("-- name: groups\nSELECT customer_id, total FROM orders GROUP BY customer_id, total;\n")
    before = market.everything()
    statistics = "CREATE STATISTICS (ndistinct, mcv) ON customer_id, total FROM orders"
    targets = [("--target", f"orders.{wanted}") for wanted in ("customer_id=1000", "absent=9", "id=99999")]
    arguments: list[str | Path] = ["twin", "explain", market.dsn, "--workload", workload, "--statistics", statistics]
    arguments += [part for target in targets for part in target]
    document = program.run(*arguments, "--json").document
    [held] = document["statistics"]
    assert set(held) == {"sql", "name", "refusal", "code", "note"}
    assert held["name"] == "hypothetical_1"
    assert held["sql"].startswith('CREATE STATISTICS "public"."hypothetical_1" (ndistinct, mcv) ON "customer_id"')
    assert held["refusal"] == ""
    assert held["note"].startswith("sampled ")
    good, absent, beyond = document["targets"]
    assert set(good) == {"sql", "target", "refusal", "code", "note"}
    assert (good["target"], good["refusal"]) == (1000, "")
    assert 'no column "absent"' in absent["refusal"]
    assert "0 to 10000" in beyond["refusal"]
    [found] = document["queries"]
    assert found["failure"] == ""
    assert market.everything() == before

    shown = program.run(*arguments).stdout
    assert "SET STATISTICS 1000: sampled " in shown
    assert "SET STATISTICS 9: refused: " in shown
    program.assert_nothing_left()


def test_without_a_sample_it_is_told_what_rests_on_none(market: Market, program: Program, workload: Path) -> None:
    arguments = ("twin", "explain", market.dsn, "--workload", workload, "--index", EXPRESSION, "--json")
    [sampled] = program.succeed(*arguments).document["indexes"]
    [plain] = program.succeed(*arguments, "--no-sample").document["indexes"]
    assert sampled["note"].startswith("sampled ")
    assert plain["note"].startswith("no sample of the source")


def test_statistics_of_a_file_have_no_sample(market: Market, program: Program, workload: Path, tmp_path: Path) -> None:
    file = tmp_path / "market.twin"
    program.succeed("twin", "export", market.dsn, "--out", file)
    statistics = "CREATE STATISTICS ON customer_id, total FROM orders"
    arguments = ("twin", "explain", "--from", file, "--workload", workload, "--statistics", statistics)
    document = program.run(*arguments, "--target", "orders.total=9", "--json").document
    for told in (*document["statistics"], *document["targets"]):
        assert told["refusal"] == "no sample of the source: it has no effect"
    assert all(query["cost_after"] == query["cost_before"] for query in document["queries"])


def test_an_index_can_be_thought_away(market: Market, program: Program, tmp_path: Path) -> None:
    workload = tmp_path / "by_key.sql"
    workload.write_text("-- name: by key\nSELECT note FROM orders WHERE id = 17;\n")
    arguments = ("twin", "explain", market.dsn, "--workload", workload, "--drop", "orders_pkey", "--json")
    [query] = program.succeed(*arguments).document["queries"]
    assert query["cost_after"] > 10 * query["cost_before"]


def test_a_file_takes_the_place_of_the_server(market: Market, program: Program, workload: Path, tmp_path: Path) -> None:
    file = tmp_path / "market.twin"
    done = program.succeed("twin", "export", market.dsn, "--out", file, "--json").document
    assert done["size_bytes"] == file.stat().st_size < 100_000
    assert done["has_values"] is True
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    nowhere = {"PGHOST": "/nowhere", "PGDATABASE": "nothing"}
    live = program.succeed("twin", "explain", market.dsn, "--workload", workload, "--index", INDEX, "--json").document
    mailed = program.succeed(
        "twin", "explain", "--from", file, "--workload", workload, "--index", INDEX, "--json", environ=nowhere
    ).document
    assert [(q["name"], q["cost_before"], q["cost_after"], q["uses"]) for q in mailed["queries"]] == [
        (q["name"], q["cost_before"], q["cost_after"], q["uses"]) for q in live["queries"]
    ]
    checked = program.succeed("twin", "check", market.dsn, "--from", file, "--workload", workload, "--json").document
    assert checked["summary"]["within_1_percent"] == 1.0
    program.assert_nothing_left()


def test_without_values_no_value_of_a_row_is_in_the_file(market: Market, program: Program, tmp_path: Path) -> None:
    market.execute("UPDATE customer SET email = 'planted@value' WHERE id % 3 = 0", "ANALYZE customer")
    found = {}
    for name, options in (("with", ()), ("without", ("--no-values",))):
        file = tmp_path / f"{name}.twin"
        program.succeed("twin", "export", market.dsn, "--out", file, *options)
        with zipfile.ZipFile(file) as archive:
            found[name] = b"".join(archive.read(member) for member in archive.namelist())
    assert b"planted@value" in found["with"]
    assert b"planted@value" not in found["without"]
    for command in (("build", "--name", "bare"), ("explain", "--workload", "none.sql", "--set", "work_mem=1MB")):
        refused = program.run("twin", command[0], "--from", tmp_path / "with.twin", "--no-values", *command[1:])
        _refused(refused, 2, "twin.has_values")
    built = program.succeed("twin", "build", "--from", tmp_path / "without.twin", "--name", "bare", "--no-values")
    assert built.stdout
    [kept] = program.succeed("twin", "list", "--json").document["twins"]
    assert kept["source"] == str(tmp_path / "without.twin")
    program.succeed("twin", "drop", "bare")


def test_a_kept_twin_is_refreshed_listed_and_dropped(market: Market, program: Program, workload: Path) -> None:
    built = program.succeed("twin", "build", market.dsn, "--name", "shop", "--json").document
    assert (built["was_refreshed"], built["loaded"]) == (False, built["relations"])
    again = program.succeed("twin", "build", market.dsn, "--name", "shop", "--json").document
    assert (again["was_refreshed"], again["loaded"]) == (True, 0)
    market.execute("INSERT INTO stock SELECT n, n, n FROM generate_series(20001, 60000) n", "ANALYZE stock")
    grown = program.succeed("twin", "build", market.dsn, "--name", "shop", "--json").document
    assert grown["was_refreshed"] is True
    assert 1 <= grown["loaded"] <= 2  # stock and its key
    checked = program.succeed("twin", "check", market.dsn, "--twin", "shop", "--workload", workload, "--json").document
    assert checked["summary"]["within_1_percent"] == 1.0

    [kept] = program.succeed("twin", "list", "--json").document["twins"]
    assert (kept["name"], kept["has_values"]) == ("shop", True)
    assert "password" not in json.dumps(kept)
    assert "shop" in program.succeed("twin", "list").stdout
    _refused(program.run("twin", "drop", "shop", "absent"), 2, "twin.unknown")
    assert program.succeed("twin", "drop", "shop", "--json").document["dropped"] == ["shop"]
    assert program.succeed("twin", "list", "--json").document["twins"] == []
    program.assert_nothing_left()


def test_a_changed_schema_is_built_anew(market: Market, program: Program) -> None:
    program.succeed("twin", "build", market.dsn, "--name", "changing")
    market.execute("ALTER TABLE stock ADD shelf int", "CREATE INDEX stock_shelf ON stock (shelf)")
    again = program.succeed("twin", "build", market.dsn, "--name", "changing", "--json").document
    assert again["was_refreshed"] is False
    program.succeed("twin", "drop", "--all")


def test_a_kept_twin_goes_when_its_time_is_over(market: Market, program: Program) -> None:
    program.succeed("twin", "build", market.dsn, "--name", "short")
    [about] = Path(program.environ["TRIMTAB_CACHE"]).glob("twins/short/about.json")
    known = json.loads(about.read_text())
    about.write_text(json.dumps({**known, "expires_at": known["built_at"]}))
    _refused(program.run("twin", "explain", "--twin", "short", "--set", "work_mem=1MB"), 2, "twin.unknown")
    assert not about.parent.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (("explain", "--workload", "w.sql"), 2, "usage.no_change"),
        (("explain", "--from", "a", "--twin", "b", "--set", "a=b"), 2, "usage.two_twins"),
        (("explain", "--twin", "nobody", "--set", "a=b"), 2, "twin.unknown"),
        (("explain", "--twin", "../up", "--set", "a=b"), 2, "twin.name"),
        (("explain", "--from", "absent.twin", "--set", "a=b"), 4, "twin.file_unreadable"),
        (("explain", "--engine", "magic", "--set", "a=b"), 2, "usage.engine"),
        (("explain", "--twin", "any", "--engine", "hypopg", "--set", "a=b"), 2, "usage.engine"),
        (("check", "host=/nowhere", "--workload", "w.sql"), 3, "source.unreachable"),
        (("drop",), 2, "usage.drop"),
        (("drop", "nobody"), 2, "twin.unknown"),
    ],
)
def test_bad_input_is_refused_without_a_server(
    program: Program, arguments: tuple[str, ...], code: int, reason: str
) -> None:
    (program.directory / "w.sql").write_text("SELECT 1;")
    _refused(program.run("twin", *arguments), code, reason)
    program.assert_nothing_left()


BAD = (
    ("--index", "CREATE INDEX ON stock (amount); DROP TABLE stock", "indexes", "twin.index_statement"),
    ("--index", "CREATE UNIQUE INDEX ON stock (amount)", "indexes", "twin.index_statement"),
    ("--index", "CREATE INDEX ON nowhere (amount)", "indexes", "twin.no_such_table"),
    ("--index", "CREATE INDEX ON stock (no_such_function(amount))", "indexes", "twin.refused"),
    ("--index", "CREATE INDEX impossible ON stock USING gin (amount)", "indexes", "twin.refused"),
    ("--index", "CREATE INDEX wish ON orders (placed)", "indexes", "twin.index_statement"),
    ("--drop", 'a"b; c', "drops", "twin.no_such_index"),
    ("--set", "work_mem", "settings", "twin.setting"),
    ("--set", "work_memory=1MB", "settings", "twin.setting"),
    ("--set", "client_encoding=LATIN1", "settings", "twin.setting"),
    ("--set", "work_mem=-5", "settings", "twin.setting"),
    ("--set", "session_preload_libraries=x", "settings", "twin.setting"),
    ("--statistics", "CREATE STATISTICS ON a, b FROM nowhere", "statistics", "twin.no_such_table"),
    ("--statistics", "CREATE STATISTICS ON sku, nothing FROM stock", "statistics", "twin.refused"),
    ("--target", "amount=100", "targets", "twin.target"),
    ("--target", "stock.nothing=100", "targets", "twin.refused"),
)


def test_a_change_that_cannot_be_had_is_told_and_the_others_are_explained(
    market: Market, program: Program, workload: Path
) -> None:
    given = [text for option, value, _, _ in BAD for text in (option, value)]
    ended = program.run("twin", "explain", market.dsn, "--workload", workload, "--index", INDEX, *given, "--json")
    _refused(ended, 2, "twin.incomplete")
    told = ended.document
    good, *refused = told["indexes"]
    assert good["size_bytes"] is not None
    for kind in ("drops", "settings", "statistics", "targets"):
        refused += told[kind]
    assert [one["code"] for one in refused] == [code for *_, code in BAD]
    assert all(one["refusal"] for one in refused)
    by_name = {query["name"]: query for query in told["queries"]}
    assert (by_name["orders of a customer"]["uses"], by_name["orders of a customer"]["failure"]) == (["wish"], "")
    assert f"{len(BAD)} of the changes and queries could not be had" in ended.stderr
    program.assert_nothing_left()


def test_what_is_refused_is_told_in_words_too(market: Market, program: Program, workload: Path) -> None:
    asked = ("twin", "explain", market.dsn, "--workload", workload, "--index", INDEX, "--drop", "nothing_such")
    ended = program.run(*asked, "--index", "CREATE INDX", "--set", "work_mem=64MB")
    _refused(ended, 2, "twin.incomplete")
    assert "CREATE INDX: refused: " in ended.stdout
    assert "--drop nothing_such: refused: " in ended.stdout
    assert "2 of the changes and queries could not be had" in ended.stderr
    assert "wish" in ended.stdout


def test_queries_that_cannot_be_planned_are_left_out_and_the_others_are_explained(
    market: Market, program: Program, tmp_path: Path
) -> None:
    file = tmp_path / "mixed.sql"
    texts = ("SELECT no_such_function(sku) FROM stock", "SELECT * FROM stock WHERE pg_typeof($1) IS NULL",
             "SELEC 1", "SELECT * FROM nowhere", "SELECT sku FROM stock WHERE amount = 3")  # fmt: skip
    file.write_text("".join(f"-- name: q{number}\n{text};\n" for number, text in enumerate(texts)))
    for command, more in (("explain", ("--index", "CREATE INDEX ON stock (amount)")), ("check", ())):
        document = program.run("twin", command, market.dsn, "--workload", file, *more, "--json").document
        by_name = {query["name"]: query for query in document["queries"]}
        assert by_name["q4"].get("failure", "") == by_name["q4"].get("reason", "") == ""
        assert "42P18" in by_name["q1"].get("failure", "") + by_name["q1"].get("first_difference", "")
        assert {"q0", "q2", "q3"} <= {skipped["name"] for skipped in document["skipped"]}
        assert all(skipped["reason"] for skipped in document["skipped"])
    program.assert_nothing_left()


def test_a_workload_of_which_nothing_can_be_planned_ends_with_the_reason_of_each(
    market: Market, program: Program, tmp_path: Path
) -> None:
    workload = tmp_path / "bad.sql"
    workload.write_text(
        f"-- name: no function\nSELECT absent('{CANARY}') FROM orders;\n-- name: no table\nSELECT * FROM gone;\n"
    )
    file = tmp_path / "market.twin"
    program.succeed("twin", "export", market.dsn, "--out", file)
    explain = ("twin", "explain", "--workload", workload, "--set", "work_mem=1MB")
    for command in (
        ("twin", "check", market.dsn, "--workload", workload),
        (*explain, market.dsn),
        (*explain, "--from", file),
    ):
        told = program.run(*command)
        _refused(told, 2, "workload.empty")
        assert "left out: no function: " in told.stderr
        assert "left out: no table: " in told.stderr
        error = program.run(*command, "--json").document["error"]
        assert (error["code"], error["exit_code"]) == ("workload.empty", 2)
        assert [(one["name"], one["code"]) for one in error["skipped"]] == [
            ("no function", "query.unplannable"),
            ("no table", "query.unplannable"),
        ]
        assert "42883" in error["skipped"][0]["reason"]
        assert "42P01" in error["skipped"][1]["reason"]
        assert CANARY not in told.stdout + told.stderr + json.dumps(error)
    program.assert_nothing_left()


def test_names_that_are_taken_are_told_and_nothing_counts_as_used(
    market: Market, program: Program, workload: Path, tmp_path: Path
) -> None:
    arguments = ("twin", "explain", market.dsn, "--workload", workload)
    taken = ("--index", "CREATE INDEX orders_pkey ON orders (placed)")
    document = program.run(*arguments, *taken, "--json").document
    [index] = document["indexes"]
    assert (index["size_bytes"], index["refusal"]) == (None, 'relation "orders_pkey" already exists')
    assert all(query["uses"] == [] for query in document["queries"])
    assert "refused: relation" in program.run(*arguments, *taken).stdout
    # Where the other one is thought away, the name is free.
    [index] = program.succeed(*arguments, *taken, "--drop", "orders_pkey", "--json").document["indexes"]
    assert (index["size_bytes"] is None, index["refusal"]) == (False, "")
    # An index of that name which another schema has, and which the plan uses, is not the one that was asked about.
    market.execute("CREATE SCHEMA other", "CREATE TABLE other.big AS SELECT n FROM generate_series(1, 90000) n",
                   "CREATE INDEX same ON other.big (n)", "ANALYZE other.big")  # fmt: skip
    file = tmp_path / "big.sql"
    file.write_text("-- name: big\nSELECT n FROM other.big WHERE n = 7;\n")
    asked = ("--workload", file, "--index", "CREATE INDEX same ON orders (placed)", "--json")
    [query] = program.succeed("twin", "explain", market.dsn, *asked).document["queries"]
    assert query["uses"] == []
    # Statistics whose name is taken are refused alone.
    market.execute("CREATE STATISTICS held ON customer_id, total FROM orders")
    asked = ("--workload", file, "--statistics", "CREATE STATISTICS held ON id, placed FROM orders", "--json")
    document = program.run("twin", "explain", market.dsn, *asked).document
    assert "already exists" in document["statistics"][0]["refusal"]
    assert document["queries"][0]["failure"] == ""


def test_a_statistics_object_can_be_thought_away_wherever_it_is(
    market: Market, program: Program, tmp_path: Path
) -> None:
    market.execute(
        "CREATE SCHEMA elsewhere",
        "CREATE TABLE elsewhere.pairs AS SELECT n % 90 AS a, n % 90 / 3 AS b FROM generate_series(1, 9000) n",
        "CREATE STATISTICS public.pairs_known (ndistinct) ON a, b FROM elsewhere.pairs",
        "ANALYZE elsewhere.pairs",
    )
    workload = tmp_path / "pairs.sql"
    workload.write_text("SELECT a, b FROM elsewhere.pairs GROUP BY a, b;\n")
    arguments = ("twin", "explain", market.dsn, "--workload", workload, "--drop", "pairs_known", "--json")
    [query] = program.succeed(*arguments).document["queries"]
    assert query["cost_after"] > query["cost_before"]


def _damage(file: Path, kind: str) -> None:
    if kind == "cut":
        file.write_bytes(file.read_bytes()[:-200])
    elif kind == "holed":
        data = file.read_bytes()
        file.write_bytes(data[:2000] + bytes(50) + data[2050:])
    elif kind == "text":
        file.write_text("no archive")
    else:
        with zipfile.ZipFile(file) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        if kind == "other format":
            members["about.json"] = members["about.json"].replace(b"trimtab.twin/v1", b"trimtab.twin/v9")
        elif kind == "endless":
            facts = json.loads(members["facts.json"])
            facts["relations"][0]["pages"] = 2**60
            members["facts.json"] = json.dumps(facts).encode()
            about = json.loads(members["about.json"])
            about["sha256"]["facts.json"] = hashlib.sha256(members["facts.json"]).hexdigest()
            members["about.json"] = json.dumps(about).encode()
        else:
            members["facts.json"] = members["facts.json"].replace(b"1", b"2", 1)
        with zipfile.ZipFile(file, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("cut", "twin.file_damaged"),
        ("holed", "twin.file_damaged"),
        ("text", "twin.file_damaged"),
        ("altered", "twin.file_damaged"),
        ("endless", "twin.file_damaged"),
        ("other format", "twin.file_version"),
    ],
)
def test_a_damaged_file_is_refused(market: Market, program: Program, tmp_path: Path, kind: str, reason: str) -> None:
    file = tmp_path / "market.twin"
    program.succeed("twin", "export", market.dsn, "--out", file)
    _damage(file, kind)
    _refused(program.run("twin", "explain", "--from", file, "--set", "work_mem=1MB"), 4, reason)
    program.assert_nothing_left()


@pytest.mark.parametrize("command", ["check", "explain", "build"])
@pytest.mark.parametrize(
    ("limit", "reason"), [(("--max-size", "1MB"), "twin.too_large"), (("--max-seconds", "0.02"), "twin.too_slow")]
)
def test_a_twin_beyond_its_limits_is_told_and_nothing_is_left(
    market: Market, program: Program, workload: Path, command: str, limit: tuple[str, str], reason: str
) -> None:
    more = {"explain": ("--set", "work_mem=1MB"), "build": ("--name", "limited")}.get(command, ())
    given = () if command == "build" else ("--workload", workload)
    _refused(program.run("twin", command, market.dsn, *given, *more, *limit), 4, reason)
    assert program.succeed("twin", "list", "--json").document["twins"] == []
    program.assert_nothing_left()


def test_an_export_that_takes_too_long_is_told_and_nothing_is_left(
    market: Market, program: Program, tmp_path: Path
) -> None:
    ended = program.run("twin", "export", market.dsn, "--out", tmp_path / "late.twin", "--max-seconds", "0.02")
    _refused(ended, 4, "twin.too_slow")
    assert list(tmp_path.glob("*late*")) == []
    program.assert_nothing_left()


def test_an_export_that_cannot_be_written_leaves_nothing(market: Market, program: Program, tmp_path: Path) -> None:
    no_file = tmp_path / "device"
    os.mkfifo(no_file)
    for target in (tmp_path / "absent" / "market.twin", no_file):
        _refused(program.run("twin", "export", market.dsn, "--out", target), 2, "twin.unwritable")
    assert list(tmp_path.glob("*.twin*")) == list(tmp_path.glob(".device*")) == []
    assert no_file.is_fifo()
    program.assert_nothing_left()


def test_a_reader_with_rights_on_some_tables_gets_a_twin_of_those(
    market: Market, program: Program, workload: Path, new_market: Callable[[], Market]
) -> None:
    market.execute(
        "DROP ROLE IF EXISTS some_reader",
        "CREATE ROLE some_reader LOGIN",
        "GRANT SELECT ON orders, stock TO some_reader",
    )
    try:
        document = program.succeed(
            "twin", "check", market.dsn_of("some_reader"), "--workload", workload, "--json"
        ).document
        assert any("customer" in problem for problem in document["problems"])
        assert document["queries"]
        assert all(q["same_shape"] for q in document["queries"] if q["source_cost"] is not None)
    finally:
        market.execute("DROP OWNED BY some_reader", "DROP ROLE some_reader")


@pytest.fixture
def tenants(market: Market) -> Iterator[Market]:
    """The market with row-level security, and roles that it binds."""
    roles = "market_app, market_reader"
    market.execute(
        "CREATE ROLE market_app LOGIN",
        "CREATE ROLE market_reader LOGIN BYPASSRLS",
        f"GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA public TO {roles}",
        "ALTER ROLE market_app SET enable_bitmapscan = off",
        "ALTER TABLE stock ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY own ON stock TO market_app USING (warehouse = current_setting('app.warehouse', true)::int)",
        "ALTER TABLE orders ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY every ON orders USING (note = current_user)",
    )
    yield market
    market.execute(f"DROP OWNED BY {roles}", f"DROP ROLE {roles}")


def _of_warehouse(dsn: str) -> str:
    return make_conninfo(dsn, options="-c app.warehouse=7")


def test_check_compares_as_the_role_on_both_sides(tenants: Market, program: Program, workload: Path) -> None:
    dsn = _of_warehouse(tenants.dsn)
    arguments = ("twin", "check", dsn, "--workload", workload, "--as-role", "market_app")
    document = program.succeed(*arguments, "--json").document
    assert document["summary"]["role"] == "market_app"
    assert document["summary"]["within_1_percent"] == document["summary"]["same_shape"] == 1.0
    as_owner = program.succeed("twin", "check", dsn, "--workload", workload, "--json").document
    assert as_owner["summary"]["role"] is None
    assert as_owner["summary"]["same_shape"] == 1.0
    costs = [{q["name"]: q["twin_cost"] for q in found["queries"]} for found in (document, as_owner)]
    assert costs[0]["orders of a customer"] != costs[1]["orders of a customer"]
    assert "planned as the role market_app" in program.succeed(*arguments).stdout
    program.assert_nothing_left()


def test_check_plans_as_the_connecting_role_where_policies_bind_it(
    tenants: Market, program: Program, workload: Path, tmp_path: Path
) -> None:
    own = _of_warehouse(tenants.dsn_of("market_app"))
    document = program.succeed("twin", "check", own, "--workload", workload, "--json").document
    assert document["summary"]["role"] == "market_app"
    assert any("row-level security hides the statistics of public.orders" in told for told in document["problems"])
    assert all(q["reason"] or q["source_cost"] == q["twin_cost"] for q in document["queries"])
    # With a twin that was read by a role which may see the statistics nothing is missing.
    file = tmp_path / "market.twin"
    program.succeed("twin", "export", _of_warehouse(tenants.dsn_of("market_reader")), "--out", file)
    document = program.succeed("twin", "check", own, "--from", file, "--workload", workload, "--json").document
    assert document["summary"]["role"] == "market_app"
    assert document["summary"]["within_1_percent"] == document["summary"]["same_shape"] == 1.0


def test_explain_as_a_role_sees_what_its_policies_need(tenants: Market, program: Program, tmp_path: Path) -> None:
    workload = tmp_path / "all.sql"
    workload.write_text("-- name: all stock\nSELECT sku FROM stock;\n")
    file = tmp_path / "market.twin"
    dsn = _of_warehouse(tenants.dsn_of("market_reader"))
    program.succeed("twin", "export", dsn, "--out", file)
    program.succeed("twin", "build", dsn, "--name", "tenants")
    change = ("--index", "CREATE INDEX wish ON stock (warehouse) INCLUDE (sku)", "--workload", workload, "--json")
    found = []
    for origin in ((dsn,), ("--from", file), ("--twin", "tenants")):
        as_owner = program.succeed("twin", "explain", *origin, *change).document
        assert (as_owner["summary"]["role"], as_owner["queries"][0]["uses"]) == (None, [])
        as_app = program.succeed("twin", "explain", *origin, *change, "--as-role", "market_app").document
        assert as_app["summary"]["role"] == "market_app"
        [query] = as_app["queries"]
        assert query["uses"] == ["wish"]
        assert query["cost_after"] < query["cost_before"] / 5
        found.append((query["cost_before"], query["cost_after"]))
    assert len(set(found)) == 1
    program.succeed("twin", "drop", "--all")
    program.assert_nothing_left()


def test_names_mean_what_they_mean_to_the_role(tenants: Market, program: Program, tmp_path: Path) -> None:
    tenants.execute(
        "CREATE SCHEMA of_app",
        "CREATE TABLE of_app.things AS SELECT n AS id FROM generate_series(1, 5000) n",
        "ANALYZE of_app.things",
        "GRANT USAGE ON SCHEMA of_app TO market_app",
        "GRANT SELECT ON of_app.things TO market_app",
        "ALTER ROLE market_app SET search_path = of_app",
    )
    workload = tmp_path / "things.sql"
    workload.write_text("SELECT * FROM things WHERE id = 7;\n")
    given = (_of_warehouse(tenants.dsn), "--workload", workload, "--as-role", "market_app", "--json")
    index = ("--index", "CREATE INDEX wish ON things (id)")
    [query] = program.succeed("twin", "explain", *given, *index).document["queries"]
    assert query["uses"] == ["wish"]
    assert program.succeed("twin", "check", *given).document["summary"]["same_shape"] == 1.0


def test_a_role_that_cannot_be_planned_as_is_refused(
    tenants: Market, program: Program, workload: Path, tmp_path: Path
) -> None:
    file = tmp_path / "market.twin"
    program.succeed("twin", "export", tenants.dsn, "--out", file)
    reader = tenants.dsn_of("market_reader")
    wish = ("--index", INDEX)
    for arguments, code, reason in (
        (("explain", reader, *wish, "--as-role", "nobody"), 2, "twin.unknown_role"),
        (("explain", "--from", file, *wish, "--as-role", "nobody"), 2, "twin.unknown_role"),
        (("check", reader, "--as-role", "nobody"), 2, "twin.unknown_role"),
        (("check", reader, "--as-role", "market_app"), 3, "source.not_a_member"),
        (("check", reader, "--from", file, "--as-role", "market_app"), 3, "source.not_a_member"),
    ):
        _refused(program.run("twin", *arguments, "--workload", workload), code, reason)
    program.assert_nothing_left()
