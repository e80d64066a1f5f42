"""The twin plans as a role of the source does: row-level security, owners of views and settings included."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from trimtab.db.connection import Connection, connect
from trimtab.db.explain import explain
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.server import Server
from trimtab.errors import SourceError, TrimtabError, UsageError
from trimtab.model.change import CreateIndex, SetSetting
from trimtab.model.plan import Plan
from trimtab.model.whatif import PlanFailure
from trimtab.model.workload import Query
from trimtab.twin.build import build, refresh
from trimtab.twin.capture import Image, read_image
from trimtab.twin.image import _adapter, load, save
from trimtab.twin.roles import asked_as
from trimtab.twin.twin import Twin

from .shop import query, silent

pytestmark = pytest.mark.server

ROLES = ("tenant_owner", "tenant_app", "tenant_group", "tenant_free", 'Odd "one"', "tenant_boss", "tenant_half")

SCHEMA = """
CREATE TABLE invoice (id int PRIMARY KEY, tenant int NOT NULL, amount numeric, note text);
CREATE TABLE memo (id int PRIMARY KEY, owner name NOT NULL, note text);
CREATE TABLE ledger (id int PRIMARY KEY, tenant int NOT NULL, amount int);
CREATE TABLE open_to_all (id int PRIMARY KEY, k int);
CREATE TABLE member (who name PRIMARY KEY, tenant int);
INSERT INTO invoice SELECT n, n % 400, n / 3.0, md5(n::text) FROM generate_series(1, 60000) n;
INSERT INTO memo SELECT n, CASE WHEN n % 200 = 0 THEN 'tenant_app' ELSE 'other' || n % 50 END, md5(n::text)
  FROM generate_series(1, 20000) n;
INSERT INTO ledger SELECT n, n % 30, n % 77 FROM generate_series(1, 30000) n;
INSERT INTO open_to_all SELECT n, n % 90 FROM generate_series(1, 20000) n;
INSERT INTO member SELECT 'm' || n, n FROM generate_series(1, 500) n;
CREATE FUNCTION tenant_of_session() RETURNS int STABLE LANGUAGE plpgsql
  AS $$ BEGIN RETURN current_setting('app.other_tenant', true)::int; END $$;
