"""Hypothetical statistics of a twin: of statistics objects, and of columns at other targets, for all its engines.

What they hold comes from the lab or from a sample of the source, and is stored while a configuration is in force.
Without either a hypothesis has no effect, and is told to have none.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import TypeAlias

import psycopg

from trimtab.db import queries
from trimtab.db.connection import Connection
from trimtab.db.failures import source_error
from trimtab.model.change import CreateStatistics, DropStatistics
from trimtab.model.whatif import CreateExpressionStatistics, Hypothesis, StatisticsTarget, hypothesis_digest
from trimtab.twin.extended import ExtendedValues, store_values, storing
from trimtab.twin.sample import SourceSample
from trimtab.twin.statistics import store_column_statistics
from trimtab.twin.statistics_sample import Targets, Told, column_statistics, object_statistics, refused

StatisticsHypothesis: TypeAlias = CreateStatistics | StatisticsTarget

_LOWEST, _HIGHEST = -1, 10_000
_NO_SAMPLE = "no sample of the source: it has no effect"
_OF_VALUES = "mcv"
_TRIAL = "trimtab_trial"
_Key: TypeAlias = tuple[str, Targets]


class HypotheticalStatistics:
    """What is known of them, by the hypothesis and the targets that its configuration gives to its columns.

    Without `has_values` no value of a row is asked for.
    """

    def __init__(self, *, has_values: bool = True) -> None:
        self._has_values = has_values
        self._sample: SourceSample | None = None
        self._told: dict[_Key, Told] = {}
        self._waiting: dict[_Key, StatisticsHypothesis] = {}  # asked for when there was no sample
        self._imported: dict[str, Told] = {}

    def sample_from(self, sample: SourceSample | None) -> list[StatisticsHypothesis]:
        """Let what is asked for from now on rest on this sample; return what may have an effect now that had none."""
        self._sample = sample
        waiting = list(self._waiting.values())
        for key in self._waiting:
            del self._told[key]
        self._waiting.clear()
        return waiting

    def take(self, change: CreateStatistics, values: tuple[ExtendedValues, ...]) -> None:
        """Take what the lab's object holds: it goes before what any sample says."""
        if values:
            self._imported[hypothesis_digest(change)] = Told("as the lab's ANALYZE made it", objects=values)

    def ensure(self, twin: Connection, hypotheses: Sequence[Hypothesis], search_path: str = "") -> None:
        """Learn what those of a configuration would hold. What cannot be known has no effect, and is told.

        `search_path` is where expressions find their names.
        """
        for one in hypotheses:
            key = _key(one, hypotheses)
            if not isinstance(one, StatisticsHypothesis) or key in self._told or key[0] in self._imported:
                continue
            told = _impossible(twin, one, search_path) or _taken(twin, one, hypotheses, search_path)
            if told is None and self._sample is None:
                told, self._waiting[key] = refused(_NO_SAMPLE), one
            self._told[key] = told or self._asked(twin, one, key[1], search_path)

    def told(self, one: StatisticsHypothesis, among: Sequence[Hypothesis] = ()) -> Told:
        """Return what is known of one that was ensured, in a configuration of these."""
        key = _key(one, among)
        return self._imported.get(key[0]) or self._told[key]

    def is_in_force(self, one: Hypothesis, among: Sequence[Hypothesis]) -> bool:
        """Whether it has something to store."""
        return isinstance(one, StatisticsHypothesis) and bool((found := self.told(one, among)).objects or found.columns)

    def store(self, twin: Connection, one: StatisticsHypothesis, among: Sequence[Hypothesis]) -> bool:
        """Put it in force until the open transaction ends; False when the twin cannot read all of it."""
        return _store(twin, one, self.told(one, among))

    def _asked(self, twin: Connection, one: StatisticsHypothesis, targets: Targets, search_path: str) -> Told:
        assert self._sample is not None, "who has no sample waits for one"
        if not self._has_values and (isinstance(one, StatisticsTarget) or set(one.kinds) == {_OF_VALUES}):
            return refused("without values it has no effect")
        if isinstance(one, CreateExpressionStatistics):
            one = _complete(twin, one, search_path)
        if isinstance(one, CreateStatistics):
            asked = one if self._has_values else replace(one, kinds=tuple(k for k in one.kinds if k != _OF_VALUES))
            told = object_statistics(self._sample, asked, targets, with_values=self._has_values)
            if isinstance(one, CreateExpressionStatistics):
                told = replace(told, sql=one.sql())
            if asked != one:
                told = replace(told, note=f"{told.note}, without common values")
            trial: StatisticsHypothesis = replace(one, name=_TRIAL)
            tried = replace(told, objects=tuple(replace(values, name=_TRIAL) for values in told.objects), sql="")
        else:
            told = column_statistics(self._sample, one)
            trial, tried = one, told
        if not (told.objects or told.columns):
            return told
        with twin.transaction(force_rollback=True):
            is_complete = _store(twin, trial, tried)
        return told if is_complete else refused("the twin cannot read its values")


