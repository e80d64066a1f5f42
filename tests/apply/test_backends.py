"""A statement or a session of others is ended only as it was seen, within the specification, and the ledger tells."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from trimtab.apply.backends import BackendEnforcer
from trimtab.apply.switch import Freeze, KillSwitch
from trimtab.db.connection import connect
from trimtab.db.role import ALLOWED, APPLYING, refuse_overprivileged
from trimtab.embedded.server import Server
from trimtab.errors import HeldError, LedgerError, RefusedError, TrimtabError
from trimtab.ledger.entry import Entry, Kind
from trimtab.ledger.ledger import Ledger
from trimtab.lifecycle.backends import end_backend, operating, order_of
from trimtab.lifecycle.recover import resume
from trimtab.model.backend import Backend, BackendAct, BackendEnded
from trimtab.observe.backends import read_backend, read_backends
from trimtab.observe.server import read_server
from trimtab.setup_sql import role_sql
from trimtab.spec.load import load_spec
from trimtab.spec.specification import Specification

from .sessions import APPLICATION, CANARY, Application
from .shop import Shop

pytestmark = pytest.mark.server

CANCEL, TERMINATE = BackendAct.CANCEL, BackendAct.TERMINATE
BOTH = pytest.mark.parametrize("act", list(BackendAct))
HELD = {CANCEL: "cancel", TERMINATE: "terminate"}


def specification(**limits: object) -> Specification:
    """The shipped one, which asks; with other limits for backends, and at once."""
    shipped = load_spec()
    changed = shipped.backends.model_copy(update={"min_seconds": 0.0, **limits})
    return replace(shipped, id="AT_ONCE", limits=shipped.limits.model_copy(update={"backends": changed}))


ALLOWING = specification(cancel="allow", terminate="allow")


@pytest.fixture
def application(shop: Shop) -> Iterator[Application]:
    found = Application.connected(shop.dsn, "keeper")
    yield found
    found.close()


def enforcer(shop: Shop, spec: Specification = ALLOWING, user: str = "trimtab") -> BackendEnforcer:
    conninfo = psycopg.conninfo.make_conninfo(shop.dsn, user=user)
    source = shop.stack.enter_context(closing(connect(conninfo, read_only=True)))
    return BackendEnforcer(source, shop.ledger(), spec, read_server(source), partial(read_backend, source))


def end(
    shop: Shop, act: BackendAct, seen: Backend, spec: Specification = ALLOWING, *, is_confirmed: bool = False
) -> BackendEnded:
    return enforcer(shop, spec).carry_out(order_of(act, seen, via="python", by="ann", is_confirmed=is_confirmed))


def refused(shop: Shop, act: BackendAct, seen: Backend, spec: Specification = ALLOWING) -> TrimtabError:
    with pytest.raises(TrimtabError) as found:
        end(shop, act, seen, spec)
    return found.value


def entries(shop: Shop) -> list[Entry]:
    with Ledger.open(shop.ledger_path) as ledger:
        return list(ledger.entries())


def written(shop: Shop) -> str:
    """Write the specification that allows, and return where."""
    path = shop.ledger_path.with_name("allowing.yaml")
    path.write_text(json.dumps(ALLOWING.document()))  # JSON is YAML
    return str(path)


def told(shop: Shop) -> list[str]:
    return [entry.kind.value for entry in entries(shop)]


@pytest.mark.parametrize(("act", "sqlstate"), [(CANCEL, "57014"), (TERMINATE, "57P01")])
def test_what_is_meant_is_ended_and_the_ledger_tells_before_and_after(
    shop: Shop, application: Application, act: BackendAct, sqlstate: str
) -> None:
    seen = application.begin()
    ended = end(shop, act, seen)
    assert (ended.has_ended, ended.backend.pid) == (True, application.pid)
    assert application.ended_with() == sqlstate
    assert application.is_there() is (act is CANCEL)
    intended, done = entries(shop)
    assert (intended.kind, done.kind) == (Kind.BACKEND_INTENDED, Kind.BACKEND_DONE)
    assert {key: intended.body[key] for key in ("act", "pid", "started_at", "role", "by", "via", "state")} == {
        "act": HELD[act], "pid": seen.pid, "started_at": seen.started_at, "role": "keeper", "by": "ann",
        "via": "python", "state": "active",
    }  # fmt: skip
    assert done.body["has_ended"] is True
    written_there = json.dumps([dict(entry.body) for entry in (intended, done)])
    assert CANARY not in written_there
    assert APPLICATION not in written_there  # a name that its client chose


def test_a_session_that_is_idle_in_its_transaction_is_terminated_and_has_no_statement_to_cancel(
    shop: Shop, application: Application
) -> None:
    application.run("BEGIN; CREATE TEMPORARY TABLE mine (a int)")
    seen = application.seen(lambda backend: backend.state == "idle in transaction")
    error = refused(shop, CANCEL, seen)
    assert error.code == "apply.specification"
    assert "backends.no_statement" in str(error)
    assert end(shop, TERMINATE, seen).has_ended
    assert not application.is_there()


def test_another_backend_of_the_same_number_is_left_alone(shop: Shop, application: Application) -> None:
    seen = application.begin()
    error = refused(shop, TERMINATE, replace(seen, started_at="2020-01-01T00:00:00.000000Z"))
    assert error.code == "backend.unknown"
    assert application.is_at_work()
    assert told(shop) == []


@BOTH
def test_what_has_moved_on_to_something_else_is_left_alone(
    shop: Shop, application: Application, act: BackendAct
) -> None:
    application.run("SELECT 1")
    before = application.seen(lambda backend: backend.state == "idle")
    application.begin()
    assert refused(shop, act, before).code == "backend.moved_on"
    assert application.is_at_work()
    assert told(shop) == []


@BOTH
@pytest.mark.parametrize("is_another", [True, False])
def test_the_statement_that_signals_looks_once_more_itself(
    shop: Shop, application: Application, act: BackendAct, *, is_another: bool
) -> None:
    """What was looked at before can be another backend, or at another statement, a moment later."""
    seen = application.begin()
    then = "2020-01-01T00:00:00.000000Z"
    old = replace(seen, started_at=then) if is_another else replace(seen, since=then)
    stale = replace(enforcer(shop), look=lambda _pid: old, sleep=lambda _: None)
    with pytest.raises(RefusedError) as found:
        stale.carry_out(order_of(act, old, via="python"))
    assert found.value.code == "backend.moved_on"
    assert application.is_at_work()
    assert told(shop) == ["backend_intended", "backend_failed"]
    assert entries(shop)[-1].body["code"] == "backend.moved_on"


@BOTH
def test_a_superusers_session_is_refused_and_the_server_refuses_it_again(shop: Shop, act: BackendAct) -> None:
    with closing(Application.connected(shop.dsn, "trimtab")) as superuser:
        seen = superuser.begin()
        assert "backends.superuser" in str(refused(shop, act, seen))
        lied = replace(seen, is_superuser=False)
        stale = replace(enforcer(shop), look=lambda _pid: lied, sleep=lambda _: None)
        with pytest.raises(RefusedError):
            stale.carry_out(order_of(act, lied, via="python"))
        assert superuser.is_at_work()


def test_the_servers_own_processes_and_the_session_that_asks_are_refused(shop: Shop) -> None:
    own = enforcer(shop)
    with closing(connect(shop.dsn, read_only=True)) as reader:
        processes = [each for each in read_backends(reader, every=True) if each.kind != "client backend"]
    assert {"checkpointer", "background writer", "walwriter"} <= {each.kind for each in processes}
    for process in processes:
        for act in BackendAct:
            error = refused(shop, act, process)
            assert {"backends.not_a_client", "backends.superuser"} & set(re.findall(r"backends\.\w+", str(error)))
    me = own.look(own.connection.info.backend_pid)
    assert me is not None
    with pytest.raises(RefusedError, match=r"backends\.own_session"):
        replace(own, look=lambda _pid: me).carry_out(order_of(TERMINATE, me, via="python"))
    assert told(shop) == []


def test_a_replicas_session_is_refused_and_those_of_clients_on_it_can_be_ended(
    replicated: tuple[Shop, Server],
) -> None:
    shop, standby = replicated
    with closing(connect(shop.dsn, read_only=True)) as reader:
        [sender] = [each for each in read_backends(reader, every=True) if each.kind == "walsender"]
    for act in BackendAct:
        assert "backends.not_a_client" in str(refused(shop, act, sender))
    there = replace(shop, server=standby)
    with closing(Application.connected(there.dsn, "keeper")) as application:
        seen = application.begin()
        assert refused(shop, CANCEL, seen).code == "backend.unknown"  # on the primary there is none of that number
        assert end(there, CANCEL, seen).has_ended
        assert application.ended_with() == "57014"


@BOTH
def test_older_servers_do_the_same(any_shop: Shop, act: BackendAct) -> None:
    with closing(Application.connected(any_shop.dsn, "keeper")) as application:
        seen = application.begin()
        assert (seen.kind, seen.is_superuser, seen.may_signal) == ("client backend", False, True)
        assert end(any_shop, act, seen).has_ended
        assert application.ended_with() in ("57014", "57P01")


@pytest.mark.parametrize(
    ("limits", "rule"),
    [
        ({"cancel": "refuse"}, "backends.cancel"),
        ({"denied_roles": ("keep*",)}, "backends.denied_roles"),
        ({"allowed_roles": ("report*",)}, "backends.allowed_roles"),
        ({"min_seconds": 3600.0}, "backends.min_seconds"),
    ],
)
def test_what_the_specification_forbids_is_refused_by_its_rule(
    shop: Shop, application: Application, limits: Mapping[str, object], rule: str
) -> None:
    seen = application.begin()
    error = refused(shop, CANCEL, seen, specification(**{"cancel": "allow", "terminate": "allow", **limits}))
    assert error.code == "apply.specification"
    assert re.findall(r"backends\.\w+", str(error)) == [rule]
    assert application.is_at_work()
    assert told(shop) == []


@BOTH
def test_the_shipped_specification_wants_a_persons_word(shop: Shop, application: Application, act: BackendAct) -> None:
    seen = application.begin()
    assert refused(shop, act, seen, specification()).code == "backend.unconfirmed"
    assert application.is_at_work()
    assert end(shop, act, seen, specification(), is_confirmed=True).has_ended
    assert entries(shop)[0].body["is_confirmed"] is True


@pytest.mark.parametrize("scope", [None, "own", "other"])
def test_a_freeze_stops_it(shop: Shop, application: Application, scope: str | None) -> None:
    seen = application.begin()
    database = {None: None, "own": shop.database, "other": "another"}[scope]
    KillSwitch(shop.ledger_path.parent).freeze(Freeze(database, "incident", "ann", 1))
    if scope == "other":
        assert end(shop, CANCEL, seen).has_ended
        return
    assert refused(shop, CANCEL, seen).code == "apply.frozen"
    assert application.is_at_work()
    assert told(shop) == []


def test_a_freeze_between_the_intent_and_the_act_stops_it(
    shop: Shop, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = Ledger.append

    def freezing(ledger: Ledger, kind: Kind, body: Mapping[str, object], **more: Any) -> Entry:
        if kind is Kind.BACKEND_INTENDED:
            KillSwitch(shop.ledger_path.parent).freeze(Freeze(None, "incident", "ann", 1))
        return append(ledger, kind, body, **more)

    monkeypatch.setattr(Ledger, "append", freezing)
    assert refused(shop, CANCEL, application.begin()).code == "apply.frozen"
    assert application.is_at_work()
    assert (told(shop), entries(shop)[-1].body["code"]) == (["backend_intended", "backend_failed"], "apply.frozen")


def test_without_a_ledger_nothing_is_done(
    shop: Shop, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object, **_more: object) -> Entry:
        raise LedgerError("full", code="ledger.unwritable")

    seen = application.begin()
    monkeypatch.setattr(Ledger, "append", full)
    assert refused(shop, TERMINATE, seen).code == "ledger.unwritable"
    assert application.is_at_work()


def test_so_many_an_hour_and_no_more(shop: Shop, application: Application) -> None:
    spec = specification(cancel="allow", max_per_hour=2)
    for _ in range(2):
        seen = application.begin()
        assert (
            refused(shop, CANCEL, replace(seen, since="2020-01-01T00:00:00.000000Z"), spec).code == "backend.moved_on"
        )
        assert end(shop, CANCEL, seen, spec).has_ended
        application.ended_with()
    with pytest.raises(HeldError) as found:
        end(shop, CANCEL, application.begin(), spec)
    assert found.value.code == "apply.rate"
    assert application.is_at_work()
    later = replace(enforcer(shop, spec), now_ns=lambda: entries(shop)[-1].at_ns + 3601 * 10**9)
    assert later.carry_out(order_of(CANCEL, application.seen(), via="python")).has_ended


def test_of_two_programs_that_both_have_room_for_one_the_second_is_refused(
    shop: Shop, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, spec, append = application.begin(), specification(cancel="allow", max_per_hour=1), Ledger.append

    def late(ledger: Ledger, kind: Kind, body: Mapping[str, object], **more: Any) -> Entry:
        if kind is Kind.BACKEND_INTENDED:  # another program's, which was counted as this one was
            append(shop.ledger(), kind, {**body, "intent_id": "i-other"})
        return append(ledger, kind, body, **more)

    monkeypatch.setattr(Ledger, "append", late)
    assert refused(shop, CANCEL, seen, spec).code == "apply.rate"
    assert application.is_at_work()
    assert [entry.body["intent_id"] for entry in entries(shop)] == ["i-other"]


def test_what_does_not_obey_at_once_is_told_as_that(shop: Shop, application: Application) -> None:
    seen = application.begin()
    looks: list[int] = []

    def look(pid: int) -> Backend:
        looks.append(pid)
        return seen

    ended = replace(enforcer(shop), look=look, sleep=lambda _: None).carry_out(order_of(CANCEL, seen, via="python"))
    assert ended.has_ended is False
    assert len(looks) > 2
    assert entries(shop)[-1].body["has_ended"] is False


# Roles


@pytest.fixture
def signaller(newest_server: Server) -> Iterator[str]:
    """The role that `trimtab init` prints as a comment."""
    lines = re.findall(r"^-- ((?:CREATE ROLE|ALTER ROLE|GRANT) .*trimtab_signal.*)$", role_sql(), re.MULTILINE)
    assert len(lines) == 4
    with closing(psycopg.connect(newest_server.dsn(), autocommit=True)) as admin:
        admin.execute("\n".join(lines).encode())
        yield "trimtab_signal"
        admin.execute("DROP OWNED BY trimtab_signal; DROP ROLE trimtab_signal")


def dsn_of(shop: Shop, user: str) -> str:
    return psycopg.conninfo.make_conninfo(shop.dsn, user=user)


def test_the_role_that_init_prints_may_do_it_and_is_refused_for_applying(
    shop: Shop, application: Application, signaller: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(ALLOWED)
    seen = application.begin()
    with operating(dsn_of(shop, signaller), shop.ledger_path, ALLOWING) as own:
        assert own.carry_out(order_of(CANCEL, seen, via="python")).has_ended
        with pytest.raises(RefusedError, match="pg_signal_backend"):
            refuse_overprivileged(own.connection, APPLYING)
        with pytest.raises(psycopg.Error):
            own.connection.execute(b"CREATE TABLE public.mine ()")
    with pytest.raises(RefusedError, match="superuser"), operating(shop.dsn, shop.ledger_path, ALLOWING):
        pass


def test_a_role_without_the_right_is_refused_before_anything_is_intended(
    shop: Shop, application: Application, newest_server: Server
) -> None:
    seen = application.begin()
    with closing(psycopg.connect(newest_server.dsn(), autocommit=True)) as admin:
        admin.execute("CREATE ROLE looker LOGIN IN ROLE pg_monitor")
        try:
            with pytest.raises(RefusedError) as found:
                enforcer(shop, user="looker").carry_out(order_of(CANCEL, seen, via="python"))
            assert found.value.code == "backend.role"
            lied = replace(seen, may_signal=True)
            powerless = replace(enforcer(shop, user="looker"), look=lambda _pid: lied)
            with pytest.raises(RefusedError) as again:
                powerless.carry_out(order_of(CANCEL, lied, via="python"))
            assert again.value.code == "backend.role"
        finally:
            shop.stack.close()
            admin.execute("DROP ROLE looker")
    assert told(shop) == ["backend_intended", "backend_failed"]
    assert application.is_at_work()


def test_what_is_hidden_from_the_role_is_refused(shop: Shop, application: Application) -> None:
    application.begin()
    blind = enforcer(shop, user="stranger")
    seen = blind.look(application.pid)
    assert seen is not None
    assert (seen.started_at, seen.since, seen.kind, seen.text, seen.may_signal) == ("", "", "", "", False)
    with pytest.raises(RefusedError, match=r"backends\.hidden"):
        blind.carry_out(order_of(TERMINATE, seen, via="python"))
    assert application.is_at_work()


def test_texts_are_shown_without_their_literals_even_where_they_are_cut(shop: Shop, application: Application) -> None:
    seen = application.begin(f"SELECT pg_sleep(600), '{CANARY}', '{'x' * 3000}'")
    assert seen.text.startswith("SELECT pg_sleep(0), '', ")
    assert CANARY not in seen.text
    assert "xxx" not in seen.text


# After a crash

KILLED = """
import os, signal, sys
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.lifecycle.backends import end_backend, order_of, seen_backend
from trimtab.model.backend import BackendAct
from pathlib import Path

