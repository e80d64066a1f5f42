"""A decision as a document: strategy, effective specification, facts and verdict, and nothing that is anywhere else.

Who has it can decide again, years later and on another machine, and must come to the same bytes. No clock, no catalog.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any, cast, get_type_hints

import rfc8785
from pydantic import TypeAdapter, ValidationError

from trimtab.errors import SpecError
from trimtab.model.catalog import Setting, Table
from trimtab.model.change import Change, change_from_dict, change_to_dict
from trimtab.model.strategy import Strategy, Verdict, Violation
from trimtab.spec.moments import text_of
from trimtab.spec.specification import Specification, specification_of
from trimtab.spec.waiver import Waiver
from trimtab.validate.facts import Facts
from trimtab.validate.validate import validate

FORMAT = "trimtab.decision/v1"
_OWN_FORM = frozenset(
    {"tables", "settings", "scoped_settings", "settable_scopes", "relation_names", "accepted", "done"}
)


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided on, by what, and on which facts."""

    strategy: Strategy
    specification: Specification
    facts: Facts

    def verdict(self) -> Verdict:
        """Return the verdict. It hangs on nothing else."""
        return validate(self.strategy, self.specification, self.facts)


def verdict_document(verdict: Verdict) -> dict[str, object]:
    """Return the verdict as documents hold it."""
    return {
        "compliant": verdict.compliant,
        "score": verdict.score,
        "violations": [_violation(violation) for violation in verdict.violations],
        "warnings": [_violation(violation) for violation in verdict.warnings],
        "waived": [
            {
                **_violation(waived.violation),
                "waiver": f"{waived.waiver_id}@{waived.waiver_revision}",
                "not_after": text_of(waived.not_after_unix),
            }
            for waived in verdict.waived
        ],
        "not_applicable": list(verdict.not_applicable),
        "errors": list(verdict.errors),
        "spec_id": verdict.spec_id,
        "spec_digest": verdict.spec_digest,
        "engine_version": verdict.engine_version,
    }


def verdict_bytes(verdict: Verdict) -> bytes:
    """Return the verdict in its one form (RFC 8785)."""
    return rfc8785.dumps(cast(Any, verdict_document(verdict)))


def record(decision: Decision) -> dict[str, object]:
    """Return the decision with its verdict, as a document."""
    facts = facts_to_dict(decision.facts)
    return {
        "format": FORMAT,
        "strategy": strategy_to_dict(decision.strategy),
        "specification": decision.specification.document(),
        "waivers": [asdict(waiver) for waiver in decision.specification.waivers],
        "expires_unix": decision.specification.expires_unix,
        "facts": facts,
        "facts_digest": _digest(facts),
        "verdict": verdict_document(decision.verdict()),
    }


def recorded(document: Mapping[str, object]) -> tuple[Decision, bytes]:
    """Return the decision of a record, and the bytes of the verdict that stands in it.

    Raises SpecError `spec.decision` for what is no record.
    """
    try:
        if document["format"] != FORMAT:
            raise ValueError(FORMAT)
        if others := document.keys() - _FIELDS:
            raise _malformed(f"it has a field {min(others)!r}, which no decision has")
        decision = Decision(
            strategy_from_dict(_map(document["strategy"])),
            replace(
                specification_of(_map(document["specification"])),
                waivers=_WAIVERS.validate_python(document["waivers"]),
                expires_unix=_EXPIRES.validate_python(document["expires_unix"]),
            ),
            facts_from_dict(_map(document["facts"])),
        )
        if document["facts_digest"] != _digest(_map(document["facts"])):
            raise ValueError("facts_digest")
        return decision, rfc8785.dumps(cast(Any, document["verdict"]))
    except (KeyError, TypeError, ValueError, ValidationError, rfc8785.CanonicalizationError) as error:
        raise _malformed(f"it is no document of the format {FORMAT} ({type(error).__name__})") from None


def facts_digest(facts: Facts) -> str:
    """Return SHA-256, in hexadecimal, of the facts in their one form (RFC 8785): equal facts have equal digests."""
    return _digest(facts_to_dict(facts))