def _key(one: Hypothesis, among: Sequence[Hypothesis]) -> _Key:
    """An object's list is as long as the highest target of its columns."""
    targets: dict[str, int] = {}
    if isinstance(one, CreateStatistics):
        table = one.schema, one.table
        others = [other for other in among if isinstance(other, StatisticsTarget)]
        targets = {
            other.column: other.target
            for other in others
            if (other.schema, other.table) == table
            and other.column in one.columns
            and _LOWEST <= other.target <= _HIGHEST
        }
    return hypothesis_digest(one), tuple(sorted(targets.items()))


def _complete(twin: Connection, one: CreateExpressionStatistics, search_path: str) -> CreateExpressionStatistics:
    """Return it with its expressions as the server writes them, in which all names are complete."""
    trial = replace(one, name=_TRIAL)
    with twin.transaction(force_rollback=True):
        _make(twin, trial, search_path)
        text = queries.load("twin_extended_object", twin.info.server_version)
        row = twin.execute(text, (trial.schema, trial.name)).fetchone()
    assert row is not None, "it was just made"
    return replace(one, expressions=tuple(row[-1]))


def _make(twin: Connection, one: CreateStatistics, search_path: str) -> None:
    """Make the object, in the open transaction; afterwards names are PostgreSQL's own again."""
    twin.execute("select pg_catalog.set_config('search_path', $1, true)", (search_path,))
    # A binary result takes the protocol that refuses a second statement.
    twin.execute(one.sql().encode(), binary=True)
    twin.execute("select pg_catalog.set_config('search_path', '', true)")


def _impossible(twin: Connection, one: StatisticsHypothesis, search_path: str) -> Told | None:
    """Return the refusal of what no server could do, or what is known without asking."""
    try:
        one.sql()
    except ValueError as error:
        return refused(str(error))
    if isinstance(one, StatisticsTarget):
        if not _LOWEST <= one.target <= _HIGHEST:
            return refused(f"a statistics target is 0 to {_HIGHEST}, or -1 for the default")
        return Told("at target 0 ANALYZE leaves the statistics that are there") if one.target == 0 else None
    try:
        with twin.transaction(force_rollback=True):
            _make(twin, replace(one, name=_TRIAL), search_path)
    except psycopg.Error as error:
        if twin.closed:
            raise
        return refused(str(source_error(error)))
    return None


def _taken(twin: Connection, one: StatisticsHypothesis, among: Sequence[Hypothesis], search_path: str) -> Told | None:
    """Return the refusal of a name that statistics have which none of the others drops."""
    if isinstance(one, StatisticsTarget):
        return None
    named = one.schema, one.name
    if any(isinstance(other, DropStatistics) and (other.schema, other.name) == named for other in among):
        return None
    try:
        with twin.transaction(force_rollback=True):
            _make(twin, one, search_path)
    except psycopg.errors.DuplicateObject as error:
        return refused(str(source_error(error)))
    return None


def _store(twin: Connection, one: StatisticsHypothesis, told: Told) -> bool:
    if isinstance(one, CreateStatistics):
        twin.execute((told.sql or one.sql()).encode())
    with storing(twin) if told.objects else nullcontext():
        stored = [store_values(twin, values) for values in told.objects]
    stored += [
        store_column_statistics(twin, c.schema, c.relation, c.column, c.statistics, is_inherited=c.is_inherited)
        for c in told.columns
    ]
    return all(stored)
