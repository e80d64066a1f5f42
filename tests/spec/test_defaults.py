"""The shipped specification speaks of settings that a real server has, in units that it understands."""

import pytest

from trimtab.spec.load import load_spec
from trimtab.spec.never import never_pattern
from trimtab.spec.quantity import parse_quantity


@pytest.mark.server
def test_every_allowed_setting_may_be_set_for_a_database_and_has_that_unit() -> None:
    import psycopg

    from trimtab.embedded.binaries import Binaries
    from trimtab.embedded.server import Server

    with (
        Server.create(Binaries.find(), purpose="test-defaults") as server,
        psycopg.connect(server.dsn("postgres"), autocommit=True) as connection,
    ):
        rows = connection.execute("SELECT name, context, unit, min_val, max_val, boot_val FROM pg_settings").fetchall()
        known = {name: rest for name, *rest in rows}
        for name, limit in load_spec().settings.allowed.items():
            context, unit, lowest, highest, usual = known[name]
            assert context in ("user", "superuser"), name
            if limit.min is None or limit.max is None:
                assert usual in (limit.values or ()), name
                continue
            assert parse_quantity(str(usual), unit).dimension == limit.min.dimension, name
            assert parse_quantity(str(lowest), unit).value <= limit.min.value, name
            assert float(str(highest)) > 1e15 or parse_quantity(str(highest), unit).value >= limit.max.value, name
        # What a database could be given to change the meaning of a query, or to hide what was done, is never given.
        settable = {name for name, (context, *_) in known.items() if context in ("user", "superuser", "backend")}
        assert {n for n in settable if n.startswith(("log_", "ssl", "debug_", "track_", "lc_"))} <= {
            name for name in settable if never_pattern(name)
        }
