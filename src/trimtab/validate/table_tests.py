"""Tests of a specification, written as a table: a catalog in a few words, changes, and the rules that they must break.

Reads a document of the kind SpecTest, builds strategies and facts of it, and asks `validate`, as every run does. What a
case does not say is as harmless as can be: a small table, a role without rights, no evidence.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from trimtab.errors import SpecError
from trimtab.model.catalog import Column, Index, Setting, Table
from trimtab.model.change import (
    Change,
    CreateIndex,
    CreateStatistics,
    DropIndex,
    RebuildIndex,
    SetDistinct,
    SetSetting,
    SetStatisticsTarget,
    quote_identifier,
)
from trimtab.model.strategy import Decision, Prediction, Strategy, Trial, Verdict
from trimtab.spec.document import faults_told
from trimtab.spec.limits import SizeBytes
from trimtab.spec.reading import Document
from trimtab.spec.specification import Specification
from trimtab.validate.facts import Evidence, Facts
from trimtab.validate.validate import validate

_OID, _PAGE = 16_384, 8192
_Name = Annotated[str, Field(pattern=r"^[^\x00]+$")]
_Names = Annotated[tuple[_Name, ...], BeforeValidator(lambda v: tuple(v) if isinstance(v, list) else v)]
_TableName = Annotated[str, Field(pattern=r"^[^.\x00]+\.[^.\x00]+$")]


def _rows(value: object) -> object:
    is_count = isinstance(value, float | int) and not isinstance(value, bool) and 0 <= value < math.inf
    if not is_count and value != "unknown":
        raise ValueError("must be a number of 0 or more, or unknown")
    return value


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Index(_Part):
    columns: _Names
    include: _Names = ()
    method: str = "btree"
    size: SizeBytes = 1 << 20
    unique: bool = False
    primary: bool = False
    scans: int = 0
    unused_days: float | None = None


class _Table(_Part):
    columns: _Names
    indexes: dict[_Name, _Index] = {}
    rows: Annotated[float | Literal["unknown"], BeforeValidator(_rows)] = 1000.0
    size: SizeBytes = 1 << 20
    writes: int = 0
    owned: bool = True
    row_security: bool = False


class _Change(_Part):
    kind: Literal[
        "create_index", "drop_index", "create_statistics", "set_setting", "set_statistics_target", "set_distinct",
        "rebuild_index",
    ]  # fmt: skip
    table: _TableName | None = None
    name: _Name = "trimtab_new"
    columns: _Names = ()
    include: _Names = ()
    kinds: _Names = ("mcv",)
    method: str = "btree"
    where: str | None = None
    size: SizeBytes = 1 << 20
    scope: str = "database"
    scope_name: str = "shop"
    value: str | None = None
    target: int | None = None
    distinct: float | None = None


class _Case(_Part):
    name: str
    changes: Annotated[tuple[_Change, ...], BeforeValidator(lambda v: tuple(v) if isinstance(v, list) else v)]
    stage: Literal["examine", "enforce"] = "examine"
    applying: bool = True
    superuser: bool = False
    standby: bool = False
    server_version: int = 180_000
    now_unix: int | None = None
    predicted_gain_percent: float | None = None
    measured_gain_percent: float | None = None
    violations: _Names = ()
    warnings: _Names = ()


class _Metadata(_Part):
    description: str = ""


class _TestDocument(_Part):
    api_version: Literal["trimtab.dev/v1"] = Field(alias="apiVersion")
    kind: Literal["SpecTest"]
    metadata: _Metadata = _Metadata()
    specification: str
    tables: dict[_TableName, _Table] = {}
    cases: Annotated[
        tuple[_Case, ...], BeforeValidator(lambda v: tuple(v) if isinstance(v, list) else v), Field(min_length=1)
    ]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a case ended: what was expected and what was found, as ids of rules."""

    name: str
    expected: tuple[str, ...]
    found: tuple[str, ...]
    expected_warnings: tuple[str, ...]
    found_warnings: tuple[str, ...]

    @property
    def is_as_expected(self) -> bool:
        """True when the same rules were broken, no more and no fewer."""
        return (self.expected, self.expected_warnings) == (self.found, self.found_warnings)


@dataclass(frozen=True, slots=True)
class TableTest:
    """A document of cases, read. `specification` is what it is for: an id, or a file beside it."""

    specification: str
    _document: _TestDocument

    def run(self, specification: Specification) -> tuple[Ended, ...]:
        """Return how each case ended, in order."""
        return tuple(_ended(case, self._verdict(case, specification)) for case in self._document.cases)

    def _verdict(self, case: _Case, specification: Specification) -> Verdict:
        tables = {tuple(name.split(".")): table for name, table in self._document.tables.items()}
        changes = tuple(_change(change, tables) for change in case.changes)
        sizes = [change.size for change in case.changes if change.kind == "create_index"]
        evidence: dict[str, float | int | str] = {
            f"size_bytes.{change.name}": change.size for change in case.changes if change.kind == "create_index"
        }
        strategy = Strategy(changes, "test", case.name, "", ("q",), sum(sizes), evidence)
        return validate(strategy, specification, _facts(case, tables))


