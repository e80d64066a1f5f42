"""Linear programs as arrays, for HiGHS: the solver's own expressions take much longer to build than it to solve.

Columns are numbers from 0 to 1, or one of these two. Knows nothing of indexes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import highspy

INFINITY = float("inf")


class Program:
    """A program that is kept between solutions: what is new is added, and a column that is shut stays at 0.

    What is added reaches the solver in one go, when it is to be solved; it then goes on from where it was.
    """

    def __init__(self, options: dict[str, float | int]) -> None:
        self.solver = quiet_solver()
        for name, value in {"threads": 1, "random_seed": 1, **options}.items():
            self.solver.setOptionValue(name, value)
        self._rows = self._columns = 0
        self._costs, self._whole = list[float](), list[int]()
        self._starts, self._places, self._factors = list[int](), list[int](), list[float]()
        self._bounds = list[tuple[float, float]]()
        self._row_starts, self._row_places, self._row_factors = list[int](), list[int](), list[float]()
        self._limits: dict[int, float] = {}

    def column(
        self, cost: float, rows: Sequence[int] = (), factors: Sequence[float] = (), *, is_whole: bool = False
    ) -> int:
        """Add a column with its factors in rows that are there; return its number."""
        self._settle_rows()
        self._costs.append(cost)
        self._starts.append(len(self._places))
        self._places += rows
        self._factors += factors
        if is_whole:
            self._whole.append(self._columns)
        self._columns += 1
        return self._columns - 1

    def row(
        self, columns: Sequence[int] = (), factors: Sequence[float] = (), *, least: float = -INFINITY, most: float
    ) -> int:
        """Add a row with its factors of columns that are there; return its number."""
        self._settle_columns()
        self._bounds.append((least, most))
        self._row_starts.append(len(self._row_places))
        self._row_places += columns
        self._row_factors += factors
        self._rows += 1
        return self._rows - 1

    def limit(self, column: int, most: float) -> None:
        """Let a column be no more than this from now on."""
        self._limits[column] = most

    def solved(self, seconds: float) -> highspy.HighsSolution | None:
        """Return the solution; None when the time was over before."""
        import highspy

        self.run(seconds)
        is_solved = self.solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
        return self.solver.getSolution() if is_solved else None

    def run(self, seconds: float) -> None:
        """Let the solver work for so many seconds at most."""
        import numpy as np

        self.settle()
        if self._limits:
            places, most = np.array(list(self._limits), dtype=np.int32), np.array(list(self._limits.values()))
            self.solver.changeColsBounds(len(places), places, np.zeros(len(places)), most)
            self._limits = {}
        # Its clock goes on from one solution to the next.
        self.solver.setOptionValue("time_limit", self.solver.getRunTime() + seconds)
        self.solver.run()

    def settle(self) -> None:
        """Give the solver what is new."""
        self._settle_rows()
        self._settle_columns()

    def _settle_columns(self) -> None:
        if not self._costs:
            return
        import highspy
        import numpy as np

        count = len(self._costs)
        self.solver.addCols(
            count,
            np.array(self._costs),
            np.zeros(count),
            np.ones(count),
            len(self._places),
            np.array(self._starts, dtype=np.int32),
            np.array(self._places, dtype=np.int32),
            np.array(self._factors, dtype=np.float64),
        )
        for column in self._whole:
            self.solver.changeColIntegrality(column, highspy.HighsVarType.kInteger)
        self._costs, self._whole = [], []
        self._starts, self._places, self._factors = [], [], []

    def _settle_rows(self) -> None:
        if not self._bounds:
            return
        import numpy as np

        self.solver.addRows(
            len(self._bounds),
            np.array([least for least, _ in self._bounds]),
            np.array([most for _, most in self._bounds]),
            len(self._row_places),
            np.array(self._row_starts, dtype=np.int32),
            np.array(self._row_places, dtype=np.int32),
            np.array(self._row_factors, dtype=np.float64),
        )
        self._bounds = []
        self._row_starts, self._row_places, self._row_factors = [], [], []


def quiet_solver() -> highspy.Highs:
    """Return a solver that prints nothing, not even the banner that its constructor prints while output is on."""
    import highspy

    class Quiet(highspy.Highs):  # type: ignore[misc]
        def enableCallbacks(self) -> None:  # noqa: N802 - the base class names it
            self.silent()
            super().enableCallbacks()

    return Quiet()
