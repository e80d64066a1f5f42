from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from trimtab.embedded.binaries import REQUIRED, Binaries
from trimtab.errors import EmbeddedError


def _imitate(directory: Path, names: tuple[str, ...], answer: str = "postgres (PostgreSQL) 17.2") -> None:
    for name in names:
        (directory / name).write_text(f"#!/bin/sh\necho '{answer}'\n")
        (directory / name).chmod(0o755)


def test_the_wheel_is_the_default() -> None:
    found = Binaries.find()
    assert found.version[0] == 18
    assert found.program("postgres").is_file()


@pytest.mark.parametrize("absent", REQUIRED)
def test_a_missing_program_is_named(tmp_path: Path, absent: str) -> None:
    _imitate(tmp_path, tuple(name for name in REQUIRED if name != absent))
    with pytest.raises(EmbeddedError) as refused:
        Binaries.find(tmp_path)
    assert refused.value.code == "embedded.binaries_missing"
    assert str(refused.value).endswith(f": {absent}")
    assert "--pg-bin" in refused.value.next_step


def test_a_directory_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError) as refused:
        Binaries.find(tmp_path / "absent")
    assert refused.value.code == "embedded.binaries_missing"


def test_a_missing_wheel_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EmbeddedError) as refused:
        Binaries.find()
    assert refused.value.code == "embedded.binaries_missing"


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        ("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)", (15, 14)),
        ("postgres (PostgreSQL) 19beta1", (19, 0)),
        ("postgres (PostgreSQL) 13.0", (13, 0)),
    ],
)
def test_versions_are_read_as_every_build_writes_them(tmp_path: Path, answer: str, version: tuple[int, int]) -> None:
    _imitate(tmp_path, REQUIRED, answer)
    assert Binaries.find(tmp_path).version == version


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("postgres (PostgreSQL) 12.22", "embedded.binaries_too_old"),
        ("something else", "embedded.binaries_unusable"),
    ],
)
def test_programs_that_cannot_serve_are_refused(tmp_path: Path, answer: str, code: str) -> None:
    _imitate(tmp_path, REQUIRED, answer)
    with pytest.raises(EmbeddedError) as refused:
        Binaries.find(tmp_path)
    assert refused.value.code == code


def test_a_program_that_is_not_there_is_refused_when_asked_for(binaries: Binaries) -> None:
    with pytest.raises(EmbeddedError) as refused:
        binaries.program("no_such_program")
    assert refused.value.code == "embedded.binaries_missing"


def test_client_programs_run_in_the_callers_environment(binaries: Binaries) -> None:
    environment = {"PGHOST": "/no/such/directory", "PGUSER": "me", "PGDATABASE": "shop"}
    done = binaries.run("psql", "-c", "SELECT 1", environment=environment)
    assert done.returncode == 2
    assert "/no/such/directory" in done.stderr


def test_local_programs_of_the_asked_version_are_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trimtab.embedded.binaries._PACKAGED", (f"{tmp_path}/{{major}}",))
    monkeypatch.setenv("PATH", "")
    (tmp_path / "17").mkdir()
    (tmp_path / "16").mkdir()
    _imitate(tmp_path / "17", REQUIRED)
    _imitate(tmp_path / "16", REQUIRED)  # which has another version than its place says
    assert Binaries.for_major(17).directory == tmp_path / "17"
    for major in (16, 14):
        assert Binaries.for_major(major) == Binaries.find()
    assert Binaries.for_major(14, tmp_path / "17").version == (17, 2)


def test_an_installation_on_the_path_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trimtab.embedded.binaries._PACKAGED", ())
    _imitate(tmp_path, REQUIRED)
    (tmp_path / "pg_config").write_text(f"#!/bin/sh\necho '{tmp_path}'\n")
    (tmp_path / "pg_config").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Binaries.for_major(17).directory == tmp_path
