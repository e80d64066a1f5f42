"""The JSON API, version 1: one table of operations, from which the routes and the OpenAPI document are both made.

Every operation reads. What an operation answers is the values that the pages show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from trimtab.apply.switch import Freeze
from trimtab.history.values import (
    HistoryEvent,
    IndexPage,
    QueryPage,
    Series,
    ServerHealth,
    ServerStatus,
    TablePage,
)
from trimtab.lifecycle.board import Board, CardPage
from trimtab.lifecycle.kept_advice import KeptAdvice
from trimtab.lifecycle.proving import Inclusion
from trimtab.version import __version__
from trimtab.web import reading, reading_fleet
from trimtab.web.answers import (
    AnchorTold,
    ChangeTold,
    EntryTold,
    LedgerPage,
    SpecificationDifference,
    SpecificationTold,
    SpecificationWhole,
    Verified,
    WaitingTold,
)
from trimtab.web.asked import LIMIT, OFFSET, SECONDS, SERVER, Asked, Parameter
from trimtab.web.documents import schema
from trimtab.web.site import Site

BASE = "/api/v1"
_PAGE = (OFFSET, LIMIT)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: its path below `/api/v1`, what it answers (the type, and in words), and what it takes."""

    path: str
    name: str
    read: Callable[[Site, Asked], object]
    answers: Any
    parameters: Sequence[Parameter] = ()

    @property
    def summary(self) -> str:
        """What it answers, in words."""
        return (self.read.__doc__ or "").split("\n")[0]


OPERATIONS = (
    Operation("/fleet", "fleet", reading_fleet.fleet, Sequence[ServerHealth]),
    Operation("/server", "server", reading_fleet.server, ServerStatus, (SERVER, SECONDS)),
    Operation("/series", "series", reading_fleet.series, Series, (SERVER, reading_fleet.METRIC, SECONDS)),
    Operation(
        "/queries",
        "queries",
        reading_fleet.queries,
        QueryPage,
        (SERVER, SECONDS, reading_fleet.SORT, reading_fleet.SEARCH, *_PAGE),
    ),
    Operation(
        "/query",
        "query",
        reading_fleet.query,
        reading_fleet.QueryWithMarks,
        (SERVER, reading_fleet.QUERY, SECONDS),
    ),
    Operation(
        "/tables", "tables", reading_fleet.tables, TablePage, (SERVER, SECONDS, reading_fleet.TABLE_SORT, *_PAGE)
    ),
    Operation(
        "/indexes", "indexes", reading_fleet.indexes, IndexPage, (SERVER, SECONDS, reading_fleet.INDEX_SORT, *_PAGE)
    ),
    Operation("/advice", "advice", reading_fleet.advice, Sequence[KeptAdvice], (reading_fleet.OF_SERVER,)),
    Operation(
        "/events", "events", reading_fleet.events, Sequence[HistoryEvent], (reading_fleet.OF_SERVER, SECONDS, *_PAGE)
    ),
    Operation("/board", "board", reading.board, Board, (reading.CARDS,)),
    Operation(
        "/changes",
        "changes",
        reading.changes,
        CardPage,
        (reading.STAGE, reading.OUTCOME, reading.DATABASE, reading.SEARCH, *_PAGE),
    ),
    Operation("/changes/{strategy_id}", "change", reading.change_told, ChangeTold, (reading.STRATEGY, reading.RUN)),
    Operation("/approvals", "approvals", reading.approvals, Sequence[WaitingTold]),
    Operation("/freezes", "freezes", reading.freezes, Sequence[Freeze]),
    Operation("/anchors", "anchors", reading.anchors, Sequence[AnchorTold]),
    Operation("/anchors/{anchor_id}", "anchor", reading.anchor, Mapping[str, Any], (reading.ANCHOR,)),
    Operation("/specifications", "specifications", reading.specifications, Sequence[SpecificationTold]),
    Operation("/specification", "specification", reading.specification, SpecificationWhole, (reading.NAME,)),
    Operation(
        "/specification/difference",
        "specification_difference",
        reading.specification_difference,
        SpecificationDifference,
        (reading.BEFORE, reading.AFTER),
    ),
    Operation("/ledger", "ledger", reading.ledger_page, LedgerPage, (reading.KIND, *_PAGE)),
    Operation("/ledger/verified", "ledger_verified", reading.verified, Verified),
    Operation("/ledger/{seq}", "entry", reading.entry, EntryTold, (reading.SEQ,)),
    Operation("/ledger/{seq}/proof", "proof", reading.proof, Inclusion, (reading.SEQ,)),
)


@cache
def openapi() -> Mapping[str, Any]:
    """Return the OpenAPI 3.1 document of all operations."""
    schemas: dict[str, Any] = {"Error": _ERROR}
    paths = {BASE + each.path: {"get": _operation(each, schemas)} for each in OPERATIONS}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Trimtab",
            "version": __version__,
            "description": "What the ledger and the history of one machine hold. It only reads. Nanoseconds are texts; "
            "null is not measured.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"basic": {"type": "http", "scheme": "basic"}},
        },
        "security": [{}, {"basic": []}],
    }


_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "next_step", "exit_code"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "next_step": {"type": "string"},
                "exit_code": {"type": "integer"},
            },
        }
    },
}


def _operation(of: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    found = schema(of.answers)
    schemas.update(found.pop("$defs", {}))
    refused = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {
        "operationId": of.name,
        "summary": of.summary,
        "parameters": [_parameter(each) for each in of.parameters],
        "responses": {
            "200": {"description": of.summary, "content": {"application/json": {"schema": found}}},
            "default": {"description": "It was refused, or cannot be read now.", "content": refused},
        },
    }


def _parameter(of: Parameter) -> dict[str, Any]:
    kind: dict[str, Any] = {"type": of.kind}
    if of.choices:
        kind["enum"] = list(of.choices)
    if of.kind == "integer":
        kind |= {"minimum": of.least, "maximum": of.most}
    if of.otherwise is not None:
        kind["default"] = of.otherwise
    where = "path" if of.is_in_path else "query"
    return {
        "name": of.name,
        "in": where,
        "required": of.is_needed,
        "description": of.meaning,
        "schema": kind,
    }
