"""What a person wants of the indexes, beside what the specification allows: one value for every face.

Options, trimtab.toml and Python make it; it refuses what can be no limit. Names of indexes, tables and columns are only
held: whether there are such is seen where a catalog is at hand (`lifecycle.index_limits`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from trimtab.errors import UsageError
from trimtab.model.shares import parse_share

METHODS = frozenset({"btree", "brin", "gin", "gist", "hash"})
KINDS = METHODS | {"include", "partial", "expression"}
SOLVERS = ("exact", "anneal", "local")

# What each wish is called on the command line (with dashes) and in trimtab.toml, and what may stand there.
WISHES: Mapping[str, tuple[str, str]] = {
    "kinds": ("usage.kinds", f"it is a list of some of {', '.join(sorted(KINDS))}"),
    "max_width": ("usage.max_width", "it is a whole number from 1 on"),
    "max_indexes": ("usage.max_indexes", "it is a whole number from 0 on"),
    "max_write_overhead": ("usage.max_write_overhead", 'it is a share, as in "10%"'),
    "max_regression": ("usage.max_regression", 'it is a share, as in "5%"'),
    "must_keep": ("usage.must_keep", "it is a list of names of indexes, each a text"),
    "must_not": ("usage.must_not", "it is a list of names of tables and columns, each a text"),
    "seconds": ("usage.seconds", "it is a number of seconds from 0 on"),
    "solver": ("usage.solver", f"it is one of {', '.join(SOLVERS)}"),
}


@dataclass(frozen=True, slots=True)
class IndexWishes:
    """What is wanted; None, and an empty list, leave it to the specification and the program.

    `kinds` are out of `KINDS`; `max_width` is how many keys an index may have, `max_indexes` how many new ones there
    may be in all. `max_write_overhead` is what they may add to the time of the workload's writes together,
    `max_regression` what any one query may lose: shares, 0.1 is 10 %. `must_keep` are names of indexes that are never
    proposed for dropping, with their schema or without, and `must_not` of tables or of their columns that no new index
    may touch: TABLE, TABLE.COLUMN, or these after SCHEMA and a dot, as the catalog writes them. `seconds` is how long
    it may take to prove how good the chosen set is, 0 asks for no proof; `solver` is one of SOLVERS. `drops` is whether
    to look for needless indexes too. Raises UsageError, with the code of the wish that can be none (`usage.kinds`...).
    """

    kinds: frozenset[str] | None = None
    max_width: int | None = None
    max_indexes: int | None = None
    max_write_overhead: float | None = None
    max_regression: float | None = None
    must_keep: tuple[str, ...] = ()
    must_not: tuple[str, ...] = ()
    seconds: float | None = None
    solver: str | None = None
    drops: bool = True

    def __post_init__(self) -> None:
        if self.kinds is not None and not (self.kinds and self.kinds <= KINDS):
            raise _refused("kinds", ", ".join(sorted(self.kinds - KINDS)) or "none given")
        if self.solver is not None and self.solver not in SOLVERS:
            raise _refused("solver", repr(self.solver))
        for name, least, value in (
            ("max_width", 1, self.max_width),
            ("max_indexes", 0, self.max_indexes),
            ("max_write_overhead", 0, self.max_write_overhead),
            ("max_regression", 0, self.max_regression),
            ("seconds", 0, self.seconds),
        ):
            if value is not None and not least <= value < math.inf:  # also when it is no number
                raise _refused(name, str(value))
        for name, given in (("must_keep", self.must_keep), ("must_not", self.must_not)):
            if not all(text.strip() and "\0" not in text for text in given):
                raise _refused(name, "an empty name, or one that holds a NUL")

    def over(self, other: IndexWishes) -> IndexWishes:
        """Return these wishes, and the other's where these say nothing. Lists of names add up: none is unsaid."""
        return IndexWishes(
            kinds=other.kinds if self.kinds is None else self.kinds,
            max_width=other.max_width if self.max_width is None else self.max_width,
            max_indexes=other.max_indexes if self.max_indexes is None else self.max_indexes,
            max_write_overhead=(
                other.max_write_overhead if self.max_write_overhead is None else self.max_write_overhead
            ),
            max_regression=other.max_regression if self.max_regression is None else self.max_regression,
            must_keep=tuple(dict.fromkeys((*other.must_keep, *self.must_keep))),
            must_not=tuple(dict.fromkeys((*other.must_not, *self.must_not))),
            seconds=other.seconds if self.seconds is None else self.seconds,
            solver=other.solver if self.solver is None else self.solver,
            drops=other.drops and self.drops,
        )


NO_WISHES = IndexWishes()


def with_wish(wishes: IndexWishes, name: str, value: object) -> IndexWishes:
    """Return the wishes with one more, as a table of trimtab.toml or an option gives it: shares as texts ("10%").

    `name` is a key of WISHES. Raises UsageError, or ConfigError `share.invalid` for what is no share.
    """
    match name, value:
        case "kinds", list() if _are_texts(value):
            return replace(wishes, kinds=frozenset(value))
        case "must_keep", list() if _are_texts(value):
            return replace(wishes, must_keep=tuple(value))
        case "must_not", list() if _are_texts(value):
            return replace(wishes, must_not=tuple(value))
        case _, bool():
            pass
        case "max_width", int():
            return replace(wishes, max_width=value)
        case "max_indexes", int():
            return replace(wishes, max_indexes=value)
        case "max_write_overhead", str():
            return replace(wishes, max_write_overhead=parse_share(value))
        case "max_regression", str():
            return replace(wishes, max_regression=parse_share(value))
        case "seconds", int() | float():
            return replace(wishes, seconds=float(value))
        case "solver", str():
            return replace(wishes, solver=value)
    raise _refused(name, f"a value of another kind ({type(value).__name__})")


def wishes_of(given: Mapping[str, object]) -> IndexWishes:
    """Return the wishes that options give, by the names of WISHES; None, and an empty list, is not given."""
    wishes = NO_WISHES
    for name, value in given.items():
        if value is not None and value != []:
            wishes = with_wish(wishes, name, value)
    return wishes


def _are_texts(value: Sequence[object]) -> bool:
    return all(isinstance(item, str) for item in value)


def _refused(name: str, found: str) -> UsageError:
    code, expected = WISHES[name]
    return UsageError(
        f"{name} was refused: {expected}; found {found}",
        code=code,
        next_step="Mend it, or leave it out: then the specification decides.",
    )