ALTER TABLE invoice ENABLE ROW LEVEL SECURITY;
CREATE POLICY by_tenant ON invoice USING (tenant = current_setting('app.tenant')::int);
ALTER TABLE memo ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON memo TO tenant_group USING (owner = current_user);
ALTER TABLE ledger ENABLE ROW LEVEL SECURITY;
ALTER TABLE ledger FORCE ROW LEVEL SECURITY;
CREATE POLICY listed ON ledger FOR SELECT USING (tenant IN (SELECT m.tenant FROM member m WHERE m.who = current_user));
CREATE POLICY inserted ON ledger FOR INSERT WITH CHECK (tenant = tenant_of_session());
CREATE VIEW bosses AS SELECT * FROM ledger WHERE amount < 40;
CREATE VIEW owners AS SELECT * FROM ledger WHERE amount < 40;
CREATE VIEW halves AS SELECT * FROM invoice WHERE amount < 40;
CREATE FUNCTION slow_scan(text) RETURNS boolean LANGUAGE sql SET enable_seqscan = off AS $$ SELECT true $$;
ALTER TABLE invoice OWNER TO tenant_owner;
ALTER TABLE memo OWNER TO tenant_owner;
ALTER TABLE ledger OWNER TO tenant_owner;
ALTER VIEW bosses OWNER TO tenant_boss;
ALTER VIEW owners OWNER TO tenant_owner;
ALTER VIEW halves OWNER TO tenant_half;
CREATE SCHEMA tenant_app;
CREATE TABLE tenant_app.own_things (id int PRIMARY KEY, k int);
INSERT INTO tenant_app.own_things SELECT n, n FROM generate_series(1, 5000) n;
GRANT USAGE ON SCHEMA public, tenant_app TO PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public, tenant_app TO PUBLIC
"""

QUERIES = (
    query("SELECT * FROM invoice WHERE amount > 15000"),
    query("SELECT count(*) FROM invoice"),
    query("SELECT * FROM invoice WHERE id = $1", "77"),
    query("SELECT * FROM invoice WHERE id = $1"),
    query("SELECT * FROM memo ORDER BY id LIMIT 20"),
    query("SELECT * FROM memo WHERE note LIKE '%a%'"),
    query("SELECT * FROM ledger WHERE amount = 7"),
    query("SELECT * FROM bosses ORDER BY amount"),
    query("SELECT * FROM owners ORDER BY amount"),
    query("SELECT * FROM halves"),
    query("SELECT l.* FROM ledger l JOIN open_to_all o ON o.id = l.id JOIN invoice i ON i.id = o.id WHERE o.k = 3"),
    query("SELECT * FROM open_to_all o JOIN memo m USING (id) ORDER BY o.k"),
    query("UPDATE invoice SET note = 'x' WHERE amount < 90"),
    query("DELETE FROM memo WHERE id < 700"),
    query("INSERT INTO ledger VALUES (-1, 2, 3)"),
)


def run(conninfo: str, script: str) -> None:
    with closing(connect(conninfo, read_only=False)) as connection:
        connection.execute(script.encode())


def conninfo_of(server: Server, user: str = "") -> str:
    """The session has a tenant: policies read it."""
    given = f"{server.dsn('tenants')} options='-c app.tenant=17 -c app.other_tenant=18'"
    return f"{given} user={user}" if user else given


@pytest.fixture(scope="module", params=["source", pytest.param("older_source", marks=pytest.mark.system_postgres)])
def tenants(request: pytest.FixtureRequest) -> Iterator[Server]:
    server: Server = request.getfixturevalue(request.param)
    run(server.dsn(), "CREATE DATABASE tenants")
    quoted = [f'"{role.replace(chr(34), chr(34) * 2)}"' for role in ROLES]
    run(server.dsn(), ";\n".join(f"CREATE ROLE {role} LOGIN" for role in quoted))
    run(
        server.dsn(),
        "ALTER ROLE tenant_group NOLOGIN; ALTER ROLE tenant_free BYPASSRLS; ALTER ROLE tenant_boss SUPERUSER;\n"
        "GRANT tenant_group TO tenant_app;\n"
        "ALTER ROLE tenant_app IN DATABASE tenants SET work_mem = '64kB'; ALTER ROLE tenant_app SET work_mem = '1GB';\n"
        "ALTER ROLE tenant_app SET enable_hashjoin = off;\n"
        'GRANT tenant_app, tenant_owner, tenant_free, "Odd ""one""" TO reader',
    )
    try:
        run(server.dsn("tenants"), SCHEMA)
        run(server.dsn("tenants"), "VACUUM ANALYZE")
        yield server
    finally:
        run(server.dsn(), "DROP DATABASE tenants WITH (FORCE)")
        run(server.dsn(), f"DROP ROLE {', '.join(quoted)}")


@pytest.fixture(scope="module")
def image(tenants: Server) -> Image:
    return read_image(conninfo_of(tenants), Binaries.find(), progress=silent)


def opened(tenants: Server, image: Image, role: str | None, workers: int | None = 1) -> Twin:
    twin = Twin.open(build(image, tenants.binaries, progress=silent), workers, role=role)
    assert [p for p in twin.problems if p not in image.source.problems] == []
    return twin


def on_the_source(connection: Connection, queries: tuple[Query, ...] = QUERIES) -> list[Plan]:
    return [explain(connection, one) for one in queries]


def asked(tenants: Server, role: str) -> list[Plan]:
    with closing(connect(conninfo_of(tenants), read_only=True)) as connection, asked_as(connection, role):
        return on_the_source(connection)


def conditions(plan: Plan | PlanFailure) -> str:
    assert isinstance(plan, Plan), plan
    return " ".join(text for node in plan.root.walk() for text in node.conditions.values())


def told(plans: list[Plan] | list[Plan | PlanFailure]) -> list[object]:
    return [(p.root.node_type, round(p.cost, 6), conditions(p)) if isinstance(p, Plan) else p for p in plans]


@pytest.mark.parametrize("role", ["tenant_app", "tenant_owner", "tenant_free", 'Odd "one"', "reader", "tenant_boss"])
def test_plans_are_those_of_the_source_as_this_role(tenants: Server, image: Image, role: str) -> None:
    with opened(tenants, image, role) as twin:
        assert twin.role == role
        [mine] = twin.what_if(QUERIES, [()])
        assert told(mine) == told(asked(tenants, role))


