"""Writes the statements that a sample of a table takes: which rows are read, and what is counted of them. Pure text.

Rows come from many blocks, as ANALYZE reads them, or from few whole ones, where keys are counted: where equal keys lie
together, rows from many blocks would show pairs of them as often as if there were few keys. Keys that were seldom seen
there are counted in as many blocks as the rows came from, but few of them: those whose hash falls below a limit.
"""

# ruff: noqa: S608 - what is put together are expressions that the twin's server wrote out of its catalog
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trimtab.model.change import qualified
from trimtab.twin.gin_items import bytes_of, items_query

ROWS, MOST_ROWS = 30_000, 300_000
"""Rows, and as many pages, that a sample has at most: ordinarily, and for a high statistics target."""
_HASHED_ROWS, _MOST_HASHED_ROWS = 300_000, 1_000_000
"""Of so many rows keys are hashed, which takes about a tenth of a second; of so many where their frequencies differ."""
_HASHES = 1 << 20
MOST_PICKED = 4 * ROWS
"""So many keys of blocks, four times what is expected, are kept of what was picked for several indexes at once."""
_LEAST_BLOCKS = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of one index.

    `expressions` are (position, SQL) of columns that need statistics; `keys` make up the key whose repeats are counted;
    `items` are (SQL, schema and name of the operator class) of a GIN index's columns; `predicate` is the index's.
    `picked_by` are those of the keys that have very many values, by which keys can be picked; else all together do.
    """

    expressions: tuple[tuple[int, str], ...] = ()
    keys: tuple[str, ...] = ()
    items: tuple[tuple[str, str, str], ...] = ()
    predicate: str | None = None
    picked_by: tuple[str, ...] = ()

    @property
    def is_of_keys_alone(self) -> bool:
        """Whether the sample of whole blocks has all of it."""
        return bool(self.keys) and not self.expressions and not self.items and self.predicate is None


@dataclass(frozen=True, slots=True)
class Sampled:
    """What is read: FROM and after of the sample, and all rows of the table; 0 where the sample is the whole table.

    `blocks` is the same for a sample of as many rows that is made of whole blocks, `block_share` of all. `more_blocks`
    is FROM alone, of so many as hold `more_share` of the rows; `most_blocks` the same of still more.
    """

    text: str
    all_rows: float
    blocks: str
    block_share: float
    more_blocks: str
    more_share: float
    most_blocks: str
    most_share: float


def sampled(
    table: tuple[str, str], pages: float, rows: float, *, is_whole_tree: bool, most_rows: int = ROWS
) -> Sampled:
    """Return how to read about `most_rows` rows, of as many pages, from a table of that length.

    `is_whole_tree` reads all that inherits from it too.
    """
    share = min(most_rows / max(pages, 1.0), 1.0)
    kept = min(most_rows / max(rows * share, 1.0), 1.0)
    whole = min(max(most_rows / max(rows, 1.0), _LEAST_BLOCKS / max(pages, 1.0)), share)
    more, most = (
        whole if is_whole_tree else max(min(share, hashed / max(rows, 1.0)), whole)
        for hashed in (_HASHED_ROWS, _MOST_HASHED_ROWS)
    )
    name = f"FROM {'' if is_whole_tree else 'ONLY '}{qualified(*table)} TABLESAMPLE SYSTEM"
    thinned = f" WHERE pg_catalog.random() < {kept:.9f}" if kept < 1 else ""
    return Sampled(
        text=f"{name} ({100 * share:.6f}) REPEATABLE (1){thinned} LIMIT {2 * most_rows}",
        all_rows=rows if min(share, kept) < 1 else 0.0,
        blocks=f"{name} ({100 * whole:.6f}) REPEATABLE (1) LIMIT {2 * most_rows}",
        block_share=whole,
        more_blocks=f"{name} ({100 * more:.6f}) REPEATABLE (1)",
        more_share=more,
        most_blocks=f"{name} ({100 * most:.6f}) REPEATABLE (1)",
        most_share=most,
    )


SHARE, KEYS, ITEMS = 0, 1, 2  # and one more for each further column


class _Columns:
    """The expressions that a statement reads of a sample, each once, under names of ours."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def name(self, expression: str) -> str:
        """Return the expression's name."""
        return self._names.setdefault(expression, f"c{len(self._names)}")

    def passing(self, predicate: str | None) -> str:
        """Return the condition of the rows that count."""
        return "true" if predicate is None else self.name(f"(({predicate}) IS TRUE)")

    def listed(self, *more: str) -> str:
        """Return the select list, beside what is there anyway."""
        return ", ".join([*more, *(f"({expression}) AS {name}" for expression, name in self._names.items())]) or "1"


