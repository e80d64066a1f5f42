"""Claims about warnings: known holes by version, weak hashes, values that get about, personal columns."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trimtab.embedded.server import Server
from trimtab.model.change import CreateIndex, CreateStatistics, DropIndex, SetSetting
from trimtab.security.advisories import ADVISORIES, AS_OF, open_advisories
from trimtab.security.findings import Severity, change_warnings, findings
from trimtab.security.snapshot import Attribute, Row, SecuritySnapshot
from trimtab.security.transport import OwnConnection, own_connection, transport_of

from .vault import look_anew

NOW = SecuritySnapshot("d", 1, "1", 180006, "r", 1, {})


def _codes(snapshot: SecuritySnapshot) -> set[tuple[str, str]]:
    return {(each.code, each.subject) for each in findings(snapshot)}


def _settings(**values: str) -> SecuritySnapshot:
    rows: dict[str, Row] = {name.replace("__", "."): {"value": value} for name, value in values.items()}
    return replace(NOW, sections={"settings": rows})


@pytest.mark.parametrize(
    ("version", "id", "is_open"),
    [
        (170005, "CVE-2025-8713", True),
        (170006, "CVE-2025-8713", False),
        (130021, "CVE-2025-8713", True),
        (130022, "CVE-2025-8713", False),
        (180000, "CVE-2025-8713", False),
        (160002, "CVE-2024-4317", True),
        (160000, "CVE-2024-0985", False),
        (150005, "CVE-2024-0985", True),
        (180004, "CVE-2026-14669", True),
        (180006, "CVE-2026-14669", False),
        (150003, "CVE-2026-6638", False),
    ],
)
def test_a_version_is_open_to_what_is_fixed_after_it(version: int, id: str, is_open: bool) -> None:
    assert (id in {each.id for each in open_advisories(version)}) == is_open


def test_a_fix_by_hand_is_missed_when_the_view_is_the_old_one() -> None:
    assert "CVE-2024-4317" not in {each.id for each in open_advisories(160010, has_fixed_statistics_view=True)}
    assert "CVE-2024-4317" in {each.id for each in open_advisories(160010, has_fixed_statistics_view=False)}


def test_the_table_of_advisories_is_dated_and_names_each_once() -> None:
    assert len(AS_OF.split("-")) == 3
    assert len({each.id for each in ADVISORIES}) == len(ADVISORIES)
    assert all(each.fixed and each.url.endswith(f"{each.id}/") for each in ADVISORIES)


def test_weak_hashes_and_open_doors_are_high() -> None:
    md5: dict[str, Row] = {'"app"': {"hash": "md5"}}
    hba: dict[str, Row] = {
        "host all": {"method": "trust", "type": "host"},
        "local all": {"method": "trust", "type": "local"},
    }
    found = findings(replace(NOW, sections={"passwords": md5, "hba": hba}))
    assert {(each.code, each.subject) for each in found} == {
        ("warning.password_hash", '"app"'),
        ("warning.hba_unproven", "host all"),
    }
    assert {each.severity for each in found} == {Severity.HIGH}


@pytest.mark.parametrize(
    ("settings", "subject"),
    [
        ({"auto_explain__log_min_duration": "100"}, "auto_explain.log_min_duration"),
        ({"pg_stat_statements__track_utility": "on"}, "pg_stat_statements.track_utility"),
        ({"pg_stat_monitor__pgsm_normalized_query": "off"}, "pg_stat_monitor.pgsm_normalized_query"),
        ({"log_parameter_max_length": "-1", "log_statement": "all"}, "log_parameter_max_length"),
        ({"password_encryption": "md5"}, "password_encryption"),
    ],
)
def test_settings_by_which_values_get_about_are_told_of(settings: dict[str, str], subject: str) -> None:
    assert subject in {each.subject for each in findings(_settings(**settings))}


def test_settings_by_which_nothing_gets_about_are_not() -> None:
    quiet = _settings(
        log_parameter_max_length="-1",
        log_statement="none",
        log_min_duration_statement="-1",
        pg_stat_statements__track_utility="off",
        password_encryption="scram-sha-256",
    )
    assert findings(quiet) == ()


@pytest.mark.parametrize(("version", "is_told"), [(130023, True), (140025, True), (150019, False), (180006, False)])
def test_a_version_that_gets_no_fixes_any_more_is_warned_of(version: int, is_told: bool) -> None:
    told = {subject for code, subject in _codes(replace(NOW, version=version)) if code == "warning.unsupported"}
    assert told == ({str(version)} if is_told else set())


def test_what_could_not_be_read_is_a_warning() -> None:
    assert ("warning.unreadable", "hba") in _codes(replace(NOW, unreadable={"hba": "needs a superuser"}))


@pytest.mark.server
def test_a_change_that_copies_values_of_a_personal_column_is_warned_of(server: Server) -> None:
    seen = look_anew(server)
    index = CreateIndex("public", "account", "i", "USING btree (secret)", ("secret",))
    statistics = CreateStatistics("public", "account", "s", ("owner", "secret"), ("mcv",))
    for change in (index, statistics):
        assert [each.code for each in change_warnings(change, seen)] == ["warning.personal_column"]
    assert change_warnings(replace(index, key_columns=("owner",)), seen) == ()
    assert change_warnings(DropIndex("public", "account", "i", "USING btree (secret)", ("secret",)), seen) == ()


@pytest.mark.parametrize(
    ("name", "value", "codes"),
    [
        ("work_mem", "65536", ["warning.memory"]),
        ("max_parallel_workers_per_gather", "8", ["warning.parallel_workers"]),
        ("max_parallel_workers_per_gather", "1", []),
        ("random_page_cost", "1.1", []),
    ],
)
def test_a_setting_that_takes_more_of_the_server_is_warned_of(name: str, value: str, codes: list[str]) -> None:
    now = _settings(max_connections="100", max_parallel_workers_per_gather="2")
    found = change_warnings(SetSetting("database", "d", name, value), now)
    assert [each.code for each in found] == codes


OWN = OwnConnection(is_local=True, version=None, cipher=None, bits=None, is_gss_encrypted=False)


@pytest.mark.parametrize(
    ("groups", "told"),
    [
        ("X25519MLKEM768", "post_quantum"),
        ("X25519MLKEM768:X25519", "mixed"),
        ("X25519:prime256v1", "classical"),
        ("prime256v1", "classical"),
    ],
)
def test_a_key_exchange_is_post_quantum_only_when_nothing_else_is_offered(groups: str, told: str) -> None:
    seen = transport_of(_settings(ssl="on", ssl_groups=groups), OWN)
    assert (seen.key_exchange, seen.is_post_quantum) == (told, told == "post_quantum")


@pytest.mark.parametrize(("settings", "told"), [({"ssl": "off"}, "none"), ({"ssl": "on"}, "unknown"), ({}, "unknown")])
def test_without_tls_or_knowledge_nothing_is_claimed(settings: dict[str, str], told: str) -> None:
    assert transport_of(_settings(**settings), OWN).key_exchange == told


@pytest.mark.server
def test_the_own_connection_is_told_as_the_server_sees_it(server: Server) -> None:
    from trimtab.db.connection import connect

    with connect(server.dsn("vault"), read_only=True) as conn:
        own = own_connection(conn)
    assert (own.is_local, own.version) == (True, None)
    weak: Attribute = transport_of(look_anew(server), own).weak_hashes
    assert weak == 0
