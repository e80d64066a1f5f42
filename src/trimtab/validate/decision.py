"""A decision as a document: strategy, effective specification, facts and verdict, and nothing that is anywhere else.

Who has it can decide again, years later and on another machine, and must come to the same bytes. No clock, no catalog.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Annotated, Any, Literal, NoReturn, TypeAlias, TypeVar, cast, get_type_hints

import rfc8785
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from trimtab.errors import SpecError
from trimtab.model.catalog import Setting, Table
from trimtab.model.change import Change, change_from_dict, change_to_dict
from trimtab.model.strategy import Strategy, Verdict, Violation
from trimtab.spec.document import faults_told
from trimtab.spec.moments import text_of
from trimtab.spec.reading import Document
from trimtab.spec.specification import Specification, specification_of
from trimtab.spec.waiver import Waiver
from trimtab.validate.facts import Facts
from trimtab.validate.validate import validate

FORMAT = "trimtab.decision/v1"
_LARGEST = 2**53 - 1


_T = TypeVar("_T")
_Map: TypeAlias = dict[str, Any]


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
    held = _read(_RECORD, document)
    decision = Decision(
        _strategy(held.strategy, "strategy"),
        replace(
            specification_of(held.specification),
            waivers=_read(_WAIVERS, held.waivers, "waivers"),
            expires_unix=held.expires_unix,
        ),
        facts_from_dict(held.facts),
    )
    try:
        digest, verdict = _digest(held.facts), rfc8785.dumps(cast(Any, held.verdict))
    except (ValueError, RecursionError):
        raise _malformed("it holds a value that RFC 8785 has no form for") from None
    if held.facts_digest != digest:
        raise _malformed("its facts are not those of its facts_digest")
    return decision, verdict


def facts_digest(facts: Facts) -> str:
    """Return SHA-256, in hexadecimal, of the facts in their one form (RFC 8785): equal facts have equal digests."""
    return _digest(facts_to_dict(facts))


def read_json(text: bytes) -> dict[str, object]:
    """Return the map that the text holds. Raises SpecError `spec.decision`."""
    try:
        value = json.loads(text, object_pairs_hook=_each_once, parse_int=_whole, parse_constant=_no_number)
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
    return _strategy(raw)


def _strategy(raw: object, *path: str | int) -> Strategy:
    held = _read(_STRATEGY, raw, *path)
    changes = tuple(_change(change, *path, "changes", place) for place, change in enumerate(held.changes))
    return Strategy(
        changes, held.proposer, held.title, held.reason, tuple(held.query_ids), held.size_bytes, held.evidence
    )


def _change(raw: _Map, *path: str | int) -> Change:
    try:
        change = change_from_dict(raw)
    except KeyError:
        found = "has no kind" if "kind" not in raw else "is of no kind that there is"
    except (TypeError, ValueError) as error:
        found = str(error)
    else:
        _read(TypeAdapter(type(change)), asdict(change), *path)
        return change
    raise _malformed(f"{'.'.join(map(str, path))}: {found}") from None


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
    """Return the facts of a document. Raises SpecError `spec.decision`."""
    if missing := sorted({*_adapters(), *_OWN_FORMS} - raw.keys() - _LATER):
        raise _malformed(f"facts.{missing[0]}: is missing")
    if others := sorted(raw.keys() - {*_adapters(), *_OWN_FORMS}):
        raise _malformed(f"facts.{others[0]}: unknown field")
    held = {
        name: _read(adapter, raw[name], "facts", name)
        for name, adapter in {**_adapters(), **_OWN_FORMS}.items()
        if name in raw
    }
    return Facts(
        **{
            **held,
            "tables": {(table.schema, table.name): table for table in held["tables"]},
            "settings": {setting.name: setting for setting in held["settings"]},
            "scoped_settings": {(scope, name): value for scope, name, value in held["scoped_settings"]},
            "accepted": tuple(_strategy(one, "facts", "accepted", n) for n, one in enumerate(held["accepted"])),
            "done": tuple(_change(one, "facts", "done", n) for n, one in enumerate(held["done"])),
        }
    )


def _number_or_text(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, float | int | str):
        raise ValueError("must be a number or a text")
    return value


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Record(_Document):
    format: Literal["trimtab.decision/v1"]
    strategy: _Map
    specification: _Map
    waivers: list[_Map]
    expires_unix: int | None
    facts: _Map
    facts_digest: str
    verdict: _Map


class _Strategy(_Document):
    changes: Annotated[list[_Map], Field(min_length=1)]
    proposer: str = "document"
    title: str = ""
    reason: str = ""
    query_ids: list[str] = []
    size_bytes: int = 0
    evidence: dict[str, Annotated[float | int | str, BeforeValidator(_number_or_text)]] = {}


_RECORD, _STRATEGY = TypeAdapter(_Record), TypeAdapter(_Strategy)
_LATER = frozenset({"latest_unix"})
"""Facts that records of earlier versions do not have: those were decided on what is meant where they are missing."""
_TABLE, _SETTING, _WAIVERS = TypeAdapter(Table), TypeAdapter(Setting), TypeAdapter(tuple[Waiver, ...])
_OWN_FORMS: dict[str, TypeAdapter[Any]] = {
    "tables": TypeAdapter(list[Table]),
    "settings": TypeAdapter(list[Setting]),
    "scoped_settings": TypeAdapter(list[tuple[str, str, str]]),
    "settable_scopes": TypeAdapter(frozenset[str]),
    "relation_names": TypeAdapter(frozenset[tuple[str, str]]),
    "accepted": TypeAdapter(list[_Map]),
    "done": TypeAdapter(list[_Map]),
}


@lru_cache(maxsize=1)
def _adapters() -> dict[str, TypeAdapter[Any]]:
    """Of the fields that need no form of their own; one that is added to the facts is one of these by itself."""
    hints = get_type_hints(Facts)
    return {name: TypeAdapter(hint) for name, hint in hints.items() if name not in _OWN_FORMS}


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


def _each_once(pairs: Sequence[tuple[str, Any]]) -> _Map:
    held = dict(pairs)
    if len(held) != len(pairs):
        raise _malformed("a field of it is there twice")
    return held


def _whole(text: str) -> int:
    if len(text) > len(str(-_LARGEST)) or abs(int(text)) > _LARGEST:
        raise _malformed(f"it holds a whole number beyond {_LARGEST}, which RFC 8785 has no form for")
    return int(text)


def _no_number(text: str) -> NoReturn:
    raise _malformed(f"it holds {text}, which is no number in JSON")


def _read(adapter: TypeAdapter[_T], value: object, *path: str | int) -> _T:
    """Return the value as that type. Raises SpecError `spec.decision`, which tells where in the document it is."""
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        raise _malformed(faults_told(Document("", {}, {}), faults, BaseModel, path)) from None


def _malformed(found: str) -> SpecError:
    return SpecError(
        f"the document was refused: {found}",
        code="spec.decision",
        next_step="Give a strategy with its changes, or a decision that `trimtab spec validate --record` wrote.",
    )
