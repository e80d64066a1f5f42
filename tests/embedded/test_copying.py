"""Claims about copies of data directories that fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from trimtab.embedded.copying import copy_contents
from trimtab.errors import EmbeddedError


def test_a_failed_copy_tells_the_first_reason_and_how_many_followed(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    for number in range(20):
        (source / f"file-{number}").write_text("x")
        (target / f"file-{number}").mkdir(parents=True)  # no file can be written there
    with pytest.raises(EmbeddedError) as refused:
        copy_contents(source, target, None)
    assert refused.value.code == "embedded.copy_failed"
    first, told, rest = str(refused.value).splitlines()
    assert first.endswith("could not be copied; its last lines:")
    assert "file-" in told
    assert rest.strip() == "(and 19 more messages)"
