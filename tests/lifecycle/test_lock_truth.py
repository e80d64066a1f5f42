"""Whether a lock is still true after what happens to a server: asked of the application's sessions, for each mechanism.

What is expected here is what docs/locks.md says: the table there is compared with it.
"""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import pytest

from trimtab.anchor.holding import EXECUTIONS, shape_under_names
from trimtab.anchor.lease import LeaseState
from trimtab.db.connection import Connection
from trimtab.lifecycle.locking import lock
from trimtab.model.plan import Plan

from .lockable import FLIPS, Flip, Lockable

pytestmark = pytest.mark.server

EVENTS = (
    "new session",
    "session of before",
    "its DISCARD ALL",
    "prepared, run 7 times",
    "DISCARD ALL",
    "restart",
    "DDL",
    "ANALYZE",
)
_AT_ONCE = dict.fromkeys(EVENTS, True)
# A session takes the settings of its database and role when it begins, and DISCARD ALL goes back to those.
_NEW_SESSIONS = {**_AT_ONCE, "session of before": False, "its DISCARD ALL": False}
TRUTH: dict[str, dict[str, bool]] = {
    "index": _AT_ONCE,
    "setting of the database": _NEW_SESSIONS,
    "setting of a role here": _NEW_SESSIONS,
    "setting of a function": _AT_ONCE,
    "plan_cache_mode": _NEW_SESSIONS,
    "restored statistics": {**_AT_ONCE, "ANALYZE": False},
    "target": _AT_ONCE,
    "distinct": _AT_ONCE,
    "extended statistics": _AT_ONCE,
}
DOCUMENT = Path(__file__).parents[2] / "docs" / "locks.md"


class Application:
    """A session of the application's, which plans the query of a flip, and holds it as a prepared statement."""

    def __init__(self, place: Lockable, flip: Flip) -> None:
        self.connection: Connection = place.session()
        self._flip = flip

    def prepare_and_run(self) -> None:
        if self._flip is not FLIPS["setting of a function"]:
            self.connection.execute(f"PREPARE held AS {self._flip.query.text}".encode())
            for _ in range(EXECUTIONS):
                self.connection.execute(f"EXECUTE held{self._values()}".encode())

    def shape_held(self) -> str:
        """The plan of the statement that was prepared; of a function that of its next call."""
        return self._shape(f"EXPLAIN (FORMAT JSON, VERBOSE) EXECUTE held{self._values()}")

    def shape(self) -> str:
        """The plan of the statement as it is, or where it has parameters, as prepared once more."""
        if self._flip.query.parameter_count:
            self.connection.execute("DEALLOCATE ALL")
            self.prepare_and_run()
            return self.shape_held()
        return self._shape(f"EXPLAIN (FORMAT JSON, VERBOSE) {self._flip.query.text}")

    def _values(self) -> str:
        values = ", ".join(f"'{value}'" for value in self._flip.query.parameters)
        return f"({values})" if values else ""

    def _shape(self, text: str) -> str:
        if self._flip is FLIPS["setting of a function"]:
            text = "SELECT planned(1300)"
        result = self.connection.execute(text.encode(), binary=True).pgresult
        assert result is not None
        plan = Plan.unread((result.get_value(0, 0) or b"").decode())
        return shape_under_names(plan, dict(self._flip.index_names))


def _new_shape(place: Lockable, flip: Flip) -> str:
    application = Application(place, flip)
    with closing(application.connection):
        return application.shape()


@pytest.mark.parametrize("name", list(FLIPS))
def test_what_ends_a_lock_and_what_does_not(place: Lockable, name: str) -> None:
    flip = FLIPS[name]
    anchored, changes = _new_shape(place, flip), flip.changes(place)
    place.run(*(statement.format(database=place.database) for statement in flip.flipping))
    older = Application(place, flip)
    older.prepare_and_run()
    assert older.shape_held() != anchored, "the plan was to be another"
    lease = lock(flip.request(place, anchored, changes))
    assert lease.state is LeaseState.VERIFIED, lease.reason
    found = {"new session": _new_shape(place, flip), "session of before": older.shape_held()}
    older.connection.execute("DISCARD ALL")
    found["its DISCARD ALL"] = older.shape()
    older.connection.close()
    newer = Application(place, flip)
    newer.prepare_and_run()
    found["prepared, run 7 times"] = newer.shape_held()
    newer.connection.execute("DISCARD ALL")
    found["DISCARD ALL"] = newer.shape()
    newer.connection.close()
    place.server.restart()
    found["restart"] = _new_shape(place, flip)
    place.run("ALTER TABLE orders ADD COLUMN more int DEFAULT 5", "CREATE INDEX orders_amount ON orders (amount)")
    found["DDL"] = _new_shape(place, flip)
    place.run("ANALYZE orders")
    found["ANALYZE"] = _new_shape(place, flip)
    assert {event: shape == anchored for event, shape in found.items()} == TRUTH[name]


def test_the_table_of_the_document_is_what_is_tested() -> None:
    rows = re.findall(r"^\| ([a-z_ ]+) \|((?: (?:yes|no) \|)+)$", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    told = {name: [word == "yes" for word in re.findall("yes|no", cells)] for name, cells in rows}
    assert told == {name: [truth[event] for event in EVENTS] for name, truth in TRUTH.items()}
    (heading,) = re.findall(r"^\| lock \| (.+) \|$", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    assert tuple(heading.split(" | ")) == EVENTS
