"""Reads what an index is from its definition (its text from USING on), strictly; it never guesses.

So a text that holds more than a method, keys, INCLUDE columns and a predicate is never taken for an index of these.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from trimtab.db.definitions import read_definition
from trimtab.model.catalog import Index

_TOKEN = re.compile(r'\s*(?:"((?:[^"\0]|"")+)"|([A-Za-z_][A-Za-z0-9_$]*)|([(),.]))')


@dataclass(frozen=True, slots=True)
class Key:
    """A key: a column, or with `column` "" an expression, in its normal text.

    `operator_class`, without its schema, and `collation` are None where they are the default.
    """

    column: str
    is_descending: bool = False
    is_nulls_first: bool = False
    operator_class: str | None = None
    collation: str | None = None
    expression: str = ""


@dataclass(frozen=True, slots=True)
class IndexShape:
    """What an index is, without its name. `predicate` is in its normal text, "" for all rows; `options` are
    `name=value`; `read_columns` are those that expressions and predicate read. `rest` is what follows and cannot be
    read: with it, or without keys, only the same text makes the same index.
    """

    method: str
    keys: tuple[Key, ...]
    include_columns: tuple[str, ...] = ()
    rest: str = ""
    predicate: str = ""
    options: tuple[str, ...] = ()
    read_columns: frozenset[str] = frozenset()

    @property
    def is_plain(self) -> bool:
        """True for an index over whole rows by columns alone."""
        return bool(self.keys) and not (self.rest or self.predicate or self.options or "" in self.key_columns)

    @property
    def without_options(self) -> IndexShape:
        """The same index, however it is stored."""
        return replace(self, options=())

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The names of the key columns, "" for an expression."""
        return tuple(key.column for key in self.keys)

    def covers(self, other: IndexShape) -> bool:
        """True when this one begins with the other's keys, in the same order, and holds all its columns."""
        return (
            self.is_plain
            and other.is_plain
            and self.method == other.method == "btree"
            and self.keys[: len(other.keys)] == other.keys
            and set(other.include_columns) <= {*self.key_columns, *self.include_columns}
        )

    @property
    def width(self) -> int:
        """The number of columns held."""
        return len(self.keys) + len(self.include_columns)


@lru_cache(maxsize=4096)
def shape_of_tail(tail: str) -> IndexShape | None:
    """Return the index that the definition describes, or None when it begins with no list of keys."""
    try:
        shape = _Reader(tail).read()
    except _UnreadableError:
        shape = None
    return shape if shape is not None and not shape.rest else _of_any_kind(tail) or shape


def _of_any_kind(tail: str) -> IndexShape | None:
    """Read by PostgreSQL's own grammar what is more than a list of columns."""
    found = read_definition(tail)
    if found is None:
        return None
    keys = tuple(
        Key(k.column, k.is_descending, k.is_nulls_first, k.operator_class, k.collation, k.expression)
        for k in found.keys
    )
    held = {key.column for key in keys} | {*found.include_columns}
    return IndexShape(
        found.method,
        keys,
        found.include_columns,
        predicate=found.predicate,
        options=found.options,
        read_columns=found.columns - held,
    )


def shape_of_index(index: Index) -> IndexShape:
    """Return what an index of the catalog is. Storage options do not count; predicate and expressions do."""
    shape = shape_of_tail(index.tail) if index.tail is not None else None
    if shape is not None:
        return replace(shape, options=(), rest=shape.rest if index.is_partial else "")
    if index.is_partial or index.has_expressions or None in index.key_columns:
        return IndexShape(index.method, (), (), index.tail or index.definition)
    keys = tuple(
        Key(column, bool(option & 1), bool(option & 2))
        for column, option in zip(index.key_columns, index.key_options, strict=False)
        if column is not None
    )
    return IndexShape(index.method, keys, index.include_columns)


class _UnreadableError(Exception):
    pass


class _Reader:
    """Reads one definition, word by word. A quoted name is never taken for a keyword."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def read(self) -> IndexShape:
        self._expect("using")
        method = self._name()
        keys = [self._key()] if self._take("(") else self._give_up()
        while self._take(","):
            keys.append(self._key())
        self._expect(")")
        included: list[str] = []
        if self._take("include"):
            self._expect("(")
            included.append(self._name())
            while self._take(","):
                included.append(self._name())
            self._expect(")")
        return IndexShape(method, tuple(keys), tuple(included), self._text[self._at :].strip())

    def _key(self) -> Key:
        column = self._name()
        collation = self._qualified() if self._take("collate") else None
        next_word = self._peek()[0]
        operator_class = None
        if next_word not in ("asc", "desc", "nulls", ",", ")"):
            # A server shows the schema of a class or not, as its search_path has it.
            operator_class = self._qualified().rpartition(".")[2]
        is_descending = False
        if self._take("desc"):
            is_descending = True
        else:
            self._take("asc")
        is_nulls_first = is_descending
        if self._take("nulls"):
            is_nulls_first = self._take("first")
            if not is_nulls_first:
                self._expect("last")
        return Key(column, is_descending, is_nulls_first, operator_class, collation)

    def _qualified(self) -> str:
        name = self._name()
        return f"{name}.{self._name()}" if self._take(".") else name

    def _name(self) -> str:
        word, name, end = self._peek()
        if name is None:
            self._give_up()
        self._at = end
        return name if name is not None else word

    def _take(self, wanted: str) -> bool:
        word, _, end = self._peek()
        if word == wanted:
            self._at = end
        return word == wanted

    def _expect(self, wanted: str) -> None:
        if not self._take(wanted):
            self._give_up()

    def _peek(self) -> tuple[str, str | None, int]:
        """Return the next word as a keyword or sign ("" when quoted), as a name (None for a sign), and its end."""
        match = _TOKEN.match(self._text, self._at)
        if match is None:
            return "", None, self._at
        quoted, bare, sign = match.groups()
        if quoted is not None:
            return "", quoted.replace('""', '"'), match.end()
        if bare is not None:
            return bare.lower(), bare.lower(), match.end()
        return sign, None, match.end()

    def _give_up(self) -> list[Key]:
        raise _UnreadableError
