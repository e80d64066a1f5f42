"""Claims about settings: which way is weaker, and that what is not known is not called harmless."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.security.difference import Effect
from trimtab.security.setting_rules import _RULES, rule_of, setting_effect
from trimtab.spec.never import GUARDING_SETTINGS, never_pattern

W, S, N, U = Effect.WEAKENED, Effect.STRENGTHENED, Effect.NEUTRAL, Effect.UNKNOWN


@pytest.mark.parametrize(
    ("name", "before", "after", "effect"),
    [
        ("fsync", "on", "off", W),
        ("fsync", "off", "ON", S),
        ("fsync", "true", "0", W),
        ("fsync", None, "off", U),
        ("fsync", None, "on", N),
        ("synchronous_commit", "on", "local", W),
        ("synchronous_commit", "on", "remote_apply", S),
        ("wal_level", "logical", "minimal", W),
        ("ssl_min_protocol_version", "TLSv1.2", "TLSv1.1", W),
        ("ssl_min_protocol_version", "TLSv1.2", "", W),
        ("ssl_max_protocol_version", "TLSv1.2", "", S),
        ("shared_preload_libraries", "pgaudit, pg_stat_statements", "pg_stat_statements", W),
        ("shared_preload_libraries", "pg_stat_statements", "pg_stat_statements,other", U),
        ("listen_addresses", "localhost", "localhost, *", W),
        ("listen_addresses", "*", "localhost", W),
        ("log_min_duration_statement", "1000", "-1", W),
        ("log_min_duration_statement", "-1", "1000", S),
        ("log_min_messages", "warning", "error", W),
        ("log_min_messages", "error", "warning", S),
        ("log_file_mode", "384", "0644", W),
        ("log_file_mode", "0600", "384", N),
        ("archive_command", "sha256:a", "", W),
        ("archive_command", "", "sha256:a", S),
        ("archive_command", "sha256:a", "sha256:b", U),
        ("pgaudit.log", "write", "write, ddl", S),
        ("pgaudit.log", "all", "all, -misc", U),
        ("session_replication_role", "origin", "local", N),
        ("work_mem", "4096", "8192", N),
        ("checkpoint_timeout", "300", "3600", N),
        ("app.tenant", "a", "b", U),
        ("plpgsql.extra_errors", "a", "b", N),
    ],
)
def test_a_setting_is_judged(name: str, before: str | None, after: str | None, effect: Effect) -> None:
    assert setting_effect(name, before, after)[1] is effect


@given(st.sampled_from(sorted(_RULES)), st.text(max_size=8), st.text(max_size=8))
def test_no_value_breaks_a_rule_and_the_same_value_is_neutral(name: str, before: str, after: str) -> None:
    code, effect = setting_effect(name, before, after)
    assert code.startswith("posture.")
    assert setting_effect(name, before, before)[1] is Effect.NEUTRAL
    back = setting_effect(name, after, before)[1]
    if effect is Effect.STRENGTHENED:
        assert back in (Effect.WEAKENED, Effect.UNKNOWN)


@pytest.mark.parametrize("name", [name for name in sorted(_RULES) if rule_of(name) is not None])
def test_every_setting_with_a_rule_is_one_that_no_specification_can_allow(name: str) -> None:
    assert never_pattern(name) is not None


@pytest.mark.parametrize("pattern", GUARDING_SETTINGS)
def test_every_setting_that_guards_something_was_thought_of(pattern: str) -> None:
    """By a rule, as unknown, or as one of those that only make things fast: never by being forgotten."""
    name = pattern.replace("*", "x") if pattern.endswith("*") else pattern
    assert rule_of(name) is not None or setting_effect(name, "a", "b") == ("posture.setting", Effect.NEUTRAL)
