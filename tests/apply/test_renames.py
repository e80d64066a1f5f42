"""Claims about what is renamed between a change and its revert: it is still found, and nothing of ours stays behind."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from trimtab.ledger.ledger import Ledger
from trimtab.ledger.pending import pending
from trimtab.lifecycle.recover import Recovery, resume
from trimtab.model.change import Change

from .shop import CREATE_INDEX, CREATE_STATISTICS, DROP_INDEX, Shop, strategy

pytestmark = pytest.mark.server

QUOTED = '"oddly ""named"""'


def _resume(shop: Shop) -> Recovery:
    recovery = resume(shop.dsn, shop.ledger_path, None)
    shop.kinds()
    with Ledger.open(shop.ledger_path) as ledger:
        assert pending(ledger.entries()).is_empty
    return recovery


@pytest.mark.parametrize(
    ("change", "renaming", "again"),
    [
        pytest.param(CREATE_INDEX, f"INDEX {CREATE_INDEX.name} RENAME TO", "", id="the index"),
        pytest.param(CREATE_STATISTICS, f"STATISTICS {CREATE_STATISTICS.name} RENAME TO", "", id="the statistics"),
        *(
            pytest.param(change, f"TABLE orders RENAME {what}TO", f"TABLE {table} RENAME {back} TO {old}", id=name)
            for change in (CREATE_INDEX, CREATE_STATISTICS)
            for what, table, back, old, name in (
                ("COLUMN city ", "orders", f"COLUMN {QUOTED}", "city", f"a column under {change.kind}"),
                ("", QUOTED, "", "orders", f"the table under {change.kind}"),
            )
        ),
        pytest.param(DROP_INDEX, "TABLE orders RENAME TO", f"TABLE {QUOTED} RENAME TO orders", id="before a put back"),
    ],
)
def test_what_was_made_or_dropped_is_taken_back_under_the_present_names(
    shop: Shop, change: Change, renaming: str, again: str
) -> None:
    before = shop.picture()
    shop.enforcer().apply(strategy(change))
    shop.run(f"ALTER {renaming} {QUOTED}")
    assert [applied.strategy_id for applied in _resume(shop).reverted] == [strategy(change).id]
    if again:
        shop.run(f"ALTER {again}")
    assert shop.picture() == before


def test_an_index_that_somebody_made_under_the_name_of_a_renamed_one_is_left_alone(shop: Shop) -> None:
    shop.enforcer().apply(strategy(CREATE_INDEX))
    theirs = f"CREATE INDEX {CREATE_INDEX.name} ON orders {CREATE_INDEX.tail}"
    before = [line for line in shop.picture() if CREATE_INDEX.name not in line]
    shop.run(f"ALTER INDEX {CREATE_INDEX.name} RENAME TO {QUOTED}", theirs)
    _resume(shop)
    (left,) = [line for line in shop.picture() if line not in before]
    assert CREATE_INDEX.name in left


def test_an_index_that_was_rebuilt_has_another_oid_and_is_found_by_its_name(shop: Shop) -> None:
    before = shop.picture()
    shop.enforcer().apply(strategy(CREATE_INDEX))
    shop.run(f"REINDEX INDEX CONCURRENTLY {CREATE_INDEX.name}")
    _resume(shop)
    assert shop.picture() == before


@pytest.fixture
def renamed(shop: Shop) -> Iterator[Shop]:
    """The shop with all kinds of changes applied, and then with its database under another name."""
    was = shop.database
    shop.enforcer().apply(strategy(CREATE_INDEX))
    shop.enforcer().apply(strategy(shop.set_setting("64MB")))
    shop.stack.close()
    shop.database = f"{was} renamed"
    _rename(shop, was, shop.database)
    yield shop
    shop.stack.close()
    _rename(shop, shop.database, was)
    shop.database = was


def _rename(shop: Shop, old: str, new: str) -> None:
    with psycopg.connect(shop.server.dsn(), autocommit=True) as conn:
        conn.execute(f'ALTER DATABASE "{old}" RENAME TO "{new}"'.encode())


def test_a_renamed_database_is_still_the_one_that_the_ledger_means(renamed: Shop) -> None:
    assert len(_resume(renamed).reverted) == 2
    assert not any("work_mem" in line or CREATE_INDEX.name in line for line in renamed.picture())
