"""Approving in the browser signs as the command line does; no passphrase is kept, and none is taken from elsewhere."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from tests.lifecycle.lives import WAITING, intent_body
from trimtab.apply.approvals import approvals_of, signature_flaw
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.lifecycle import approving
from trimtab.lifecycle.ledger_view import LedgerViewer
from trimtab.report.approval_screen import screen
from trimtab.signing.locked import make_locked_key, unlocked_key
from trimtab.web.site import SiteOptions
from trimtab.web.users import Role, UserFile

from .conftest import Place, options_of

PASSPHRASE = "anns long passphrase"
Browse = Callable[[SiteOptions], TestClient]


@pytest.fixture(scope="module")
def ann(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("key") / "ann.pem"
    make_locked_key(path, PASSPHRASE)
    return path.read_bytes()


@pytest.fixture
def keyed(place: Place, ann: bytes) -> Place:
    place.keys.mkdir(mode=0o700)
    path = place.keys / "ann.pem"
    path.touch(mode=0o600)
    path.write_bytes(ann)
    return place


def _token(client: TestClient, address: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', client.get(address).text)
    assert found is not None
    return found[1]


def _sent(client: TestClient, place: Place, form: str, **fields: str) -> str:
    address = f"/approvals/{place.lives.request_id}"
    answer = client.post(f"{address}/{form}", data={"csrf": _token(client, address), **fields})
    if answer.status_code == 303:
        answer = client.get(answer.headers["location"])
    return answer.text


def _given(place: Place) -> int:
    with Ledger.open(place.lives.path) as ledger:
        found = approvals_of(ledger.entries(), place.lives.waiting)
    assert all(signature_flaw(each) is None for each in found)
    return len(found)


def test_the_page_shows_every_line_of_the_command_lines_screen(keyed: Place, browse: Browse) -> None:
    from html import unescape

    text = unescape(browse(keyed.options).get(f"/approvals/{keyed.lives.request_id}").text)
    request = approving.find(keyed.lives.path, keyed.lives.request_id).request
    for line in screen(request, None):
        assert line in text, line


def test_what_is_signed_here_is_an_approval_like_any_other(
    keyed: Place, browse: Browse, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = browse(keyed.options)
    text = _sent(client, keyed, "approve", approver="ann", passphrase=PASSPHRASE, hours="2")
    assert "Signed, and in the ledger" in text
    assert _given(keyed) == 1
    found = approving.find(keyed.lives.path, keyed.lives.waiting)
    assert (found.state, found.approved_by) == ("approved", ("ann",))
    assert PASSPHRASE not in caplog.text
    for path in keyed.lives.path.parent.rglob("*"):
        if path.is_file():
            assert PASSPHRASE.encode() not in path.read_bytes(), path


def test_an_approval_that_was_used_in_vain_counts_no_more_and_another_can_be_given(
    keyed: Place, browse: Browse
) -> None:
    client = browse(keyed.options)
    said = {"approver": "ann", "passphrase": PASSPHRASE, "hours": "2"}
    _sent(client, keyed, "approve", **said)
    with Ledger.open(keyed.lives.path) as ledger:
        [given] = approvals_of(ledger.entries(), keyed.lives.waiting)
        used = {
            **intent_body(keyed.lives.waiting, WAITING, "i7"),
            "approvals": [given.statement["nonce"]],
            "attempt": "t",
        }
        ledger.append(Kind.APPLY_INTENDED, used, run_id="r-2")
        address = f"/approvals/{keyed.lives.request_id}"
        assert "is being applied" in client.get(address).text
        ledger.append(Kind.APPLY_FAILED, {"intent_id": "i7", "code": "apply.busy", "message": "busy"}, run_id="r-2")
    found = approving.find(keyed.lives.path, keyed.lives.waiting)
    assert (found.state, found.approved_by) == ("waiting", ())
    assert "Approved by nobody" in client.get(address).text
    assert "Signed, and in the ledger" in _sent(client, keyed, "approve", **said)
    assert approving.find(keyed.lives.path, keyed.lives.waiting).state == "approved"


def test_an_approval_counts_until_it_expires(keyed: Place, browse: Browse) -> None:
    _sent(browse(keyed.options), keyed, "approve", approver="ann", passphrase=PASSPHRASE, hours="2")
    ahead_ns = [0]
    viewer = LedgerViewer(keyed.lives.path, clock=lambda: time.time_ns() + ahead_ns[0])
    assert [each.state for each in viewer.view().waiting] == ["approved"]
    ahead_ns[0] = 3 * 3600 * 10**9
    assert [each.state for each in viewer.view().waiting] == ["waiting"]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"approver": "ann", "passphrase": "a wrong passphrase", "hours": "2"}, "key.passphrase"),
        ({"approver": "bob", "passphrase": PASSPHRASE, "hours": "2"}, "key.unusable"),
        ({"approver": "agent", "passphrase": PASSPHRASE, "hours": "2"}, "approval.own"),
        ({"approver": "ann", "passphrase": PASSPHRASE, "hours": "25"}, "approval.hours"),
        ({"approver": "ann", "passphrase": PASSPHRASE, "hours": "nan"}, "approval.hours"),
        ({"approver": "../../ann", "passphrase": PASSPHRASE, "hours": "2"}, "usage.approver"),
    ],
)
def test_what_cannot_be_signed_is_told_and_the_passphrase_is_not_shown(
    keyed: Place, browse: Browse, fields: dict[str, str], code: str
) -> None:
    from trimtab.paths import approver_key_path

    options = keyed.options
    if code == "usage.approver":
        options = replace(options, key_path=approver_key_path)
    text = _sent(browse(options), keyed, "approve", **fields)
    assert code in text
    assert fields["passphrase"] not in text
    assert _given(keyed) == 0


def test_guesses_of_a_passphrase_are_counted(keyed: Place, browse: Browse) -> None:
    client = browse(keyed.options)
    guesses = [
        _sent(client, keyed, "approve", approver="ann", passphrase=f"guess {n} of many", hours="2") for n in range(6)
    ]
    assert ["web.tries" in text for text in guesses] == [False] * 5 + [True]
    assert "web.tries" in _sent(client, keyed, "approve", approver="ann", passphrase=PASSPHRASE, hours="2")
    assert _given(keyed) == 0


def test_who_has_much_to_sign_need_not_wait(keyed: Place, browse: Browse) -> None:
    client = browse(keyed.options)
    for _ in range(7):
        assert "Signed, and in the ledger" in _sent(
            client, keyed, "approve", approver="ann", passphrase=PASSPHRASE, hours="2"
        )
    assert _given(keyed) == 7


def test_what_was_signed_elsewhere_is_brought_and_what_was_altered_is_not(keyed: Place, browse: Browse) -> None:
    client = browse(keyed.options)
    address = f"/approvals/{keyed.lives.request_id}"
    away = keyed.lives.path.with_name("request.json")
    away.write_bytes(client.get(f"{address}/request.json").content)
    request = approving.read_request(away)
    said = approving.statement(request, "ann", hours=2.0, now_ns=time.time_ns())
    document = approving.approval_document(approving.signed(said, unlocked_key(keyed.keys / "ann.pem", PASSPHRASE)))
    altered = json.loads(json.dumps(document))
    altered["statement"]["expires_ns"] = str(int(altered["statement"]["expires_ns"]) + 1)
    bad = {
        "altered": json.dumps(altered).encode(),
        "none": b"{}",
        "binary": b"\xff\x00",
        "list": b"[]",
        "deep": b"[" * 9000,
    }
    for name, content in bad.items():
        answer = client.post(
            f"{address}/bring", data={"csrf": _token(client, address)}, files={"approval": ("a.json", content)}
        )
        assert answer.status_code in (400, 403), name
        assert _given(keyed) == 0
    answer = client.post(
        f"{address}/bring", data={"csrf": _token(client, address)},
        files={"approval": ("a.json", json.dumps(document).encode())},
    )  # fmt: skip
    assert answer.status_code == 303
    assert _given(keyed) == 1


def test_who_rejects_shows_whose_word_it_is(keyed: Place, browse: Browse) -> None:
    client = browse(keyed.options)
    assert "key.passphrase" in _sent(client, keyed, "reject", approver="ann", passphrase="no passphrase", reason="late")
    assert "usage.reason" in _sent(client, keyed, "reject", approver="ann", passphrase=PASSPHRASE, reason="")
    assert approving.find(keyed.lives.path, keyed.lives.waiting).state == "waiting"
    assert "Rejected" in _sent(client, keyed, "reject", approver="ann", passphrase=PASSPHRASE, reason="later")
    assert approving.find(keyed.lives.path, keyed.lives.waiting).state == "rejected"


def _remote(place: Place, browse: Browse, role: Role) -> TestClient:
    UserFile(place.lives.path.parent).put("carl", role, "carls long password")
    options = options_of(
        place.lives, place.keys, hosts=frozenset({"trimtab.example.com"}), is_local=False, is_secure=True
    )
    client = browse(options)
    sent = {"csrf": _token(client, "/login"), "name": "carl", "password": "carls long password", "next": "/"}
    assert client.post("/login", data=sent, headers={"origin": "https://trimtab.example.com"}).status_code == 303
    return client


def test_from_elsewhere_no_passphrase_is_taken(keyed: Place, browse: Browse) -> None:
    client = _remote(keyed, browse, Role.APPROVER)
    page = client.get(f"/approvals/{keyed.lives.request_id}").text
    assert 'type="password"' not in page
    text = _sent(client, keyed, "approve", approver="ann", passphrase=PASSPHRASE, hours="2")
    assert "web.elsewhere" in text
    assert _given(keyed) == 0
    assert "Rejected" in _sent(client, keyed, "reject", reason="later")
    found = approving.find(keyed.lives.path, keyed.lives.waiting)
    assert found.state == "rejected"


def test_a_viewer_approves_and_rejects_nothing(keyed: Place, browse: Browse) -> None:
    client = _remote(keyed, browse, Role.VIEWER)
    for form in ("approve", "reject", "bring"):
        assert "web.role" in _sent(client, keyed, form, reason="x", approver="ann", passphrase=PASSPHRASE, hours="1")
    assert approving.find(keyed.lives.path, keyed.lives.waiting).state == "waiting"


def test_a_request_that_there_is_not_is_not_found(place: Place, browse: Browse) -> None:
    assert browse(place.options).get("/approvals/q-nothing").status_code == 404
