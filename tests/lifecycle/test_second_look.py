"""Claims about the second evaluation of what was applied: it finds what the first should have refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from trimtab.ledger.entry import Entry, Json, Kind
from trimtab.ledger.ledger import Ledger
from trimtab.lifecycle.second_look import LookedAt, second_look
from trimtab.model.change import CreateIndex, change_digest, change_to_dict
from trimtab.spec.load import load_spec
from trimtab.spec.specification import Specification

from .lives import SPEC_DIGEST, write_lives

NIGHT_NS = 1_790_042_400 * 10**9  # 2026-09-22 02:00:00 UTC, a Tuesday


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> tuple[Entry, ...]:
    lives = write_lives(tmp_path_factory.mktemp("ledger") / "ledger.db", clock=lambda: NIGHT_NS, signs=False)
    with Ledger.open(lives.path) as ledger:
        return tuple(ledger.entries())


def specification(tmp_path: Path, limits: str) -> Specification:
    path = tmp_path / "own.yaml"
    path.write_text(
        "apiVersion: trimtab.dev/v1\nkind: OptimizationSpec\n"
        "metadata: {id: OWN, revision: 1, description: Narrower.}\n"
        f"extends: [DATABASE_OPTIMIZATION_SPEC_V4]\nspec: {limits}\n",
        "utf-8",
    )
    return load_spec(path)


def looked(entries: tuple[Entry, ...], spec: Specification | None = None) -> tuple[LookedAt, ...]:
    return second_look(entries, {} if spec is None else {SPEC_DIGEST: spec})


def with_body(entry: Entry, **changed: Json) -> Entry:
    return replace(entry, body={**entry.body, **changed})


def rules(found: tuple[LookedAt, ...]) -> set[str]:
    return {departure.rule for look in found for departure in look.departures}


def test_what_was_done_as_decided_is_compliant(entries: tuple[Entry, ...]) -> None:
    found = looked(entries)
    assert len(found) == 2
    assert all(look.is_compliant and not look.is_whole for look in found)
    assert all(look.is_whole for look in looked(entries, load_spec(None)))
    assert rules(looked(entries, load_spec(None))) == set()


def test_an_applied_change_without_a_verdict_is_found(entries: tuple[Entry, ...]) -> None:
    without = tuple(entry for entry in entries if entry.kind is not Kind.STRATEGY_VALIDATED)
    assert rules(looked(without)) == {"verdict"}


def test_a_verdict_that_came_after_the_intent_is_none(entries: tuple[Entry, ...]) -> None:
    late = tuple(
        replace(entry, seq=entry.seq + 10_000) if entry.kind is Kind.STRATEGY_VALIDATED else entry for entry in entries
    )
    assert rules(looked(late)) == {"verdict"}


def test_a_verdict_that_forbids_or_is_of_another_specification_is_found(entries: tuple[Entry, ...]) -> None:
    def told(**changed: Json) -> tuple[Entry, ...]:
        return tuple(with_body(e, **changed) if e.kind is Kind.STRATEGY_VALIDATED else e for e in entries)

    assert rules(looked(told(compliant=False))) == {"verdict"}
    assert rules(looked(told(spec_digest="6" * 64))) == {"specification"}


def test_a_change_that_nobody_proposed_or_of_another_digest_is_found(entries: tuple[Entry, ...]) -> None:
    other = CreateIndex("public", "orders", "o9", "USING btree (z)", ("z",))
    body: Mapping[str, Json] = {"change": change_to_dict(other)}  # type: ignore[dict-item]  # all of it is JSON
    swapped = tuple(with_body(e, **body) if e.kind is Kind.APPLY_INTENDED else e for e in entries)
    found = looked(swapped)
    assert [[each.found for each in look.departures] for look in found] == [
        ["it has another digest", "it is none of its strategy's"]
    ] * 2
    signed = tuple(
        with_body(e, change_digest=change_digest(other)) if e.kind is Kind.APPLY_INTENDED else e for e in swapped
    )
    assert [[each.found for each in look.departures] for look in looked(signed)] == [
        ["it is none of its strategy's"]
    ] * 2


@pytest.mark.parametrize(("scope", "is_broken"), [(None, True), ("shop", True), ("billing", False)])
def test_a_change_under_a_freeze_is_found(entries: tuple[Entry, ...], scope: str | None, *, is_broken: bool) -> None:
    frozen = replace(entries[0], seq=0, kind=Kind.CHANGES_FROZEN, run_id=None, body={"frozen_database": scope})
    assert rules(looked((frozen, *entries))) == ({"freeze"} if is_broken else set())
    thawed = replace(frozen, seq=1, kind=Kind.CHANGES_THAWED)
    assert rules(looked((frozen, thawed, *entries))) == set()


@pytest.mark.parametrize(
    ("limits", "rule"),
    [
        ("{changes: {allowed_kinds: [drop_index]}}", "changes.allowed_kinds"),
        ("{objects: {denied_tables: [public.orders]}}", "objects.denied_tables"),
        ("{objects: {denied_schemas: [public]}}", "objects.denied_schemas"),
        ("{objects: {allowed_schemas: [shop]}}", "objects.allowed_schemas"),
        ("{indexes: {allowed_methods: [hash]}}", "indexes.allowed_methods"),
        ('{windows: {open: ["22:00-23:00 UTC"]}}', "windows.open"),
        ("{rates: {max_changes_per_day: 1}}", "rates.max_changes_per_day"),
    ],
)
def test_a_rule_that_the_change_breaks_is_named_with_its_limit(
    entries: tuple[Entry, ...], tmp_path: Path, limits: str, rule: str
) -> None:
    found = looked(entries, specification(tmp_path, limits))
    assert rules(found) == {rule}
    assert all(departure.limit and departure.found for look in found for departure in look.departures)


def test_what_a_waiver_let_go_is_no_departure(entries: tuple[Entry, ...], tmp_path: Path) -> None:
    spec = specification(tmp_path, "{objects: {denied_tables: [public.orders]}}")
    waived = tuple(
        with_body(e, waived=["objects.denied_tables by W_ORDERS"]) if e.kind is Kind.APPLY_INTENDED else e
        for e in entries
    )
    assert rules(looked(waived, spec)) == set()


def test_only_what_was_applied_in_the_window_of_that_database_is_looked_at(entries: tuple[Entry, ...]) -> None:
    assert second_look(entries, {}, begin_ns=NIGHT_NS + 10**15) == ()
    assert second_look(entries, {}, database="billing") == ()
    assert len(second_look(entries, {}, database="shop")) == 2
