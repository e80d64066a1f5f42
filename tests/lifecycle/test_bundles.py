"""A bundle is taken into force whole, signed, in its time, and never in place of a newer one."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.validate.catalogue import create, facts, strategy
from trimtab.errors import SpecError
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.lifecycle import bundles
from trimtab.lifecycle.governing import governing
from trimtab.lifecycle.standing_rules import install_bundle
from trimtab.lifecycle.trust import distrust, trust, trusted
from trimtab.validate.validate import validate

from .signed import ANN, EVE, NOW, SPECIFICATION, believe, bundle

REFERENCE = "bundle:SHOP_RULES/shop.yaml"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    believe(tmp_path / "state")
    bundles.install(tmp_path / "state", bundle(tmp_path / "first", revision=5), NOW)
    return tmp_path / "state"


def _keys(state: Path) -> int:
    return governing(REFERENCE, state / "ledger.db").indexes.max_key_columns


def _refused(code: str, state: Path, manifest: Path, now: int = NOW) -> None:
    """It is refused, and the last good one stays in force."""
    with pytest.raises(SpecError) as refused:
        bundles.install(state, manifest, now)
    assert refused.value.code == code
    assert _keys(state) == 4


def test_its_specifications_govern(state: Path) -> None:
    specification = governing(REFERENCE, state / "ledger.db")
    assert specification.id == "SHOP_BUNDLED"
    assert validate(strategy(create("status", "total")), specification, facts()).compliant


def test_a_newer_one_takes_its_place_and_an_older_one_never_does(state: Path, tmp_path: Path) -> None:
    three = {"shop.yaml": SPECIFICATION % 3}
    _refused("bundle.rollback", state, bundle(tmp_path / "old", revision=4, files=three))
    _refused("bundle.rollback", state, bundle(tmp_path / "same", revision=5, files=three))
    assert bundles.install(state, tmp_path / "first" / "bundle.signed", NOW).revision == 5  # the very same
    bundles.install(state, bundle(tmp_path / "new", revision=6, files=three), NOW)
    assert _keys(state) == 3
    with pytest.raises(SpecError) as refused:
        bundles.install(state, tmp_path / "first" / "bundle.signed", NOW)
    assert refused.value.code == "bundle.rollback"
    assert _keys(state) == 3


def test_a_mark_that_is_lost_lets_nothing_older_in(state: Path, tmp_path: Path) -> None:
    """The ledger tells what was in force."""
    ledger_path, seventh = state / "ledger.db", bundle(tmp_path / "seventh", revision=7)
    install_bundle(ledger_path, seventh, NOW)
    (state / "spec-bundles" / "SHOP_RULES" / "mark.json").unlink()
    for revision, what in ((6, "older"), (7, "another")):
        limit = {"shop.yaml": SPECIFICATION % (revision - 4)}
        with pytest.raises(SpecError) as refused:
            install_bundle(ledger_path, bundle(tmp_path / what, revision=revision, files=limit), NOW)
        assert refused.value.code == "bundle.rollback"
    install_bundle(ledger_path, seventh, NOW)
    assert _keys(state) == 4


def test_who_is_not_trusted_for_bundles_signs_none(state: Path, tmp_path: Path) -> None:
    _refused("spec.signature", state, bundle(tmp_path / "e", EVE, revision=6))
    _refused("spec.signature", state, bundle(tmp_path / "w", ANN, revision=6, purpose="waivers"))


def test_who_signs_with_an_expired_key_signs_none(state: Path, tmp_path: Path) -> None:
    for name in trusted(state, "bundles"):
        distrust(state, "bundles", name)
    trust(state, "bundles", "org", ANN.public, not_after_unix=4_000_000_000)
    assert _keys(state) == 4
    distrust(state, "bundles", "org")
    trust(state, "bundles", "org", ANN.public, not_after_unix=NOW)
    with pytest.raises(SpecError, match="the key of org, who signed it, expired at") as refused:
        governing(REFERENCE, state / "ledger.db")
    assert refused.value.code == "spec.signature"
    with pytest.raises(SpecError, match="expired at"):
        bundles.install(state, bundle(tmp_path / "next", revision=6), NOW)


def test_every_file_must_be_the_one_that_was_signed(state: Path, tmp_path: Path) -> None:
    altered = bundle(tmp_path / "altered", revision=6)
    (altered.parent / "shop.yaml").write_text(SPECIFICATION % 5)
    _refused("bundle.files", state, altered)
    missing = bundle(tmp_path / "missing", revision=6)
    (missing.parent / "shop.yaml").unlink()
    _refused("bundle.files", state, missing)


def test_a_specification_that_cannot_be_used_spoils_the_bundle(state: Path, tmp_path: Path) -> None:
    files = {"shop.yaml": SPECIFICATION % 3, "wide.yaml": SPECIFICATION % 32}
    _refused("spec.widens", state, bundle(tmp_path / "wide", revision=6, files=files))


def test_what_is_extended_must_be_in_it(state: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.yaml"
    outside.write_text((SPECIFICATION % 5).replace("SHOP_BUNDLED", "OUTSIDE"))
    extending = (SPECIFICATION % 4).replace("DATABASE_OPTIMIZATION_SPEC_V4", str(outside))
    _refused("bundle.files", state, bundle(tmp_path / "b", revision=6, files={"shop.yaml": extending}))
    inside = {"outside.yaml": outside.read_text(), "shop.yaml": extending.replace(str(outside), "outside.yaml")}
    assert bundles.install(state, bundle(tmp_path / "c", revision=6, files=inside), NOW).revision == 6


def test_its_time_is_kept(state: Path, tmp_path: Path) -> None:
    _refused("bundle.not_yet", state, bundle(tmp_path / "b", revision=6, not_before="2026-02-01T00:00:00Z"))
    _refused("bundle.expired", state, bundle(tmp_path / "c", revision=6, expires_at="2026-01-01T00:00:00Z"))
    _refused("bundle.invalid", state, bundle(tmp_path / "d", revision=6, expires_at="2025-12-01T00:00:00Z"))


def test_when_it_has_expired_nothing_is_applied_and_everything_else_goes_on(tmp_path: Path) -> None:
    believe(tmp_path / "state")
    bundles.install(tmp_path / "state", bundle(tmp_path / "b", expires_at="2026-01-01T00:00:01Z"), NOW)
    specification = governing(REFERENCE, tmp_path / "state" / "ledger.db")
    change = strategy(create("status", "total"))
    assert validate(change, specification, facts()).compliant
    for late in (replace(facts(), read_unix=NOW + 1), replace(facts(), read_unix=None)):
        verdict = validate(change, specification, late)
        assert [v.rule_id for v in verdict.violations] == ["specification.expired"]
        assert validate(change, specification, replace(late, is_applying=False)).compliant


def test_a_clock_that_is_set_back_revives_none(state: Path, tmp_path: Path) -> None:
    specification = governing(REFERENCE, state / "ledger.db")
    change, ends = strategy(create("status", "total")), specification.expires_unix
    assert ends is not None
    for latest_unix, rules in ((ends - 1, []), (ends, ["specification.expired"])):
        verdict = validate(change, specification, replace(facts(), read_unix=NOW, latest_unix=latest_unix))
        assert [violation.rule_id for violation in verdict.violations] == rules
    with Ledger.open(state / "ledger.db", clock=lambda: ends * 10**9) as ledger:
        ledger.append(Kind.RUN_STARTED, {})
    with pytest.raises(SpecError) as refused:
        install_bundle(state / "ledger.db", bundle(tmp_path / "c", revision=6), NOW)
    assert refused.value.code == "bundle.expired"
    _refused("bundle.not_yet", state, bundle(tmp_path / "b", revision=6, not_before="2026-02-01T00:00:00Z"))


@pytest.mark.parametrize("what", ["file", "manifest", "mark"])
def test_what_is_in_force_is_verified_at_each_use(state: Path, tmp_path: Path, what: str) -> None:
    base = state / "spec-bundles" / "SHOP_RULES"
    [place] = [path for path in base.iterdir() if path.is_dir()]
    if what == "file":
        (place / "shop.yaml").write_text(SPECIFICATION % 5)
    elif what == "manifest":
        (place / "bundle.signed").write_bytes(bundle(tmp_path / "e", EVE, revision=5).read_bytes())
    else:
        (base / "mark.json").write_text(json.dumps({"revision": 1}))
    with pytest.raises(SpecError) as refused:
        governing(REFERENCE, state / "ledger.db")
    assert refused.value.code in ("bundle.files", "spec.signature", "bundle.mark")


@pytest.mark.parametrize(
    "reference",
    ["bundle:", "bundle:SHOP_RULES", "bundle:OTHER/shop.yaml", "bundle:SHOP_RULES/../x.yaml", "bundle:../x/y"],
)
def test_what_is_in_no_bundle_is_refused(state: Path, reference: str) -> None:
    with pytest.raises(SpecError) as refused:
        governing(reference, state / "ledger.db")
    assert refused.value.code == "bundle.unknown"


def test_the_ledger_tells_of_bundles(tmp_path: Path) -> None:
    believe(tmp_path / "state")
    path = tmp_path / "state" / "ledger.db"
    install_bundle(path, bundle(tmp_path / "a", revision=2), NOW)
    with pytest.raises(SpecError):
        install_bundle(path, bundle(tmp_path / "b", revision=1), NOW)
    ledger = Ledger.open(path)
    found = [(entry.body["note"], entry.body.get("code")) for entry in ledger.entries(Kind.BUNDLE_NOTED)]
    ledger.close()
    assert found == [("in_force", None), ("refused", "bundle.rollback")]


def test_it_is_found_by_its_name_from_python_and_from_the_configuration(state: Path, tmp_path: Path) -> None:
    from trimtab import api
    from trimtab.config import load_config

    assert api.get_spec(REFERENCE, ledger_path=state / "ledger.db").id == "SHOP_BUNDLED"
    optimizer = api.QuantumDatabaseOptimizer(REFERENCE, ledger_path=state / "ledger.db")
    assert (optimizer.spec.id, optimizer.spec.expires_unix) == ("SHOP_BUNDLED", NOW + 59 * 86_400)
    (tmp_path / "trimtab.toml").write_text(f'[defaults]\nspec = "{REFERENCE}"\n')
    assert load_config(tmp_path / "trimtab.toml").defaults.spec == REFERENCE