def read_test(document: Document) -> TableTest:
    """Return the test of a document. Raises SpecError `spec.test`."""
    try:
        read = _TestDocument.model_validate(document.value)
    except ValidationError as error:
        raise SpecError(
            f"{document.name} was refused: {faults_told(document, error.errors(include_url=False), _TestDocument)}",
            code="spec.test",
            next_step="Correct it; docs/specification.md describes tests of specifications.",
        ) from None
    return TableTest(read.specification, read)


def _ended(case: _Case, verdict: Verdict) -> Ended:
    found = sorted({violation.rule_id for violation in verdict.violations})
    warned = sorted({warning.rule_id for warning in verdict.warnings})
    return Ended(case.name, tuple(sorted(case.violations)), tuple(found), tuple(sorted(case.warnings)), tuple(warned))


def _facts(case: _Case, tables: Mapping[tuple[str, ...], _Table]) -> Facts:
    made = {(schema, name): _catalog_table(schema, name, table) for (schema, name), table in tables.items()}
    relations = {*made, *((i.schema, i.name) for table in made.values() for i in table.indexes)}
    settings = {c.name: Setting(c.name, "", None, "user", "default", True) for c in case.changes}
    return Facts(
        server_version=case.server_version,
        database="shop",
        is_standby=case.standby,
        tables=made,
        settings={name: setting for name, setting in settings.items() if name != "trimtab_new"},
        scoped_settings={},
        settable_scopes=frozenset({"database:shop", *(f"{c.scope}:{c.scope_name}" for c in case.changes)}),
        forbidden_tablespace=None,
        is_applying=case.applying,
        relation_names=frozenset(relations),
        role="test",
        is_superuser=case.superuser,
        read_unix=case.now_unix,
        is_enforcing=case.stage == "enforce",
        evidence=_evidence(case),
    )


def _evidence(case: _Case) -> Evidence:
    prediction = trial = None
    if case.predicted_gain_percent is not None:
        after = 100.0 - case.predicted_gain_percent
        prediction = Prediction(after, after, after, "ms", 100.0, 0.9, "cost_ratio")
    if case.measured_gain_percent is not None:
        after = 100.0 - case.measured_gain_percent
        trial = Trial(100.0, after, 30, 0.001, 0.05, 1000.0, Decision.ACCEPTED, "faster")
    return Evidence(prediction, trial)


def _catalog_table(schema: str, name: str, table: _Table) -> Table:
    columns = tuple(Column(column, number, "text", False, True) for number, column in enumerate(table.columns, 1))
    indexes = tuple(_catalog_index(schema, name, index, made) for index, made in table.indexes.items())
    return Table(
        schema,
        name,
        _OID,
        "r",
        0.0 if table.rows == "unknown" else table.rows,
        table.size // _PAGE,
        table.size,
        columns,
        indexes,
        updates=table.writes,
        is_owned=table.owned,
        may_create=table.owned,
        has_row_security=table.row_security,
        rows_are_known=table.rows != "unknown",
    )


def _catalog_index(schema: str, table: str, name: str, index: _Index) -> Index:
    tail = _tail(index.method, index.columns, index.include, None)
    count = len(index.columns)
    return Index(
        schema=schema,
        name=name,
        table=table,
        method=index.method,
        key_columns=index.columns,
        include_columns=index.include,
        key_options=(0,) * count,
        operator_classes=(1,) * count,
        collations=(0,) * count,
        definition=f"CREATE INDEX {quote_identifier(name)} ON {quote_identifier(table)} {tail}",
        tail=tail,
        is_unique=index.unique or index.primary,
        is_primary=index.primary,
        is_valid=True,
        is_replica_identity=False,
        is_clustered=False,
        is_partial=False,
        has_expressions=False,
        has_more=False,
        constraint=name if index.primary else None,
        size_bytes=index.size,
        scans=index.scans,
        unused_days=index.unused_days,
    )


def _tail(method: str, columns: tuple[str, ...], include: tuple[str, ...], where: str | None) -> str:
    tail = f"USING {method} ({', '.join(map(quote_identifier, columns))})"
    tail += f" INCLUDE ({', '.join(map(quote_identifier, include))})" if include else ""
    return tail + (f" WHERE {where}" if where else "")


def _change(change: _Change, tables: Mapping[tuple[str, ...], _Table]) -> Change:
    if change.kind == "set_setting":
        return SetSetting(change.scope, change.scope_name, change.name, change.value)
    schema, table = (change.table or "public.nowhere").split(".")
    match change.kind:
        case "create_index":
            tail = _tail(change.method, change.columns, change.include, change.where)
            return CreateIndex(schema, table, change.name, tail, change.columns, change.include)
        case "create_statistics":
            return CreateStatistics(schema, table, change.name, change.columns, change.kinds)
        case "set_statistics_target":
            return SetStatisticsTarget(schema, table, "".join(change.columns[:1]), change.target)
        case "set_distinct":
            return SetDistinct(schema, table, "".join(change.columns[:1]), change.distinct)
        case "rebuild_index":
            return RebuildIndex(schema, table, change.name, 0)
        case "drop_index":
            known = tables.get((schema, table))
            index = known.indexes.get(change.name) if known else None
            columns, include = (index.columns, index.include) if index else (change.columns, change.include)
            tail = _tail(index.method if index else change.method, columns, include, None)
            return DropIndex(schema, table, change.name, tail, columns, include)
