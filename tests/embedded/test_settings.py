from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.embedded.settings import checked_overrides, configuration, default_settings
from trimtab.errors import EmbeddedError


@pytest.mark.parametrize(
    "name", ["listen_addresses", "PORT", "unix_socket_directories", "hba_file", "x = 1\nport", "", "a b"]
)
def test_a_setting_that_would_open_or_move_the_server_is_refused(name: str) -> None:
    with pytest.raises(EmbeddedError) as refused:
        checked_overrides({name: "1"})
    assert refused.value.code == "embedded.setting_refused"


def test_extensions_settings_are_allowed() -> None:
    assert checked_overrides({"pg_stat_statements.MAX": "9"}) == {"pg_stat_statements.max": "9"}


@given(value=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_no_value_can_add_a_line_to_the_file(value: str) -> None:
    text = configuration({"work_mem": value}, purpose=value, socket_directory=Path("/r/s"))
    names = [line.split(" ")[0] for line in text.split("\n")[:-1]]
    assert names[:2] == ["include", "work_mem"]
    assert len(names) == len(set(names)) == 7


def test_small_shared_memory_is_not_relied_on() -> None:
    assert default_settings((18, 0), 64 * 1024**2)["dynamic_shared_memory_type"] == "mmap"
    assert "dynamic_shared_memory_type" not in default_settings((18, 0), 8 * 1024**3)
    assert "dynamic_shared_memory_type" not in default_settings((18, 0), None)


def test_settings_that_a_version_does_not_know_are_left_out() -> None:
    assert "client_connection_check_interval" not in default_settings((13, 9))
