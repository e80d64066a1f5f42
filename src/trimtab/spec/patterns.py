"""Name patterns: an exact name, or a beginning followed by `*`. Matching, covering and intersecting; nothing else.

A table is matched as `schema.table`. Names are compared as the catalog holds them: case counts, no quoting.
"""

from __future__ import annotations

from collections.abc import Iterable


def check_pattern(pattern: str) -> None:
    """Raise ValueError unless the pattern is a name, or the beginning of one with a single trailing `*`."""
    if not pattern or "*" in pattern[:-1] or any(not character.isprintable() for character in pattern):
        raise ValueError("a pattern is an exact name, or the beginning of one followed by a single trailing *")


def matches(pattern: str, name: str) -> bool:
    """True when the pattern stands for the name."""
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def first_match(patterns: Iterable[str], name: str) -> str | None:
    """Return the first pattern that stands for the name, or None."""
    return next((pattern for pattern in patterns if matches(pattern, name)), None)


def covers(wide: str, narrow: str) -> bool:
    """True when every name that `narrow` stands for is one that `wide` stands for."""
    if wide.endswith("*"):
        return narrow.removesuffix("*").startswith(wide[:-1])
    return wide == narrow


def intersect(left: Iterable[str], right: Iterable[str]) -> tuple[str, ...]:
    """Return patterns for exactly the names that both sides stand for."""
    ours, theirs = tuple(left), tuple(right)
    from_ours = {p for p in ours if any(covers(q, p) for q in theirs)}
    from_theirs = {q for q in theirs if any(covers(p, q) for p in ours)}
    return simplify(from_ours | from_theirs)


def simplify(patterns: Iterable[str]) -> tuple[str, ...]:
    """Return the patterns without those that another one covers, sorted: one way to write one set of names."""
    unique = set(patterns)
    return tuple(sorted(p for p in unique if not any(q != p and covers(q, p) for q in unique)))
