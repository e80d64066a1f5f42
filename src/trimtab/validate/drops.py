"""Rules on dropping an index. Whether there is a reason is read from the catalog, never from what the proposer claims;
what protects integrity (`drops.protects_*`) is dropped under no specification.
"""

from __future__ import annotations

from collections.abc import Callable

from trimtab.model.catalog import ForeignKey, Index, Table
from trimtab.model.change import DropIndex
from trimtab.model.strategy import Violation
from trimtab.validate.case import Case, Findings, broken, label
from trimtab.validate.definition import IndexShape, shape_of_index, shape_of_tail


def allow(case: Case) -> Findings:
    """Dropping is allowed at all."""
    dropped = case.pending(DropIndex)
    if not dropped or case.spec.drops.allow:
        return [] if dropped else None
    what = "indexes may not be dropped"
    return [
        broken("drops.allow", what, path, expected="no drop", actual=f"drop of {label(change.name)}")
        for path, change in dropped
    ]


def index_gone(case: Case) -> Findings:
    """The index is there."""
    dropped = case.pending_with_tables(DropIndex)
    if not dropped:
        return None
    return [
        broken(
            "objects.index_gone",
            f"index {label(change.schema, change.name)} cannot be dropped",
            f"{path}.name",
            expected="an index of that table",
            actual="none of that name",
        )
        for path, change, _ in dropped
        if case.facts.index(change.schema, change.table, change.name) is None
    ]


def index_changed(case: Case) -> Findings:
    """The index is still the one that was proposed to be dropped, and can be put back from its definition."""
    return _each(
        case,
        lambda path, change, _, index: (
            None
            if _is_same(change, index)
            else broken(
                "objects.index_changed",
                f"index {label(change.schema, change.name)} is not the one that was to be dropped",
                f"{path}.tail",
                expected="the definition that the change names",
                actual="another definition",
            )
        ),
    )


def _is_same(change: DropIndex, index: Index) -> bool:
    if index.tail is None:
        return False
    shape = shape_of_tail(change.tail)
    is_same_text = change.tail == index.tail or (shape is not None and shape == shape_of_tail(index.tail))
    keys = tuple(column or "" for column in index.key_columns)
    return is_same_text and (keys, index.include_columns) == (change.key_columns, change.include_columns)


def reasons(case: Case) -> Findings:
    """Another index that stays does all that this one does, or nobody uses it: as the specification accepts."""
    allowed = case.spec.drops.reasons
    return _each(
        case,
        lambda path, _, table, index: (
            None
            if any(reason in allowed for reason in _reasons(case, table, index))
            else broken(
                "drops.reasons",
                f"index {label(index.schema, index.name)} would be missed",
                path,
                expected="an index that is " + (" or ".join(allowed) or "never dropped"),
                actual=", ".join(sorted(_reasons(case, table, index))) or "none of these",
            )
        ),
    )


def max_extra_columns(case: Case) -> Findings:
    """The index that stays is not so much wider that reading it costs more than was saved."""
    limit = case.spec.drops.max_extra_columns

    def check(path: str, _: DropIndex, table: Table, index: Index) -> Violation | None:
        if not _fails(case, table, index, "redundant"):
            return None
        what = f"the index that would stand in for {label(index.name)} is much wider"
        extra = _extra_columns(case, table, index)
        return broken(
            "drops.max_extra_columns", what, path, expected=f"at most {limit} columns more", actual=f"{extra} more"
        )

    return _each(case, check)


def min_unused_days(case: Case) -> Findings:
    """An index that nothing else speaks against has not been used for long enough."""
    limit = case.spec.drops.min_unused_days

    def check(path: str, _: DropIndex, table: Table, index: Index) -> Violation | None:
        if not _fails(case, table, index, "unused"):
            return None
        what = f"index {label(index.schema, index.name)} may still be used"
        actual = f"{index.unused_days or 0.0:.1f} days"
        return broken("drops.min_unused_days", what, path, expected=f"{limit} days without a scan", actual=actual)

    return _each(case, check)


