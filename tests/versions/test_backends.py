"""On every version: the role that `init` prints for it cancels a statement of others, and terminates their session."""

from __future__ import annotations

import json
import re
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.apply.sessions import CANARY, Application
from tests.cli.market import Market
from tests.cli.program import Program
from trimtab.setup_sql import role_sql
from trimtab.spec.load import load_spec

pytestmark = [pytest.mark.server, pytest.mark.versions]
SIGNAL = "trimtab_signal"


def _at_once(path: Path) -> str:
    """Write the shipped specification, which then lets backends of any age be ended, and asks nobody."""
    shipped = load_spec()
    backends = shipped.backends.model_copy(update={"min_seconds": 0.0, "cancel": "allow", "terminate": "allow"})
    found = replace(shipped, id="AT_ONCE", limits=shipped.limits.model_copy(update={"backends": backends}))
    path.write_text(json.dumps(found.document()))
    return str(path)


def test_a_statement_is_cancelled_and_a_session_terminated(market: Market, program: Program, tmp_path: Path) -> None:
    with market.session() as conn:
        [found] = conn.execute("SELECT pg_catalog.to_regrole(%s)", (SIGNAL,)).fetchone() or (None,)
    if found is None:
        market.execute(*re.findall(rf"^-- ((?:CREATE|ALTER|GRANT) .*\b{SIGNAL}\b.*);$", role_sql(), re.MULTILINE))
    operator, spec = market.dsn_of(SIGNAL), _at_once(tmp_path / "backends.yaml")
    for act, sqlstate in (("cancel", "57014"), ("terminate", "57P01")):
        with closing(Application.connected(market.dsn, "app")) as application:
            seen = application.begin()
            listed = program.succeed("backend", "list", operator, "--spec", spec, "--json")
            [told] = [each for each in listed.document["backends"] if each["pid"] == application.pid]
            assert told["answers"] == {"cancel": "allow", "terminate": "allow"}
            assert CANARY not in listed.stdout
            done = program.succeed(
                "backend", act, str(application.pid), operator, "--started", seen.started_at, "--spec", spec, "--json"
            )
            assert (done.document["act"], done.document["has_ended"]) == (act, True)
            assert application.ended_with() == sqlstate
            assert application.is_there() == (act == "cancel")
    kinds = [entry.kind.value for entry in program.entries()]
    assert [kind for kind in kinds if kind.startswith("backend_")] == ["backend_intended", "backend_done"] * 2
