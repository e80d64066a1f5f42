"""A change that was carried out: what the ledger knows it by, and how it is taken back."""

from __future__ import annotations

from dataclasses import dataclass

from trimtab.model.change import (
    Change,
    CreateIndex,
    DropIndex,
    RestoreStatistics,
    SetDistinct,
    SetSetting,
    SetStatisticsTarget,
    touched_table,
)


@dataclass(frozen=True, slots=True)
class Applied:
    """One change of a strategy, done and verified. `inverse` takes it back; `seconds` is how long it took.

    `database` is the name of the database that it stands on. `table_oid` and `object_oid` tell the table, and the
    index or statistics object that was made, from others that have their names later; None where that is not known.
    """

    intent_id: str
    strategy_id: str
    change: Change
    inverse: Change
    seconds: float
    database: str = ""
    table_oid: int | None = None
    object_oid: int | None = None

    def rests_on(self, earlier: Applied) -> bool:
        """True when this one is to be taken back before `earlier`, which was made before it.

        It dropped the index that `earlier` made, or one whose keys are the first of that index; or it set the same
        setting, or the same of a column, once more.
        """
        change, made = self.change, earlier.change
        if isinstance(change, SetSetting) and isinstance(made, SetSetting):
            return change.name.lower() == made.name.lower() and self._is_of_scope_of(earlier, change, made)
        if isinstance(change, SetStatisticsTarget | SetDistinct) and isinstance(made, type(change)):
            return change.column == made.column and self._is_on_table_of(earlier)
        if isinstance(change, RestoreStatistics) and isinstance(made, RestoreStatistics):
            return bool({*change.columns} & {*made.columns}) and self._is_on_table_of(earlier)
        if not (isinstance(change, DropIndex) and isinstance(made, CreateIndex) and self._is_on_table_of(earlier)):
            return False
        return change.name == made.name or made.key_columns[: len(change.key_columns)] == change.key_columns

    def _is_of_scope_of(self, earlier: Applied, change: SetSetting, made: SetSetting) -> bool:
        """A run sets nothing for another database than its own, whatever that is called."""
        if change.scope != made.scope:
            return False
        match change.scope:
            case "database":
                return True
            case "role_in_database":
                return change.role_and_database[0] == made.role_and_database[0]
            case "function" if None not in (self.object_oid, earlier.object_oid):
                return self.object_oid == earlier.object_oid
            case _:
                return change.scope_name == made.scope_name

    def _is_on_table_of(self, earlier: Applied) -> bool:
        """A table is known by its oid where the ledger has it: it can have been renamed between the two."""
        if None not in (self.table_oid, earlier.table_oid):
            return self.table_oid == earlier.table_oid
        return touched_table(self.change) == touched_table(earlier.change)
