"""The changes that an agent may ask for, as the schemas of its tools have them: names and numbers, no SQL.

They become the values of `model/asked.py`; what they mean on a database is found there, from its catalog.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from trimtab.model.asked import (
    Asked,
    AskedDrop,
    AskedIndex,
    AskedKey,
    AskedRebuild,
    AskedSetting,
    AskedStatistics,
    AskedTarget,
)

Identifier = Annotated[
    str, Field(min_length=1, max_length=63, description="A name as the catalog has it; case counts.")
]
_SCHEMA = Field("public", min_length=1, max_length=63, description="The schema that it is in.")


class _Wish(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class IndexKey(_Wish):
    """A key of an index."""

    column: Identifier
    descending: bool = False


class CreateIndex(_Wish):
    """A new index over columns of all rows. Trimtab names it, and builds it without blocking writes."""

    kind: Literal["create_index"]
    table: Identifier
    in_schema: str = _SCHEMA
    keys: list[IndexKey] = Field(min_length=1, max_length=32)
    include: list[Identifier] = Field(default_factory=list, max_length=31)
    method: Literal["btree", "hash", "brin", "gin", "gist"] = "btree"

    def asked(self) -> Asked:
        """Return what is asked for."""
        keys = tuple(AskedKey(key.column, key.descending) for key in self.keys)
        return AskedIndex(self.in_schema, self.table, keys, tuple(self.include), self.method)


class DropIndex(_Wish):
    """An index that goes. What protects integrity never goes; the specification says what else may."""

    kind: Literal["drop_index"]
    index: Identifier
    in_schema: str = _SCHEMA

    def asked(self) -> Asked:
        """Return what is asked for."""
        return AskedDrop(self.in_schema, self.index)


class RebuildIndex(_Wish):
    """An index that is built anew, since it holds much in vain."""

    kind: Literal["rebuild_index"]
    index: Identifier
    in_schema: str = _SCHEMA

    def asked(self) -> Asked:
        """Return what is asked for."""
        return AskedRebuild(self.in_schema, self.index)


class CreateStatistics(_Wish):
    """Extended statistics over two columns or more."""

    kind: Literal["create_statistics"]
    table: Identifier
    in_schema: str = _SCHEMA
    columns: list[Identifier] = Field(min_length=2, max_length=8)
    kinds: list[Literal["ndistinct", "dependencies", "mcv"]] = Field(min_length=1, max_length=3)

    def asked(self) -> Asked:
        """Return what is asked for."""
        return AskedStatistics(self.in_schema, self.table, tuple(self.columns), tuple(self.kinds))


class SetStatisticsTarget(_Wish):
    """How much ANALYZE keeps of a column; null is the server's default."""

    kind: Literal["set_statistics_target"]
    table: Identifier
    in_schema: str = _SCHEMA
    column: Identifier
    target: int | None = Field(ge=0, le=10_000)

    def asked(self) -> Asked:
        """Return what is asked for."""
        return AskedTarget(self.in_schema, self.table, self.column, self.target)


class SetSetting(_Wish):
    """A setting for the whole database, within what the specification allows; null resets it."""

    kind: Literal["set_setting"]
    name: Identifier
    value: str | None = Field(max_length=100)

    def asked(self) -> Asked:
        """Return what is asked for."""
        return AskedSetting(self.name, self.value)


AnyChange = Annotated[
    CreateIndex | DropIndex | RebuildIndex | CreateStatistics | SetStatisticsTarget | SetSetting,
    Field(discriminator="kind"),
]
Changes = Annotated[
    list[AnyChange], Field(min_length=1, max_length=10, description="Changes that belong together, in order.")
]
Change: TypeAdapter[AnyChange] = TypeAdapter(AnyChange)