def test_policies_and_owners_decide_what_a_role_sees_planned(tenants: Server, image: Image) -> None:
    with opened(tenants, image, None) as free, opened(tenants, image, "tenant_app") as bound:
        assert (free.role, bound.role) == (None, "tenant_app")
        texts = ("SELECT * FROM invoice", "SELECT * FROM memo", "SELECT * FROM ledger", "SELECT * FROM bosses")
        queries = [query(text) for text in (*texts, "SELECT * FROM owners")]
        [unfiltered], [filtered] = free.what_if(queries, [()]), bound.what_if(queries, [()])
        assert [bool(re.search("tenant|owner|SubPlan", conditions(p))) for p in filtered] == [True] * 3 + [False, True]
        # A view of a table whose policies bind its owner too has that owner's.
        assert [bool(conditions(plan)) for plan in unfiltered] == [False] * 3 + [True, True]
        assert "member" in str(bound.what_if([queries[4]], [()])[0][0].text)  # type: ignore[union-attr]
        assert "current_setting" in conditions(filtered[0])
        assert "CURRENT_USER" in conditions(filtered[1])


def test_an_index_that_a_policy_needs_is_used_also_by_more_servers(tenants: Server, image: Image) -> None:
    by_tenant = CreateIndex("public", "invoice", "by_tenant", "(tenant)", ("tenant",))
    by_owner = CreateIndex("public", "memo", "by_owner", "(owner)", ("owner",))
    members = CreateIndex("public", "member", "member_tenant", "(tenant, who)", ("tenant", "who"))
    asked_of = [query(f"SELECT * FROM invoice WHERE amount > {n}") for n in range(30)]
    asked_of += [query("SELECT * FROM memo"), query("SELECT * FROM invoice")]
    changes = (by_tenant, by_owner, members, SetSetting("database", "twin", "enable_bitmapscan", "off"))
    with opened(tenants, image, "tenant_app", 2) as twin:
        twin.start_workers()
        assert twin.workers == 2
        before, after = twin.what_if(asked_of, [(), changes])
        assert {plan.indexes for plan in after[:30] if isinstance(plan, Plan)} == {frozenset({"by_tenant"})}
        assert isinstance(after[30], Plan)
        assert after[30].indexes == {"by_owner"}
        assert isinstance(before[31], Plan)
        assert isinstance(after[31], Plan)
        assert after[31].cost < before[31].cost / 2
        # What a query's policies look at is relevant to it.
        by_member = query("SELECT count(*) FROM ledger")
        calls = twin.planner_calls
        twin.what_if([by_member], [(), (members,)])
        assert twin.planner_calls == calls + 2
    with opened(tenants, image, None) as free:
        [[plan]] = free.what_if([query("SELECT * FROM invoice")], [(by_tenant,)])
        assert isinstance(plan, Plan)
        assert plan.indexes == frozenset()


def test_what_fails_fails_alone_and_as_the_role(tenants: Server, image: Image) -> None:
    wrong = SetSetting("database", "twin", "enable_wonders", "on")
    queries = [query("SELECT * FROM nowhere"), query("SELECT * FROM invoice"), query("SELECT id / 0 FROM memo")]
    with opened(tenants, image, "tenant_app") as twin:
        for changes in ((), (SetSetting("database", "twin", "work_mem", "1MB"),)):
            [answers] = twin.what_if(queries, [changes])
            assert isinstance(answers[0], PlanFailure)
            assert "app.tenant" in conditions(answers[1])
            assert "CURRENT_USER" in conditions(answers[2])
        [[failed, _, _]] = twin.what_if(queries, [(wrong,)])
        assert isinstance(failed, PlanFailure)
        assert twin.connection.execute("select current_user::text").fetchone() == ("tenant_app",)


def test_settings_of_the_role_change_plans_as_on_the_source(tenants: Server, image: Image) -> None:
    join = query("SELECT * FROM open_to_all a JOIN open_to_all b ON b.k = a.k WHERE a.id < 90")
    assert image.source.role_settings["tenant_app"]["work_mem"] == "64kB"  # that of the database goes first
    with opened(tenants, image, None) as free, opened(tenants, image, "tenant_app") as bound:
        [[hashed]], [[other]] = free.what_if([join], [()]), bound.what_if([join], [()])
        assert isinstance(hashed, Plan)
        assert isinstance(other, Plan)
        assert any(node.node_type == "Hash Join" for node in hashed.root.walk())
        assert not any(node.node_type == "Hash Join" for node in other.root.walk())
        assert bound.connection.execute("SHOW work_mem").fetchone() == ("64kB",)
        with closing(connect(conninfo_of(tenants), read_only=True)) as source, asked_as(source, "tenant_app"):
            assert told([other]) == told([explain(source, join)])


