"""What each page and each document of the JSON API asks for, of the history: fleet, servers, queries, indexes, events.

Every number has its window and its source, and None is not measured. Nothing here asks a server.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trimtab import api
from trimtab.history.metrics import METRICS
from trimtab.history.values import (
    QUERY_SORTS,
    HistoryEvent,
    IndexPage,
    QueryLife,
    QueryPage,
    Series,
    ServerHealth,
    ServerStatus,
    TablePage,
)
from trimtab.lifecycle.kept_advice import KeptAdvice
from trimtab.lifecycle.query_marks import Mark
from trimtab.web.asked import LIMIT, OFFSET, SERVER, Asked, Parameter
from trimtab.web.site import Site

SORT = Parameter("sort", "By what a page is ordered, the most first.", otherwise="total_ms", choices=QUERY_SORTS)
SEARCH = Parameter("search", "Only those with these words in their text or id.")
QUERY = Parameter("query", "A query's id.", is_needed=True)
METRIC = Parameter("metric", "A metric's name.", is_needed=True, choices=tuple(METRICS))
OF_SERVER = Parameter("server", "Only those of this server.")
TABLE_SORTS = ("rows_read", "scans", "index_scans", "inserted", "updated", "deleted", "dead_rows", "size_bytes")
TABLE_SORT = Parameter("sort", "By what it is ordered, the most first.", otherwise="rows_read", choices=TABLE_SORTS)
INDEX_SORTS = ("scans", "rows_read", "size_bytes")
INDEX_SORT = Parameter("sort", "By what it is ordered, the most first.", otherwise="scans", choices=INDEX_SORTS)


@dataclass(frozen=True, slots=True)
class QueryWithMarks:
    """A query over time, and what happened to it: changes that touch it, anchors that hold it, alarms, plans."""

    life: QueryLife
    marks: Sequence[Mark]


def fleet(site: Site, _asked: Asked) -> Sequence[ServerHealth]:
    """All servers, with their metrics of the last minute."""
    return site.history.fleet()


def server(site: Site, asked: Asked) -> ServerStatus:
    """One server in a window."""
    return site.history.server(asked.text(SERVER), asked.window(site.now_ns()))


def series(site: Site, asked: Asked) -> Series:
    """One metric of a server over time."""
    metric = asked.text(METRIC)
    return site.history.series(asked.text(SERVER), [metric], asked.window(site.now_ns()))[metric]


def queries(site: Site, asked: Asked) -> QueryPage:
    """A page of the queries of a server."""
    return site.history.top_queries(
        asked.text(SERVER),
        asked.window(site.now_ns()),
        sort=asked.text(SORT),
        limit=asked.number(LIMIT),
        offset=asked.number(OFFSET),
        search=asked.text(SEARCH),
    )


def query(site: Site, asked: Asked) -> QueryWithMarks:
    """One query of a server over time."""
    window = asked.window(site.now_ns())
    life = site.history.query(asked.text(SERVER), asked.text(QUERY), window)
    facts = site.history.facts(asked.text(SERVER))
    marks = api.query_marks(
        life.totals.query_id, window,
        system_identifier=facts.system_identifier, database=facts.database, view=site.ledger(),
    )  # fmt: skip
    return QueryWithMarks(life, marks)


def tables(site: Site, asked: Asked) -> TablePage:
    """A page of the tables of a server."""
    return site.history.tables(
        asked.text(SERVER),
        asked.window(site.now_ns()),
        sort=asked.text(TABLE_SORT),
        limit=asked.number(LIMIT),
        offset=asked.number(OFFSET),
    )


def indexes(site: Site, asked: Asked) -> IndexPage:
    """A page of the indexes of a server."""
    return site.history.indexes(
        asked.text(SERVER),
        asked.window(site.now_ns()),
        sort=asked.text(INDEX_SORT),
        limit=asked.number(LIMIT),
        offset=asked.number(OFFSET),
    )


def advice(site: Site, asked: Asked) -> Sequence[KeptAdvice]:
    """The advices on indexes that are kept, the newest first: of a server's database, or of all. None is computed."""
    name = asked.optional(OF_SERVER)
    database = None if name is None else site.history.facts(name).database or None
    return api.kept_advice(database=database, ledger_path=site.options.ledger_path)


def events(site: Site, asked: Asked) -> Sequence[HistoryEvent]:
    """What happened to the servers, the newest first."""
    return site.history.events(
        server=asked.optional(OF_SERVER),
        window=asked.window(site.now_ns()),
        limit=asked.number(LIMIT),
        offset=asked.number(OFFSET),
    )
