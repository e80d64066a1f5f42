"""Index candidates for what a query needs of a table, of every kind: rule after rule, plain B-trees first.

Pure rules; whether a candidate is any good is for the planner to say, in `atoms`. None is proposed that an index of the
table does already, and the number of them is bounded.
"""

from __future__ import annotations

from collections.abc import Mapping

from trimtab.db.definitions import Definition, read_definition, read_statement
from trimtab.model.catalog import Index, Table
from trimtab.propose.candidate import Candidate
from trimtab.propose.context import Limits
from trimtab.propose.expressions import expression_candidates
from trimtab.propose.methods import brin_candidates, gin_candidates, gist_candidates, hash_candidates
from trimtab.propose.needs import Need
from trimtab.propose.partial import partial_candidates
from trimtab.propose.plain import plain_candidates
from trimtab.propose.prefix import prefix_candidates
from trimtab.propose.writes import held_columns

# Of plain B-trees, of those that are partial, over expressions, by prefix, and of each other access method.
MAX_PER_NEED = 24
MAX_PARTIAL = 16
MAX_EXPRESSION = 10
MAX_PREFIX = 4
MAX_OF_METHOD = 4


def candidates_for(
    need: Need,
    table: Table,
    limits: Limits,
    *,
    constant: frozenset[str] = frozenset(),
    shared: frozenset[str] = frozenset(),
    extensions: Mapping[str, str] | None = None,
) -> list[Candidate]:
    """Return the candidates for one need, each once, the most promising first.

    `constant` are the conditions on the table, in the server's words, that a plan for any parameters holds too: only
    these make predicates. `shared` are those of them that several queries ask. `extensions` maps those that the source
    has to their schemas.
    """
    have = extensions or {}
    rules = (
        (MAX_PER_NEED, plain_candidates(need, table, limits)),
        (MAX_PARTIAL, partial_candidates(need, table, limits, constant, shared)),
        (MAX_EXPRESSION, expression_candidates(need, table, limits)),
        (MAX_PREFIX, prefix_candidates(need, table, limits)),
        (MAX_OF_METHOD, brin_candidates(need, table)),
        (MAX_OF_METHOD, gin_candidates(need, table, have)),
        (MAX_OF_METHOD, gist_candidates(need, table, have)),
        (MAX_OF_METHOD, hash_candidates(need, table)),
    )
    there = [definition for index in table.indexes if (definition := _definition(index)) is not None]
    found: dict[Candidate, None] = {}
    for limit, rule in rules:
        end = len(found) + limit
        for candidate in rule:
            if len(found) == end:
                break
            if candidate.kinds <= limits.kinds and not _is_there(candidate, there) and _is_allowed(candidate, limits):
                found.setdefault(candidate)
    return list(found)


def _is_allowed(candidate: Candidate, limits: Limits) -> bool:
    return not limits.must_not or limits.allows(candidate.schema, candidate.table, held_columns(candidate))


def _is_there(candidate: Candidate, there: list[Definition]) -> bool:
    """Plain B-trees were looked after by their own rule, which knows scans backward and prefixes."""
    if candidate.is_plain:
        return False
    own = read_definition(candidate.tail)
    return own is None or any(own.makes_the_same_as(other) for other in there)


def _definition(index: Index) -> Definition | None:
    if not index.is_valid:
        return None
    return read_definition(index.tail) if index.tail is not None else read_statement(index.definition)