def test_names_are_looked_up_where_the_role_looks(tenants: Server, image: Image) -> None:
    asked_of = [query("SELECT * FROM own_things WHERE id = 3")]
    with opened(tenants, image, "tenant_app") as twin, closing(twin.connect_read_only()) as reader:
        [[plan]] = twin.what_if(asked_of, [()])
        assert isinstance(plan, Plan)
        assert plan.relations == {("tenant_app", "own_things")}
        assert reader.execute("select 'own_things'::regclass::text").fetchone() == ("own_things",)
        with closing(connect(conninfo_of(tenants), read_only=True)) as source:
            nowhere = query("SELECT * FROM nowhere")  # what fails on the source fails alone
            found = twin.fidelity(source, [nowhere, *asked_of, nowhere, *asked_of])
            assert [one.same_shape for one in found.queries] == [False, True, False, True]
            assert source.execute("select current_user::text").fetchone() == ("trimtab",)
    with opened(tenants, image, None) as twin:
        assert isinstance(twin.what_if(asked_of, [()])[0][0], PlanFailure)


def test_a_session_that_policies_bind_plans_as_itself(tenants: Server) -> None:
    conninfo = conninfo_of(tenants, "tenant_app")
    own = read_image(conninfo, Binaries.find(), progress=silent)
    hidden = [problem for problem in own.source.problems if "row-level security hides" in problem]
    assert "public.invoice" in hidden[0]
    assert "--as-role tenant_app" in hidden[0]
    with opened(tenants, own, None) as twin, closing(connect(conninfo, read_only=True)) as source:
        assert twin.role == "tenant_app"
        found = twin.fidelity(source, QUERIES)
        for one in found.queries:
            assert one.is_within_1_percent or "may not read the statistics" in one.reason
        [[plan]] = twin.what_if([query("SELECT * FROM invoice")], [()])
        assert conditions(plan) == conditions(explain(source, query("SELECT * FROM invoice")))


def test_an_unknown_role_and_one_that_the_session_is_no_member_of_are_refused(tenants: Server, image: Image) -> None:
    made = build(image, tenants.binaries, progress=silent)
    with pytest.raises(UsageError) as unknown:
        Twin.open(made, role="nobody")
    assert unknown.value.code == "twin.unknown_role"
    assert not made.server.is_running
    with closing(connect(conninfo_of(tenants, "reader"), read_only=True)) as source:
        for role, code, kind in (
            ("nobody", "twin.unknown_role", UsageError),
            ("tenant_boss", "source.not_a_member", SourceError),
        ):
            with pytest.raises(TrimtabError) as refused, asked_as(source, role):
                pass
            assert isinstance(refused.value, kind)
            assert refused.value.code == code
            assert refused.value.next_step
        with asked_as(source, "tenant_app"):
            assert source.execute("select current_user::text").fetchone() == ("tenant_app",)
        assert source.execute("select current_user::text").fetchone() == ("reader",)


def test_a_file_knows_the_roles_and_an_older_one_does_not(tenants: Server, image: Image, tmp_path: Path) -> None:
    save(image, tmp_path / "tenants.twin")
    assert load(tmp_path / "tenants.twin") == image
    assert Image.from_dict(image.to_dict()) == image
    with opened(tenants, load(tmp_path / "tenants.twin"), "tenant_app") as twin:
        assert told(twin.what_if(QUERIES, [()])[0]) == told(asked(tenants, "tenant_app"))
    facts = json.loads(_adapter().dump_json(image.source))
    for name in ("roles", "owners", "policy_settings", "written_search_path"):
        del facts[name]
    older = replace(image, source=_adapter().validate_json(json.dumps(facts)))
    assert older.source.relations == image.source.relations
    with pytest.raises(UsageError, match="knows no roles"):
        Twin.open(build(older, tenants.binaries, progress=silent), role="tenant_app")


