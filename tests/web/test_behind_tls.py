"""`trimtab serve --behind-tls` as people run it, through a proxy that terminates TLS: sessions, forms, who asks."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.tls_proxy import NAME, TlsProxy, tls_proxy
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.web.users import Role, UserFile

from .browsing import CHROMIUM

PASSWORD = "a long password of carl"
COOKIE = "__Host-trimtab_session"


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsProxy]:
    place = tmp_path_factory.mktemp("behind")
    (place / "state").mkdir()
    UserFile(place / "state").put("carl", Role.OPERATOR, PASSWORD)
    command = [sys.executable, "-c", "from trimtab.cli.main import main; main()", "serve", "--port", "0", "--json"]
    environ = {**os.environ, "TRIMTAB_STATE": str(place / "state")}
    with subprocess.Popen(
        [*command, "--name", NAME, "--behind-tls"], cwd=place, env=environ, stdout=subprocess.PIPE, text=True
    ) as program:
        try:
            assert program.stdout is not None
            told = ""
            while not told.rstrip().endswith("}"):
                told += program.stdout.readline()
                assert program.poll() is None
            with tls_proxy(json.loads(told)["port"], place) as found:
                yield found
        finally:
            program.send_signal(signal.SIGTERM)
            assert program.wait(60) == 143


@pytest.fixture
def browse(proxy: TlsProxy) -> Iterator[Callable[[str], httpx.Client]]:
    """Gives clients that ask from an address of this machine; the proxy tells the site which."""
    opened = []

    def begin(address: str) -> httpx.Client:
        transport = httpx.HTTPTransport(verify=proxy.trusting, local_address=address)
        host = f"{NAME}:{proxy.port}"
        headers = {"host": host, "origin": f"https://{host}"}
        opened.append(
            httpx.Client(transport=transport, base_url=f"https://localhost:{proxy.port}", headers=headers, timeout=60)
        )
        return opened[-1]

    yield begin
    for each in opened:
        each.close()


def _log_in(client: httpx.Client, name: str = "carl", password: str = PASSWORD, **headers: str) -> httpx.Response:
    token = re.search(r'name="csrf" value="([^"]+)"', client.get("/login").text)
    assert token is not None
    sent = {"csrf": token[1], "name": name, "password": password, "next": "/ledger"}
    return client.post("/login", data=sent, headers=headers)


def test_a_session_begins_in_a_cookie_that_goes_over_tls_alone(browse: Callable[[str], httpx.Client]) -> None:
    client = browse("127.0.0.2")
    first = client.get("/ledger")
    assert (first.status_code, first.headers["location"]) == (303, "/login?next=%2Fledger")
    answer = _log_in(client)
    assert (answer.status_code, answer.headers["location"]) == (303, "/ledger")
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith(f"{COOKIE.lower()}=")
    assert {"secure", "httponly", "samesite=strict", "path=/"} <= {part.strip() for part in cookie.split(";")}
    page = client.get("/ledger")
    assert "carl, operator" in page.text
    with client.stream("GET", "/live") as events:
        assert events.headers["x-accel-buffering"] == "no"
        assert next(events.iter_lines()) == "retry: 5000"
    token = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert token is not None
    for origin in (f"http://{client.headers['host']}", f"https://{NAME}", "https://evil.example"):
        assert client.post("/logout", data={"csrf": token[1]}, headers={"origin": origin}).status_code == 403
    assert client.post("/logout", data={"csrf": token[1]}).status_code == 303
    assert client.get("/ledger").status_code == 303


def test_guesses_of_one_client_do_not_lock_out_another(browse: Callable[[str], httpx.Client]) -> None:
    guesser, other = browse("127.0.0.3"), browse("127.0.0.4")
    forged = {"x-forwarded-for": "192.0.2.7"}  # what a client says of itself is none of the proxy's
    statuses = [_log_in(guesser, f"somebody{n}", "a wrong password", **forged).status_code for n in range(6)]
    assert statuses == [403] * 5 + [429]
    assert _log_in(other).status_code == 303


def test_it_answers_to_its_name_alone(browse: Callable[[str], httpx.Client]) -> None:
    client = browse("127.0.0.5")
    for host in ("evil.example", f"{NAME}.evil.example"):
        assert client.get("/login", headers={"host": host}).status_code == 421
    assert client.get("/healthz", headers={"host": NAME}).status_code == 200


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the PATH: apt-get install chromium")
def test_a_browser_keeps_the_session_to_this_host_and_hears_what_is_new(proxy: TlsProxy) -> None:
    from playwright.sync_api import sync_playwright

    arguments = [f"--host-resolver-rules=MAP {NAME} 127.0.0.1", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser: Any = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        context = browser.new_context(ignore_https_errors=True)  # its certificate is signed by itself
        page = context.new_page()
        page.goto(f"https://{NAME}:{proxy.port}/ledger")
        page.get_by_label("Name").fill("carl")
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.get_by_text("carl, operator").wait_for()
        assert page.url == f"https://{NAME}:{proxy.port}/ledger"
        page.locator("#live:text-is('live')").wait_for()
        [cookie] = context.cookies()
        assert (cookie["name"], cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (
            COOKIE,
            True,
            True,
            "Strict",
        )
        assert cookie["domain"] == NAME  # without a dot: no other host of the domain is sent it
        page.goto(f"https://{NAME}:{proxy.port}/freezes")
        page.get_by_label("Why, for whoever").fill("incident 4711")
        page.get_by_role("button", name="Freeze").click()
        page.get_by_text("Frozen: from the next statement on").wait_for()
        page.goto("about:blank")
        browser.close()


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the PATH: apt-get install chromium")
def test_a_page_that_is_open_keeps_what_it_shows_when_its_user_is_removed(proxy: TlsProxy) -> None:
    from playwright.sync_api import sync_playwright

    state = proxy.certificate.parent / "state"
    UserFile(state).put("dora", Role.OPERATOR, PASSWORD)
    arguments = [f"--host-resolver-rules=MAP {NAME} 127.0.0.1", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser: Any = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        context = browser.new_context(ignore_https_errors=True)
        page, form = context.new_page(), context.new_page()
        page.goto(f"https://{NAME}:{proxy.port}/ledger")
        page.get_by_label("Name").fill("dora")
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.locator("#live:text-is('live')").wait_for()
        form.goto(f"https://{NAME}:{proxy.port}/freezes")
        UserFile(state).remove("dora")
        with Ledger.open(state / "ledger.db") as ledger:
            ledger.append(Kind.RUN_FAILED, {"code": "none"}, run_id="r-1")
        page.get_by_text(re.compile("logged out|not live")).wait_for()
        assert page.locator("#fresh").is_visible()
        form.get_by_role("button", name="Freeze").click()
        form.get_by_text("nothing was done").wait_for()
        browser.close()