def read_json(text: bytes) -> dict[str, object]:
    """Return the map that the text holds. Raises SpecError `spec.decision`."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise _malformed("it is not JSON") from None
    if not isinstance(value, dict):
        raise _malformed("it is not a map of fields")
    return value


def strategy_to_dict(strategy: Strategy) -> dict[str, object]:
    """Return the strategy as a document."""
    return {
        "changes": [change_to_dict(change) for change in strategy.changes],
        "proposer": strategy.proposer,
        "title": strategy.title,
        "reason": strategy.reason,
        "query_ids": list(strategy.query_ids),
        "size_bytes": strategy.size_bytes,
        "evidence": dict(strategy.evidence),
    }


def strategy_from_dict(raw: Mapping[str, object]) -> Strategy:
    """Return the strategy of a document; all but the changes may be left out. Raises SpecError `spec.decision`."""
    try:
        changes = tuple(_change(_map(change)) for change in _list(raw["changes"]))
        return Strategy(
            changes=changes,
            proposer=str(raw.get("proposer", "document")),
            title=str(raw.get("title", "")),
            reason=str(raw.get("reason", "")),
            query_ids=tuple(str(query_id) for query_id in _list(raw.get("query_ids", []))),
            size_bytes=int(cast(int, raw.get("size_bytes", 0))),
            evidence=cast(Mapping[str, float | int | str], _map(raw.get("evidence", {}))),
        )
    except KeyError as error:
        raise _malformed(f"it holds no strategy: {error} is missing, or no kind of change") from None
    except (TypeError, ValueError) as error:
        raise _malformed(f"it holds no strategy: {str(error)[:120]}") from None


def _change(raw: Mapping[str, object]) -> Change:
    change = change_from_dict(raw)
    try:
        TypeAdapter(type(change)).validate_python(asdict(change))
    except ValidationError as error:
        field = ".".join(str(step) for step in error.errors(include_url=False)[0]["loc"][:1])
        raise ValueError(f"the field {field!r} of a change of the kind {change.kind} is of another type") from None
    return change


def facts_to_dict(facts: Facts) -> dict[str, object]:
    """Return the facts as a document: maps as sorted lists, since their keys are no texts."""
    plain = {name: adapter.dump_python(getattr(facts, name), mode="json") for name, adapter in _adapters().items()}
    return {
        **plain,
        "tables": [_TABLE.dump_python(table, mode="json") for _, table in sorted(facts.tables.items())],
        "settings": [_SETTING.dump_python(setting, mode="json") for _, setting in sorted(facts.settings.items())],
        "scoped_settings": [[*key, value] for key, value in sorted(facts.scoped_settings.items())],
        "settable_scopes": sorted(facts.settable_scopes),
        "relation_names": [list(name) for name in sorted(facts.relation_names)],
        "accepted": [strategy_to_dict(strategy) for strategy in facts.accepted],
        "done": [change_to_dict(change) for change in facts.done],
    }


def facts_from_dict(raw: Mapping[str, object]) -> Facts:
    """Return the facts of a document. Raises KeyError, TypeError or ValueError for what is none."""
    tables = [_TABLE.validate_python(table) for table in _list(raw["tables"])]
    settings = [_SETTING.validate_python(setting) for setting in _list(raw["settings"])]
    plain = {name: adapter.validate_python(raw[name]) for name, adapter in _adapters().items() if name in raw}
    for name in _adapters().keys() - plain.keys() - _LATER:
        raise KeyError(name)
    return Facts(
        tables={(table.schema, table.name): table for table in tables},
        settings={setting.name: setting for setting in settings},
        scoped_settings={(str(a), str(b)): str(c) for a, b, c in map(_list, _list(raw["scoped_settings"]))},
        settable_scopes=frozenset(map(str, _list(raw["settable_scopes"]))),
        relation_names=frozenset((str(a), str(b)) for a, b in map(_list, _list(raw["relation_names"]))),
        accepted=tuple(strategy_from_dict(_map(strategy)) for strategy in _list(raw["accepted"])),
        done=tuple(change_from_dict(_map(change)) for change in _list(raw["done"])),
        **plain,
    )


_FIELDS = frozenset(
    {"format", "strategy", "specification", "waivers", "expires_unix", "facts", "facts_digest", "verdict"}
)
_LATER = frozenset({"latest_unix"})
"""Facts that records of earlier versions do not have: those were decided on what is meant where they are missing."""
_TABLE, _SETTING = TypeAdapter(Table), TypeAdapter(Setting)
_WAIVERS, _EXPIRES = TypeAdapter(tuple[Waiver, ...]), TypeAdapter(int | None)


@lru_cache(maxsize=1)
def _adapters() -> dict[str, TypeAdapter[Any]]:
    """Of the fields that need no form of their own; one that is added to the facts is one of these by itself."""
    hints = get_type_hints(Facts)
    return {name: TypeAdapter(hint) for name, hint in hints.items() if name not in _OWN_FORM}


def _digest(facts: dict[str, object]) -> str:
    return hashlib.sha256(rfc8785.dumps(cast(Any, facts))).hexdigest()


def _violation(violation: Violation) -> dict[str, object]:
    return {
        "rule": violation.rule_id,
        "path": violation.path,
        "expected": violation.expected,
        "actual": violation.actual,
        "message": violation.message,
        "severity": violation.severity,
        "evidence_ids": list(violation.evidence_ids),
    }


def _map(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise TypeError("not a map")
    return value


def _list(value: object) -> Sequence[object]:
    if not isinstance(value, list):
        raise TypeError("not a list")
    return value


def _malformed(found: str) -> SpecError:
    return SpecError(
        f"the document was refused: {found}",
        code="spec.decision",
        next_step="Give a strategy with its changes, or a decision that `trimtab spec validate --record` wrote.",
    )
