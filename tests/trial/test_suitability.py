from __future__ import annotations

from datetime import UTC, datetime

import pytest

from trimtab.errors import LabError
from trimtab.model.catalog import ServerIdentity, Setting
from trimtab.trial.clone import require_room
from trimtab.trial.lab_settings import memory_bytes, server_settings, session_settings
from trimtab.trial.suitability import is_source

STARTED = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
GIB = 1024**3


def identity(system: str | None = "71", oid: int = 5, started_at: str = STARTED.isoformat()) -> ServerIdentity:
    return ServerIdentity(180006, "shop", oid, "owner", system, started_at, is_standby=False, is_superuser=False)


@pytest.mark.parametrize("started_at", [STARTED.isoformat(), "2026-03-01T12:00:00Z", "2026-03-01 13:00:00+01", "odd"])
def test_the_source_is_known_by_system_database_and_start_time(started_at: str) -> None:
    assert is_source(identity(started_at=started_at), "71", 5, STARTED)


def test_a_byte_copy_of_the_source_may_be_the_lab() -> None:
    assert not is_source(identity(), "71", 5, datetime(2026, 3, 2, tzinfo=UTC))


def test_another_database_or_another_server_may_be_the_lab() -> None:
    assert not is_source(identity(), "71", 6, STARTED)
    assert not is_source(identity(), "72", 5, STARTED)


def test_where_the_system_identifier_is_hidden_the_start_time_decides() -> None:
    assert is_source(identity(system=None), "71", 5, STARTED)
    assert is_source(identity(), None, 5, STARTED)


def test_a_source_that_is_too_large_is_refused_before_the_disk_is_looked_at() -> None:
    with pytest.raises(LabError, match=r"at most 1\.0 GB, found 2\.0 GB") as refused:
        require_room(2 * GIB, max_size_bytes=GIB, free_bytes=0)
    assert refused.value.code == "lab.too_large"


def test_a_full_disk_is_refused_with_what_is_needed_and_what_was_found() -> None:
    with pytest.raises(LabError, match=r"needed 3\.0 GB, found 512 MB free") as refused:
        require_room(GIB, max_size_bytes=GIB, free_bytes=512 * 1024**2)
    assert refused.value.code == "lab.disk_full"
    require_room(GIB, max_size_bytes=GIB, free_bytes=3 * GIB)


def setting(name: str, value: str) -> Setting:
    return Setting(name, value, None, "user", "default", is_default=True)


def test_shared_buffers_are_the_sources_as_far_as_this_machine_goes() -> None:
    asked = {"shared_buffers": setting("shared_buffers", str(8 * GIB // 8192))}
    assert server_settings(asked, 64 * GIB)["shared_buffers"] == f"{8 * GIB // 1024}kB"
    assert server_settings(asked, 4 * GIB)["shared_buffers"] == f"{GIB // 1024}kB"


def test_the_session_takes_settings_of_planning_and_none_of_security() -> None:
    names = ["work_mem", "random_page_cost", "search_path", "row_security", "log_statement", "synchronous_commit"]
    assert sorted(session_settings({name: setting(name, "1") for name in names})) == sorted(names[:3])


def test_this_machine_has_some_memory() -> None:
    assert memory_bytes() > 64 * 1024**2