dsn, ledger, spec, pid, act, when, kind = sys.argv[1:]
append = Ledger.append

def dying(self, wanted, body, **more):
    if when == "before" and wanted is Kind(kind):
        os.kill(os.getpid(), signal.SIGKILL)
    entry = append(self, wanted, body, **more)
    if when == "after" and wanted is Kind(kind):
        os.kill(os.getpid(), signal.SIGKILL)
    return entry

Ledger.append = dying
seen = seen_backend(dsn, Path(ledger), spec, int(pid))
end_backend(dsn, Path(ledger), spec, order_of(BackendAct(act), seen.backend, via="python"))
"""


def _killed(shop: Shop, application: Application, act: BackendAct, when: str, kind: str) -> None:
    arguments = [shop.dsn, str(shop.ledger_path), written(shop), str(application.pid), act.value, when, kind]
    done = subprocess.run([sys.executable, "-c", KILLED, *arguments], check=False, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize(
    ("act", "when", "kind"), [(CANCEL, "after", "backend_intended"), (TERMINATE, "before", "backend_done")]
)
def test_killed_in_between_it_is_answered_by_what_is_there(
    shop: Shop, application: Application, act: BackendAct, when: str, kind: str
) -> None:
    application.begin()
    _killed(shop, application, act, when, kind)
    recovery = resume(shop.dsn, shop.ledger_path, None)
    assert len(recovery.notes) == 1
    assert "interrupted" in recovery.notes[0]
    intended, answer = entries(shop)
    assert answer.body["reconciled"] is True
    assert answer.body["intent_id"] == intended.body["intent_id"]
    if kind == "backend_done":
        assert (answer.kind, answer.body["has_ended"]) == (Kind.BACKEND_DONE, True)
        assert not application.is_there()
    else:
        assert (answer.kind, answer.body["code"]) == (Kind.BACKEND_FAILED, "backend.interrupted")
        assert application.is_at_work()
    assert resume(shop.dsn, shop.ledger_path, None).notes == ()


def _left_open(shop: Shop, seen: Backend, **changed: object) -> None:
    """Leave an intent without an answer, as a program does that ended then."""
    own = enforcer(shop)
    body = {"intent_id": "i-1", **own._intended(order_of(CANCEL, seen, via="python"), seen), **changed}
    own.ledger.append(Kind.BACKEND_INTENDED, body)


def test_of_a_server_that_was_started_again_nobody_can_tell(shop: Shop, application: Application) -> None:
    seen = application.begin()
    gone = {"pid": 1, "started_at": "2020-01-01T00:00:00.000000Z"}
    _left_open(shop, seen, server_started_at="2020-01-01T00:00:00.000000Z", session=gone)
    [note] = resume(shop.dsn, shop.ledger_path, None).notes
    assert "nobody can tell" in note
    assert entries(shop)[-1].body["code"] == "backend.unanswered"


def test_what_another_program_is_at_is_left_to_it(shop: Shop, application: Application) -> None:
    _left_open(shop, application.begin())  # its session is open still
    assert resume(shop.dsn, shop.ledger_path, None).notes == ()
    assert told(shop) == ["backend_intended"]


def test_the_next_act_answers_what_was_left_open(shop: Shop, application: Application) -> None:
    seen = application.begin()
    _left_open(shop, seen, session={"pid": 1, "started_at": "2020-01-01T00:00:00.000000Z"})
    assert end_backend(shop.dsn, shop.ledger_path, written(shop), order_of(CANCEL, seen, via="python")).has_ended
    assert told(shop) == ["backend_intended", "backend_failed", "backend_intended", "backend_done"]
