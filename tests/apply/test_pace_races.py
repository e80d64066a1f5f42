"""The pace of a server holds for runs that change two of its databases at one moment, whichever store they share."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Barrier

import psycopg
import pytest

from trimtab.apply.enforce import Enforcer
from trimtab.db.connection import connect
from trimtab.embedded.server import Server
from trimtab.embedded.template import copy_strategy
from trimtab.errors import HeldError
from trimtab.ledger.entry import Entry, Kind
from trimtab.ledger.ledger import Ledger
from trimtab.ledger.place import name_server
from trimtab.ledger.required import Required
from trimtab.model.workload import Workload
from trimtab.observe.snapshot import read_facts
from trimtab.spec.specification import Specification

from .shop import CREATE_STATISTICS, Shop, quick_specification, strategy

pytestmark = pytest.mark.server

RUN = """
import sys
from pathlib import Path
from tests.apply.shop import CREATE_STATISTICS, strategy
from tests.apply.test_pace_races import enforcer_on
from trimtab.errors import HeldError
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
class Waits(Ledger):
    def append(self, kind, body, **named):
        if kind is Kind.APPLY_INTENDED:
            print("counted", flush=True)
            sys.stdin.readline()
        return super().append(kind, body, **named)
with Waits.open(Path(sys.argv[1])) as ledger, enforcer_on(sys.argv[2], ledger) as enforcer:
    try:
        enforcer.apply(strategy(CREATE_STATISTICS))
        print("made")
    except HeldError as error:
        print(error.code)
"""


def one_a_day(**changed: int) -> Specification:
    specification = quick_specification()
    rates = specification.rates.model_copy(update={"max_changes_per_day_per_server": 1, **changed})
    return replace(specification, limits=specification.limits.model_copy(update={"rates": rates}))


@contextmanager
def enforcer_on(dsn: str, ledger: Ledger) -> Iterator[Enforcer]:
    """As a run has it, with sessions of its own."""
    with closing(connect(dsn, read_only=True)) as reader, closing(connect(dsn, read_only=False)) as writer:
        yield Enforcer(writer, ledger, one_a_day(), lambda: read_facts(reader, Workload((), "none")), "r-race")


@pytest.fixture
def beside(shop: Shop, newest_server: Server) -> Iterator[Shop]:
    """Another database of the same server."""
    other = Shop(newest_server, f"{shop.database} beside", shop.ledger_path)
    copying = copy_strategy(newest_server.binaries.version[0])
    with psycopg.connect(newest_server.dsn(), autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{other.database}" TEMPLATE template_shop {copying}'.encode())
        with other.stack:
            yield other
        admin.execute(f'DROP DATABASE "{other.database}" WITH (FORCE)'.encode())


@pytest.fixture(params=["sqlite", "postgres"])
def stored(request: pytest.FixtureRequest, shop: Shop, newest_server: Server) -> Iterator[Path]:
    """Where the ledger is, in each of its stores."""
    if request.param == "sqlite":
        yield shop.ledger_path
        return
    name = f"{shop.database} ledger"
    with psycopg.connect(newest_server.dsn(), autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"'.encode())
        name_server(shop.ledger_path, newest_server.dsn(name))
        yield shop.ledger_path
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


def test_two_programs_that_both_have_counted_room_for_one_make_one(stored: Path, shop: Shop, beside: Shop) -> None:
    """Each is held where it has counted, and before its intent is written: then both go on at once."""
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", RUN, str(stored), each.dsn],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        for each in (shop, beside)
    ]
    for program in programs:
        assert program.stdout is not None
        assert program.stdout.readline() == "counted\n"
    for program in programs:
        assert program.stdin is not None
        program.stdin.write("\n")
        program.stdin.flush()
    told = sorted(program.communicate(timeout=60)[0].strip() for program in programs)
    assert told == ["apply.rate", "made"]
    assert (shop.kinds(), len(shop.standing())) == (["apply_intended", "apply_done"], 1)


def test_two_threads_too_and_what_was_refused_left_nothing(shop: Shop, beside: Shop) -> None:
    together = Barrier(2)

    class Meeting(Ledger):
        def append(
            self,
            kind: Kind,
            body: Mapping[str, object],
            *,
            run_id: str | None = None,
            require: Required | None = None,
        ) -> Entry:
            if kind is Kind.APPLY_INTENDED:
                together.wait(30)
            return super().append(kind, body, run_id=run_id, require=require)

    before = (shop.picture(), beside.picture())
    ledger = shop.stack.enter_context(Meeting.open(shop.ledger_path))
    enforcers = [each.enforcer(ledger=ledger, specification=one_a_day()) for each in (shop, beside)]

    def apply(enforcer: Enforcer) -> str:
        try:
            enforcer.apply(strategy(CREATE_STATISTICS))
        except HeldError as error:
            return error.code
        return "made"

    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(apply, enforcers))
    assert sorted(found) == ["apply.rate", "made"]
    unchanged = [was == each.picture() for was, each in zip(before, (shop, beside), strict=True)]
    assert unchanged == [told == "apply.rate" for told in found]
    assert shop.open_intents() == 0


@pytest.mark.parametrize(
    ("hours", "told"),
    [(30, "1 of them bear times up to 30 hours ahead of the earlier clock"), (0, "rates.max_changes_per_day ")],
)
def test_an_entry_from_the_future_counts_and_is_told(shop: Shop, hours: int, told: str) -> None:
    """Neither it nor what it moved makes room, and a clock that is set forward here ends no day on the server's."""
    real = time.time_ns

    @dataclass
    class Clock:
        hours: int

        def __call__(self) -> int:
            return real() + self.hours * 3600 * 10**9

    clock = Clock(hours)
    with Ledger.open(shop.ledger_path, clock=clock) as ledger:
        specification = one_a_day(max_changes_per_day=1, max_changes_per_day_per_server=9)
        enforcer = replace(shop.enforcer(ledger=ledger, specification=specification), now_ns=clock)
        enforcer.apply(strategy(CREATE_STATISTICS))
        before = shop.picture()
        for clock.hours in (0, 36):
            with pytest.raises(HeldError) as refused:
                enforcer.apply(strategy(shop.set_setting("64MB")))
            assert refused.value.code == "apply.rate"
            assert told in str(refused.value)
        assert shop.picture() == before