def rows_statement(source: Sampled, wanted: Sequence[tuple[int, Wanted]]) -> str:
    """Return one statement that reads the sample once: (place, part, JSON) rows."""
    columns = _Columns()
    selects: list[str] = []
    for place, want in wanted:
        where = columns.passing(want.predicate)
        selects.append(
            f"SELECT {place}, {SHARE}, pg_catalog.jsonb_build_array(count(*), count(*) FILTER (WHERE {where})) FROM s"
        )
        for number, (expression, schema, name) in enumerate(want.items):
            value = columns.name(expression)
            items = items_query(f"s.{value}", schema, name)
            rows = (
                f"SELECT count(*) AS times, count(*) AS rows, coalesce(avg({bytes_of('i.item')}), 0) AS bytes"
                f" FROM s CROSS JOIN LATERAL ({items}) i WHERE {where} AND s.{value} IS NOT NULL GROUP BY i.item"
                f" UNION ALL SELECT count(*), count(*), 0 FROM s"
                f" WHERE {where} AND s.{value} IS NULL HAVING count(*) > 0"
            )
            selects.append(_counted(place, ITEMS + number, rows))
    return f"WITH s AS MATERIALIZED (SELECT {columns.listed()} {source.text}) {' UNION ALL '.join(selects)}"


def keys_statement(source: Sampled, wanted: Sequence[tuple[int, Wanted]]) -> str:
    """Return one statement that reads whole blocks once: (place, part, JSON) rows, in how many blocks each key is."""
    columns = _Columns()
    selects: list[str] = []
    for place, want in wanted:
        where = columns.passing(want.predicate)
        names = [columns.name(key) for key in want.keys]
        selects.append(_counted(place, KEYS, _in_blocks(f"s WHERE {where}", names, "count(*)")))
    listed = columns.listed(f"{_BLOCK} AS b")
    return f"WITH s AS MATERIALIZED (SELECT {listed} {source.blocks}) {' UNION ALL '.join(selects)}"


def picked_statement(
    blocks: str, wanted: Sequence[tuple[int, Wanted]], by: Sequence[str], key_share: float, *, most: int = 0
) -> str:
    """Return one statement that reads these blocks once: what `keys_statement` gives, of a share of the keys.

    All of `wanted` have the same predicate, and the expressions `by` among their keys: a share of what these evaluate
    to is picked, and so each key with all of its rows, or none. Where `by` is the whole key, a frequent one takes no
    more memory than there are blocks; else `most` bounds it: no row is returned when that is not enough.
    """
    columns = _Columns()
    where, picked = columns.passing(wanted[0][1].predicate), [columns.name(key) for key in by]
    names = {place: [columns.name(key) for key in want.keys] for place, want in wanted}
    text = f"pg_catalog.concat_ws(' ', {', '.join(picked)}) COLLATE pg_catalog.\"C\""
    row = f"pg_catalog.hashtextextended({text}, 0)"
    is_picked = f"{row} & {_HASHES - 1} < {round(key_share * _HASHES)}" if key_share < 1 else "true"
    read = f"SELECT {columns.listed(f'{_BLOCK} AS b')} {blocks}"
    listed = ", ".join(dict.fromkeys(name for of in names.values() for name in of))
    rows = f"SELECT b, {listed}, count(*) AS n FROM ({read}) r WHERE {where} AND {is_picked} GROUP BY b, {listed}"
    selects = [_counted(place, KEYS, _in_blocks("s", of, "sum(n)")) for place, of in names.items()]
    limit = f" LIMIT {most + 1}" if most else ""
    told = f"WITH s AS MATERIALIZED ({rows}{limit}) SELECT * FROM ({' UNION ALL '.join(selects)}) t"
    return f"{told} WHERE (SELECT count(*) FROM s) <= {most}" if most else told


_BLOCK = "(tableoid::bigint << 32) + (ctid::pg_catalog.text::pg_catalog.point)[0]::bigint"


def _in_blocks(source: str, names: Sequence[str], rows: str) -> str:
    """Return the query for each key's blocks, rows and bytes. Grouped twice: to count distinct ones takes a sort."""
    listed = ", ".join(names)
    blocks = f"SELECT {listed}, {rows} AS rows FROM {source} GROUP BY b, {listed}"
    return f"SELECT count(*) AS times, sum(rows) AS rows, {_bytes(names)} AS bytes FROM ({blocks}) k GROUP BY {listed}"


def _bytes(names: Sequence[str]) -> str:
    """Return a key's bytes, NULL where one of its columns is."""
    return " + ".join(f"pg_catalog.pg_column_size({name})" for name in names)


def _counted(place: int, part: int, keys: str) -> str:
    """Return the query for how many keys occur how often, in how many rows, and their mean bytes."""
    return (
        f"SELECT {place}, {part}, (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(times, keys, rows, bytes))"
        f" FROM (SELECT k.times, count(*) AS keys, sum(k.rows) AS rows, avg(k.bytes) AS bytes"
        f" FROM ({keys}) k GROUP BY k.times, k.rows) g)"
    )
