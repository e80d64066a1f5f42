from __future__ import annotations

import threading
from pathlib import Path

import pytest

from trimtab.embedded import template
from trimtab.embedded.account import serving_account
from trimtab.embedded.binaries import Binaries
from trimtab.embedded.template import initdb_arguments, template_directory
from trimtab.errors import EmbeddedError


@pytest.mark.parametrize("version", [(13, 0), (15, 3), (17, 9)])
def test_older_initdb_gets_no_option_that_it_does_not_know(version: tuple[int, int]) -> None:
    arguments = initdb_arguments(version)
    assert "--no-data-checksums" not in arguments
    assert any("builtin" in argument for argument in arguments) == (version >= (17, 0))


@pytest.mark.server
def test_two_that_ask_at_once_get_one_finished_template(
    binaries: Binaries, run_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIMTAB_CACHE", str(run_directory))
    answers: list[Path] = []
    account = serving_account()
    asking = [threading.Thread(target=lambda: answers.append(template_directory(binaries, account))) for _ in range(3)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert len(answers) == 3
    assert len(set(answers)) == 1
    assert (answers[0] / "PG_VERSION").read_text().strip() == str(binaries.version[0])
    assert sorted(path.name for path in (run_directory / "templates").iterdir()) == sorted(
        [answers[0].parent.name, "lock"]
    )


@pytest.mark.server
def test_what_a_killed_maker_left_is_removed(
    binaries: Binaries, run_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIMTAB_CACHE", str(run_directory))
    left = run_directory / "templates" / ".new-00000000" / "data"
    left.mkdir(parents=True)
    template_directory(binaries, serving_account())
    assert not left.exists()


@pytest.mark.server
def test_a_failing_initdb_is_told_and_leaves_nothing(
    binaries: Binaries, run_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIMTAB_CACHE", str(run_directory))
    monkeypatch.setattr(template, "initdb_arguments", lambda version: ("--no-such-option",))
    with pytest.raises(EmbeddedError) as refused:
        template_directory(binaries, serving_account())
    assert refused.value.code == "embedded.initdb_failed"
    assert "no-such-option" in str(refused.value)
    assert [path.name for path in (run_directory / "templates").iterdir()] == ["lock"]
