"""`trimtab serve` from the command line: what it refuses to start with, what it says, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from trimtab.cli.serving import ServeOptions, serve, user
from trimtab.errors import UsageError
from trimtab.history.reading import History
from trimtab.web.app import web_app
from trimtab.web.rendering import environment
from trimtab.web.users import Role, UserFile

from .conftest import HOST, Place


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRIMTAB_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "state"


def _refused(options: ServeOptions) -> str:
    with pytest.raises(UsageError) as refused:
        serve(options, as_json=False)
    return refused.value.code


@pytest.mark.usefixtures("state")
def test_a_port_that_is_taken_is_told() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        assert _refused(ServeOptions(port=int(other.getsockname()[1]))) == "web.port"


def test_beyond_this_machine_it_needs_a_name_tls_and_users(state: Path) -> None:
    name = ("trimtab.example.com",)
    assert _refused(ServeOptions(host="0.0.0.0")) == "web.exposed"
    assert _refused(ServeOptions(host="::")) == "web.exposed"
    assert _refused(ServeOptions(names=name)) == "web.exposed"
    assert _refused(ServeOptions(names=name, is_behind_tls=True)) == "web.exposed"
    UserFile(state).put("ann", Role.VIEWER, "a long password of ann")
    assert _refused(ServeOptions(names=("a b/c",), is_behind_tls=True)) == "web.name"


def test_users_are_made_listed_and_removed(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRIMTAB_PASSPHRASE_COMMAND", "echo 'a long password of ann'")
    user("ann", role="approver", removes=False, lists=False, config=None, as_json=False)
    assert capsys.readouterr().out == "ann  approver\n"
    assert UserFile(state).verified("ann", "a long password of ann") is not None
    user(None, role="viewer", removes=False, lists=True, config=None, as_json=True)
    assert json.loads(capsys.readouterr().out)["users"] == [{"name": "ann", "role": "approver"}]
    user("ann", role="viewer", removes=True, lists=False, config=None, as_json=False)
    assert "nobody may log in" in capsys.readouterr().out
    for name, role, lists in ((None, "viewer", False), ("ann", "viewer", True), ("ann", "king", False)):
        with pytest.raises(UsageError) as refused:
            user(name, role=role, removes=False, lists=lists, config=None, as_json=False)
        assert refused.value.code == "web.user"


def test_what_every_page_needs_is_there_before_the_first_is_asked_for(place: Place) -> None:
    opened: list[int] = []

    def open_history() -> History:
        opened.append(len(environment().cache or ()))
        return place.options.open_history()

    options = replace(place.options, open_history=open_history)
    with TestClient(web_app(options), base_url=f"http://{HOST}") as client:
        assert opened == [len(environment().list_templates())]
        assert client.get("/").status_code == 200
        assert len(opened) == 1


def test_the_program_serves_until_it_is_ended(tmp_path: Path) -> None:
    environ = {**os.environ, "TRIMTAB_STATE": str(tmp_path / "state")}
    program = subprocess.Popen(
        [sys.executable, "-c", "from trimtab.cli.main import main; main()", "serve", "--port", "0", "--json"],
        cwd=tmp_path, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert program.stdout is not None
        told = ""
        while not told.rstrip().endswith("}"):
            line = program.stdout.readline()
            assert line, program.stderr.read() if program.stderr else ""
            told += line
        with urllib.request.urlopen(json.loads(told)["address"], timeout=60) as answer:
            assert b"<h1>Fleet</h1>" in answer.read()
    finally:
        program.send_signal(signal.SIGTERM)
        _, said = program.communicate(timeout=60)
    assert program.returncode == 143
    assert "Traceback" not in said