def test_a_refresh_builds_anew_where_policies_owners_or_rights_changed(tenants: Server, image: Image) -> None:
    made = build(image, tenants.binaries, progress=silent)
    with made.server:
        same = refresh(made, image, read_image(conninfo_of(tenants), Binaries.find(), progress=silent))
        assert same.built is not None
        owner = conninfo_of(tenants)
        for change, undo in (
            (
                "ALTER POLICY own ON memo USING (owner = session_user)",
                "ALTER POLICY own ON memo USING (owner = current_user)",
            ),
            ("ALTER VIEW bosses OWNER TO tenant_owner", "ALTER VIEW bosses OWNER TO tenant_boss"),
            ("ALTER ROLE tenant_group BYPASSRLS", "ALTER ROLE tenant_group NOBYPASSRLS"),
            ("ALTER TABLE memo DISABLE ROW LEVEL SECURITY", "ALTER TABLE memo ENABLE ROW LEVEL SECURITY"),
        ):
            run(owner, change)
            changed = read_image(owner, Binaries.find(), progress=silent)
            run(owner, undo)
            assert refresh(same.built, image, changed).built is None, change
        before = read_image(owner, Binaries.find(), progress=silent)
        run(tenants.dsn(), "CREATE ROLE tenant_new")
        try:
            another = refresh(same.built, before, read_image(owner, Binaries.find(), progress=silent))
        finally:
            run(tenants.dsn(), "DROP ROLE tenant_new")
        assert another.built is not None
        assert "tenant_new" in {role.name for role in another.built.source.roles}


def test_without_values_no_tenant_is_told(tenants: Server, image: Image) -> None:
    assert image.source.policy_settings == {"app.other_tenant": "18", "app.tenant": "17"}
    bare = read_image(conninfo_of(tenants), Binaries.find(), with_values=False, progress=silent)
    assert bare.source.policy_settings == {"app.other_tenant": None, "app.tenant": None}
    with Twin.open(build(bare, tenants.binaries, progress=silent), 1, role="tenant_app") as twin:
        [missing] = [problem for problem in twin.problems if problem not in bare.source.problems]
        assert "not known: app.other_tenant, app.tenant." in missing
        [[failed]] = twin.what_if([query("SELECT * FROM invoice")], [()])
        assert isinstance(failed, PlanFailure)
        assert failed.sqlstate == "42704"


def test_roles_that_are_called_as_the_twins_own_are_no_obstacle(tenants: Server, image: Image) -> None:
    """Here the source's superuser is called as the twin's; there it could be any role."""
    roles = tuple(replace(role, is_unbound=role.is_unbound and role.name != "trimtab") for role in image.source.roles)
    other = replace(image, source=replace(image.source, roles=roles))
    with Twin.open(build(other, tenants.binaries, progress=silent), 1, role="trimtab") as twin:
        [told_so] = [problem for problem in twin.problems if problem not in image.source.problems]
        assert "role trimtab is also the twin's own" in told_so
        assert "app.tenant" in conditions(twin.what_if([query("SELECT * FROM invoice")], [()])[0][0])
    with opened(tenants, image, "trimtab") as twin:
        assert conditions(twin.what_if([query("SELECT * FROM invoice")], [()])[0][0]) == ""


def test_settings_of_functions_are_part_of_the_schema(tenants: Server, image: Image) -> None:
    with opened(tenants, image, None) as twin:
        row = twin.connection.execute("select proconfig from pg_proc where proname = 'slow_scan'").fetchone()
    assert row == (["enable_seqscan=off"],)


def test_a_policy_that_cannot_be_carried_over_is_no_plan_that_reads_nothing(tenants: Server) -> None:
    dsn = tenants.dsn("tenants")
    binaries = Binaries.find() if tenants.binaries.version[0] == Binaries.find().version[0] else tenants.binaries
    image = read_image(dsn, binaries, progress=silent)
    lost = image.schema.replace(b"current_setting('app.tenant'", b"current_setxxxx('app.tenant'")
    assert lost != image.schema
    asked = [query("SELECT * FROM invoice WHERE id = 7"), query("SELECT * FROM memo WHERE id = 7")]
    for role, is_bound in (("tenant_app", True), ("tenant_free", False), (None, False)):
        built = build(replace(image, schema=lost), binaries, progress=silent)
        with Twin.open(built, role=role) as twin:
            assert any("POLICY public invoice by_tenant" in problem for problem in twin.problems)
            [[invoice, memo]] = twin.what_if(asked, [()])
            assert isinstance(memo, Plan)
            assert isinstance(invoice, PlanFailure if is_bound else Plan)
            if role is not None:
                with closing(connect(conninfo_of(tenants, role), read_only=True)) as session:
                    told = twin.fidelity(session, asked[:1]).queries[0].reason
                assert ("lacks a policy" in told) == is_bound
