"""Claims about files that are written whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from trimtab.durable import read_plain_file, write_durably


def test_it_is_there_for_this_user_alone_in_place_of_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    for content in (b"one", b"two"):
        write_durably(path, content)
        assert path.read_bytes() == content
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_not_to_be_replaced_is_left(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_durably(path, b"first", replaces=False)
    with pytest.raises(FileExistsError):
        write_durably(path, b"second", replaces=False)
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failure_leaves_what_was_there_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "kept.json"
    write_durably(path, b"before")
    monkeypatch.setattr(os if failing == "fsync" else Path, failing, fail)
    with pytest.raises(OSError, match="No space"):
        write_durably(path, b"after")
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_plain_file_is_not_waited_for(tmp_path: Path) -> None:
    pipe, place, file = tmp_path / "pipe", tmp_path / "place", tmp_path / "file"
    os.mkfifo(pipe)
    place.mkdir()
    file.write_bytes(b"abcdef")
    for wrong in (pipe, place):
        with pytest.raises(OSError, match=r"plain file|directory"):
            read_plain_file(wrong, 10)
    with pytest.raises(FileNotFoundError):
        read_plain_file(tmp_path / "nothing", 10)
    assert read_plain_file(file, 3) == b"abc"