def _fails(case: Case, table: Table, index: Index, reason: str) -> bool:
    """Whether this accepted reason is given, but falls short, and so does every other."""
    spec = case.spec.drops
    given = _reasons(case, table, index) & {*spec.reasons}
    short = set()
    if "redundant" in given and _extra_columns(case, table, index) > spec.max_extra_columns:
        short.add("redundant")
    if "unused" in given and (index.unused_days or 0.0) < spec.min_unused_days:
        short.add("unused")
    return reason in short and given == short


def _reasons(case: Case, table: Table, index: Index) -> set[str]:
    """Return what speaks for dropping it. Statistics of an index's expressions serve plans that never scan it."""
    found = {reason for reason, _ in _replacements(case, table, index)}
    is_unused = index.unused_days is not None and index.is_valid and not index.has_expressions
    return found | ({"unused"} if is_unused else set())


def _extra_columns(case: Case, table: Table, index: Index) -> int:
    """Return by how many columns the narrowest longer index is wider."""
    own = shape_of_index(index).width
    replacements = _replacements(case, table, index)
    return min((shape.width - own for reason, shape in replacements if reason == "redundant"), default=0)


def _replacements(case: Case, table: Table, index: Index) -> list[tuple[str, IndexShape]]:
    """Return the indexes that would stay and do all that this one does, with the word for it."""
    own = shape_of_index(index)
    found = []
    for other in case.indexes_after(table).values():
        if other == own:
            found.append(("duplicate", other))
        elif other.covers(own):
            found.append(("redundant", other))
    return found


def protects_constraint(case: Case) -> Findings:
    """It backs no constraint."""
    return _protects(case, "protects_constraint", "a constraint", lambda index: index.constraint is not None)


def protects_uniqueness(case: Case) -> Findings:
    """It enforces no uniqueness."""
    return _protects(case, "protects_uniqueness", "uniqueness", lambda index: index.is_unique or index.is_primary)


def protects_replica_identity(case: Case) -> Findings:
    """Logical replication does not find rows by it."""
    return _protects(case, "protects_replica_identity", "the replica identity", lambda i: i.is_replica_identity)


def protects_clustered(case: Case) -> Findings:
    """CLUSTER does not order the table by it."""
    return _protects(case, "protects_clustered", "the order of CLUSTER", lambda index: index.is_clustered)


def protects_additions(case: Case) -> Findings:
    """It holds nothing that its definition does not put back."""
    what = "a comment, statistics targets of its own or a dependence on an extension"
    return _protects(case, "protects_additions", what, lambda index: index.has_more)


def protects_foreign_key(case: Case) -> Findings:
    """It is not the last that serves a foreign key; without one, each delete of a referenced row reads the table."""

    def check(path: str, _: DropIndex, table: Table, index: Index) -> Violation | None:
        own = shape_of_index(index)
        stays = case.indexes_after(table).values()
        for key in table.foreign_keys:
            if _serves(own, key) and not any(_serves(other, key) for other in stays):
                return _protected("protects_foreign_key", path, index, f"foreign key {label(key.name)}")
        return None

    return _each(case, check)


def _serves(shape: IndexShape, key: ForeignKey) -> bool:
    return shape.is_plain and set(shape.key_columns[: len(key.columns)]) == set(key.columns)


def _protects(case: Case, rule: str, what: str, is_protected: Callable[[Index], bool]) -> Findings:
    return _each(case, lambda path, _, __, index: _protected(rule, path, index, what) if is_protected(index) else None)


def _protected(rule: str, path: str, index: Index, what: str) -> Violation:
    message = f"index {label(index.schema, index.name)} is never dropped"
    return broken(f"drops.{rule}", message, path, expected="an index that protects nothing", actual=what)


def _each(case: Case, check: Callable[[str, DropIndex, Table, Index], Violation | None]) -> Findings:
    """Apply the check to every index to be dropped that is there; None when there is none."""
    known = [
        (path, change, table, index)
        for path, change, table in case.pending_with_tables(DropIndex)
        if (index := case.facts.index(change.schema, change.table, change.name)) is not None
    ]
    if not known:
        return None
    return [found for item in known if (found := check(*item)) is not None]
