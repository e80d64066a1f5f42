"""What ANALYZE found of columns, as the view pg_stats shows it. It holds values of rows: never in a log or a report.

Values without behaviour: they decide nothing, and know no server.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ColumnStatistics:
    """What ANALYZE found of one column, as the view pg_stats shows it; lists are texts of PostgreSQL arrays.

    `distinct` is a count, or a negative share of the rows. Dates in texts are ISO. `length_histogram`, `empty_share`
    and `bounds_histogram` are those of ranges.
    """

    null_fraction: float
    width: int
    distinct: float
    correlation: float | None = None
    common_values: str | None = None
    common_shares: str | None = None
    histogram: str | None = None
    elements: str | None = None
    element_shares: str | None = None
    element_counts: str | None = None
    length_histogram: str | None = None
    empty_share: float | None = None
    bounds_histogram: str | None = None

    def without_values(self) -> ColumnStatistics:
        """Return what holds no value of the column."""
        return ColumnStatistics(self.null_fraction, self.width, self.distinct, self.correlation)


@dataclass(frozen=True, slots=True)
class OfColumn:
    """Whose statistics they are: a table's own, or with `is_inherited` those of the table with its children."""

    column: str
    is_inherited: bool
    statistics: ColumnStatistics


@dataclass(frozen=True, slots=True)
class TableStatistics:
    """What the planner knows of these columns of a table, some of which may have no statistics, and of its size.

    `version` is server_version_num of who found it. `pages` and `rows` are those of the last VACUUM or ANALYZE, which
    the planner takes for the density of rows; `visible_pages` and `frozen_pages` are among them.
    """

    version: int
    columns: tuple[str, ...]
    stored: tuple[OfColumn, ...]
    pages: int
    rows: float
    visible_pages: int = 0
    frozen_pages: int = 0
