"""What stands before every page: names, origins, sizes, how often; and the headers of every answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from trimtab.web.guard import HEADERS, MOST_BODY_BYTES, PAGE_POLICY
from trimtab.web.limits import RateLimit
from trimtab.web.site import SiteOptions

from .conftest import HOST, Place, options_of
from .test_pages import addresses


def test_every_answer_has_every_header(client: TestClient, read_place: Place) -> None:
    other = (
        "/nowhere", "/static/site.css", "/healthz", "/metrics", "/api/v1/openapi.json", "/api/v1/fleet",
        "/api/v1/nowhere", "/static/../site.py",
    )  # fmt: skip
    for address in (*addresses(read_place).values(), *other):
        answer = client.get(address)
        for name, value in HEADERS.items():
            if name == "content-security-policy" and ".svg" in address:
                continue
            assert answer.headers[name] == value, (address, name)
        assert "server" not in answer.headers


def test_the_policy_allows_nothing_inline_and_nothing_from_elsewhere(client: TestClient, read_place: Place) -> None:
    assert "unsafe" not in PAGE_POLICY
    assert PAGE_POLICY.startswith("default-src 'self';")
    for part in ("frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'", "object-src 'none'"):
        assert part in PAGE_POLICY
    picture = client.get(addresses(read_place)["/server/plot.svg"]).headers["content-security-policy"]
    assert picture.startswith("default-src 'none'")
    assert "script-src" not in picture


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "evil.example:8321", "127.0.0.1@evil.example", "", "[::2]:8321"]
)
def test_another_name_is_refused(client: TestClient, host: str) -> None:
    for address in ("/", "/api/v1/fleet", "/static/site.css", "/healthz", "/live"):
        assert client.get(address, headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8321", "LOCALHOST:9000", "[::1]:8321"])
def test_the_names_of_this_machine_are_taken(client: TestClient, host: str) -> None:
    assert client.get("/ledger", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": f"https://{HOST}"},
        {"origin": "http://127.0.0.1:9999"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_form_of_another_site_is_refused(client: TestClient, read_place: Place, headers: dict[str, str]) -> None:
    address = f"/approvals/{read_place.lives.request_id}/reject"
    answer = client.post(address, data={"reason": "x"}, headers=headers)
    assert answer.status_code == 403
    assert "another site" in answer.text


@pytest.mark.parametrize("token", ["", "x", "é", "0" * 5000])
def test_a_form_without_its_token_is_refused(
    place: Place, browse: Callable[[SiteOptions], TestClient], token: str
) -> None:
    client = browse(place.options)
    address = f"/approvals/{place.lives.request_id}"
    for has_session in (False, True):
        if has_session:
            client.get(address)
        for form in ("approve", "reject"):
            sent = {"csrf": token, "reason": "no", "approver": "ann", "passphrase": "p"}
            answer = client.post(f"{address}/{form}", data=sent)
            assert (answer.status_code, "web.csrf" in answer.text) == (403, True)
        assert client.post(f"{address}/bring", files={"approval": b"{}"}).status_code == 403


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE"])
def test_no_other_method_does_anything(client: TestClient, method: str) -> None:
    for address in ("/", "/changes", "/api/v1/changes", "/ledger/3"):
        assert client.request(method, address).status_code == 405


def test_bodies_and_addresses_are_bounded(client: TestClient, read_place: Place) -> None:
    address = f"/approvals/{read_place.lives.request_id}/bring"
    assert client.post(address, content=b"x" * (MOST_BODY_BYTES + 1)).status_code == 413

    def parts() -> Iterator[bytes]:
        for _ in range(40):
            yield b"x" * 10_000

    assert (
        client.post(address, content=parts(), headers={"content-type": "application/x-www-form-urlencoded"}).status_code
        == 413
    )
    assert client.get("/changes/all?search=" + "x" * 5000).status_code == 414
    assert client.get("/changes/all?search=" + "x" * 500).status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e/%2e%2e/config.py",
        "/static/....//app.py",
        "/static//etc/passwd",
        "/static/%00",
        "/anchors/..%2f..%2fledger.db",
        "/anchors/latest",
        "/specifications/one?name=../../etc/passwd",
        "/specifications/one?name=/etc/passwd",
        "/specifications/one?name=bundle:x/../../y.yaml",
        "/ledger/0x3",
        "/ledger/-1",
        "/ledger/99999999999999999999",
        "/changes/..%2f",
        "/api/v1/specification?name=/etc/passwd",
        "/api/v1/anchors/..%2fkey",
    ],
)
def test_no_path_leads_out(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code in (400, 404), path
    assert "root:" not in answer.text
    assert "Traceback" not in answer.text


def test_beyond_this_machine_requests_are_counted(
    read_place: Place, browse: Callable[[SiteOptions], TestClient]
) -> None:
    now = [0.0]
    remote = options_of(
        read_place.lives, read_place.keys, hosts=frozenset({"trimtab.example.com"}), is_local=False, is_secure=True,
        monotonic=lambda: now[0],
    )  # fmt: skip
    client = browse(remote)
    codes = [client.get("/healthz").status_code for _ in range(125)]
    assert codes.count(429) == 5
    refused = client.get("/healthz")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    now[0] += 10
    assert client.get("/healthz").status_code == 200


def test_a_rate_limit_fills_again_and_forgets_the_oldest() -> None:
    now = [0.0]
    limit = RateLimit(2, 0.5, lambda: now[0])
    assert [limit.wait_seconds("a") for _ in range(3)] == [0, 0, 2]
    assert limit.wait_seconds("b") == 0
    now[0] = 2.0
    assert limit.wait_seconds("a") == 0
    assert limit.wait_seconds("a") > 0


def test_refusals_show_no_traceback_and_no_file_of_ours(client: TestClient, tmp_path: Path) -> None:
    for address in ("/server?server=none", "/query?server=shop&query=none", "/api/v1/series?server=shop&metric=no"):
        answer = client.get(address)
        assert answer.status_code in (400, 404)
        assert "Traceback" not in answer.text
        assert "site-packages" not in answer.text
