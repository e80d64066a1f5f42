"""What a rule may ask about: every fact by its name, its type, and what it means. Nothing is evaluated here.

The list is the contract between a specification and the program: an expression that names anything else is refused when
the document is read. A fact that may be unknown has a companion, `NAME_is_known`; to read it while it is unknown is an
error, and a rule whose answer hangs on an error blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from trimtab.spec.limits import ChangeKind, IndexMethod

FactType: TypeAlias = Literal["text", "list", "int", "double", "bool"]
FactValue: TypeAlias = str | tuple[str, ...] | int | float | bool
KNOWN_SUFFIX = "_is_known"


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact. `words` are all values that an enumeration may take; `may_be_unknown` gives it its companion."""

    name: str
    type: FactType
    meaning: str
    may_be_unknown: bool = False
    words: tuple[str, ...] = ()


_KINDS = (*get_args(ChangeKind), "leave_index")
_METHODS = ("none", *get_args(IndexMethod), "other")
_METHODS_OF_PREDICTION = (
    "none",
    "calibrated_cost",
    "recalibrated_cost",
    "cost_ratio",
    "learned_cost_ratio",
    "spread",
    "no_plan_change",
    "other",
)
_TRIALS = (
    "none",
    "accepted",
    "rejected_no_gain",
    "rejected_slower_query",
    "rejected_slower",
    "rejected_failed",
    "not_run",
)

FACTS: tuple[Fact, ...] = (
    Fact("change.kind", "text", "the kind of change", words=_KINDS),
    Fact("change.schema", "text", "schema of the table that it touches; empty for a setting"),
    Fact("change.table", "text", "that table; empty for a setting"),
    Fact("change.name", "text", "the index, statistics object or setting; empty where there is none"),
    Fact("change.method", "text", "access method of an index that is made or dropped", words=_METHODS),
    Fact("change.columns", "list", "all columns that it names, those of INCLUDE as well"),
    Fact("change.key_columns", "list", "key columns of an index; empty texts stand for expressions"),
    Fact("change.include_columns", "list", "INCLUDE columns of an index"),
    Fact("change.is_partial", "bool", "the index holds a part of the rows", may_be_unknown=True),
    Fact("change.size_bytes", "int", "estimated size of the new index", may_be_unknown=True),
    Fact("change.scope", "text", "for whom a setting is set; `none` for other kinds",
         words=("none", "database", "role", "role_in_database", "function", "other")),
    Fact("change.scope_name", "text", "the database, role or function of a setting; empty for other kinds"),
    Fact("change.value", "text", "the new value of a setting as it is written; empty when it is reset"),
    Fact("change.is_reset", "bool", "a setting, target or number of distinct values is set back"),
    Fact("change.position", "int", "place in the strategy, from 0"),
    Fact("strategy.changes", "int", "changes of the strategy"),
    Fact("strategy.size_bytes", "int", "disk that the strategy is expected to take; negative when it frees some"),
    Fact("strategy.proposer", "text", "what proposed it"),
    Fact("strategy.earlier_changes", "int", "changes that the run has accepted before this strategy"),
    Fact("table.kind", "text", "`none` where there is no such table",
         words=("none", "table", "partitioned", "matview", "other")),
    Fact("table.rows", "int", "rows, as the server estimates them", may_be_unknown=True),
    Fact("table.size_bytes", "int", "size of the table without its indexes", may_be_unknown=True),
    Fact("table.columns", "int", "number of columns", may_be_unknown=True),
    Fact("table.indexes", "int", "number of indexes now", may_be_unknown=True),
    Fact("table.index_bytes", "int", "size of all its indexes now", may_be_unknown=True),
    Fact("table.reads_are_hidden", "bool", "row-level security may hide rows from the role", may_be_unknown=True),
    Fact("table.inserts", "int", "rows inserted since the statistics were reset", may_be_unknown=True),
    Fact("table.updates", "int", "rows updated since then", may_be_unknown=True),
    Fact("table.deletes", "int", "rows deleted since then", may_be_unknown=True),
    Fact("table.is_owned", "bool", "the role owns the table", may_be_unknown=True),
    Fact("index.is_unique", "bool", "of the index that is dropped or rebuilt", may_be_unknown=True),
    Fact("index.size_bytes", "int", "its size now", may_be_unknown=True),
    Fact("index.scans", "int", "its uses since the statistics were reset", may_be_unknown=True),
    Fact("index.unused_days", "double", "for how long no scan is known to have used it", may_be_unknown=True),
    Fact("strategy.queries", "int", "queries that the strategy is for"),
    Fact("evidence.predicted_gain_percent", "double", "predicted share of the time saved", may_be_unknown=True),
    Fact("evidence.predicted_gain_at_best_percent", "double", "the same at the good end of the interval",
         may_be_unknown=True),
    Fact("evidence.prediction_confidence", "double", "coverage that the interval claims, 0 to 1", may_be_unknown=True),
    Fact("evidence.prediction_method", "text", "what the prediction rests on; `none` before it",
         words=_METHODS_OF_PREDICTION),
    Fact("evidence.trial", "text", "how the trial ended; `none` before it", words=_TRIALS),
    Fact("evidence.measured_gain_percent", "double", "measured share of the time saved", may_be_unknown=True),
    Fact("evidence.trial_pairs", "int", "before/after pairs that were measured", may_be_unknown=True),
    Fact("evidence.trial_error_rate", "double", "alpha of the trial's test", may_be_unknown=True),
    Fact("actor.role", "text", "the role that the session runs as"),
    Fact("actor.is_superuser", "bool", "that role is a superuser"),
    Fact("env.database", "text", "the database"),
    Fact("env.server_major", "int", "major version of the server"),
    Fact("env.is_standby", "bool", "the server is a standby"),
    Fact("env.is_applying", "bool", "the run was told to apply"),
    Fact("env.stage", "text", "`examine` before prediction and trial, `enforce` immediately before the statement",
         words=("examine", "enforce")),
    Fact("now_unix", "int", "when the facts were read, in seconds since 1970 (UTC)", may_be_unknown=True),
)  # fmt: skip


def declared_types() -> dict[str, FactType]:
    """Return the type of every name that an expression may use, the companions included."""
    types: dict[str, FactType] = {}
    for fact in FACTS:
        types[fact.name] = fact.type
        if fact.may_be_unknown:
            types[fact.name + KNOWN_SUFFIX] = "bool"
    return types


def enumerations() -> dict[str, tuple[str, ...]]:
    """Return the words of every fact that is an enumeration."""
    return {fact.name: fact.words for fact in FACTS if fact.words}
