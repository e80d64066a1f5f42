"""Every page in a real browser: nothing breaks the policy, axe finds nothing serious, all of it works by keyboard,
without scripts, and on narrow screens.
"""

from __future__ import annotations

import os
import shutil
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lifecycle.lives import DATABASE
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.web.app import web_app
from trimtab.web.rendering import link

from .conftest import Place, make_place
from .histories import DOWN, UP
from .test_pages import addresses

_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(_CHROMIUM is None, reason="there is no chromium on the PATH: apt-get install chromium"),
]
_NARROW = {"width": 320, "height": 640}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return make_place(tmp_path_factory.mktemp("shown"))


@pytest.fixture(scope="module")
def origin(shown: Place) -> Iterator[str]:
    import uvicorn

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        config = uvicorn.Config(web_app(shown.options), log_level="error", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(20)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=_CHROMIUM, args=arguments)
        yield found
        found.close()


def _read(place: Place) -> list[str]:
    found = [address for path, address in addresses(place).items() if not path.endswith((".svg", ".json"))]
    return [*found, link("/server", server=DOWN), f"/changes/{place.lives.refused}", "/nowhere"]


def test_no_page_breaks_the_policy_asks_elsewhere_or_has_a_serious_fault_for_readers(
    browser: Any, origin: str, shown: Place
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    axe = Axe()
    for scheme in ("light", "dark"):
        context = browser.new_context(color_scheme=scheme)
        page = context.new_page()
        said: list[str] = []
        page.on("console", lambda message, said=said: said.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error, said=said: said.append(str(error)))
        page.on(
            "request", lambda asked, said=said: said.append(asked.url) if not asked.url.startswith(origin) else None
        )
        for address in _read(shown):
            page.goto(origin + address)
            expected = ["404"] if address == "/nowhere" else []
            assert [text for text in said if not any(each in text for each in expected)] == [], address
            said.clear()
            found = axe.run(page).response["violations"]
            assert [each["id"] for each in found if each["impact"] in ("serious", "critical")] == [], address
        context.close()


def test_pages_fit_a_narrow_screen_and_paper(browser: Any, origin: str, shown: Place) -> None:
    page = browser.new_page(viewport=_NARROW)
    for address in _read(shown):
        page.goto(origin + address)
        assert page.evaluate("document.documentElement.scrollWidth") <= _NARROW["width"], address
    page.emulate_media(media="print")
    page.goto(origin + "/changes")
    assert page.locator("nav[aria-label=Pages]").is_hidden()
    assert page.locator("article").first.is_visible()
    page.close()


def test_all_is_readable_without_scripts(browser: Any, origin: str, shown: Place) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    for address in _read(shown):
        page.goto(origin + address)
        assert page.locator("h1").inner_text(), address
    page.goto(origin + link("/server", server=UP))
    assert page.locator("figure img").count() == 4
    page.goto(origin + "/changes/all")
    page.locator("select[name=outcome]").select_option("kept")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**outcome=kept**")
    page.locator("tbody tr").first.wait_for()
    assert page.locator("tbody tr").count() == 1
    context.close()


def test_the_keyboard_alone_reaches_the_content_and_what_has_the_focus_is_seen(browser: Any, origin: str) -> None:
    page = browser.new_page()
    page.goto(origin + "/changes")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")
    page.close()


def test_a_plot_is_drawn_point_by_point_where_scripts_run(browser: Any, origin: str) -> None:
    page = browser.new_page()
    page.goto(origin + link("/server", server=UP))
    page.locator("canvas").first.wait_for()
    page.locator("figure").nth(3).scroll_into_view_if_needed()
    assert page.locator(".u-legend").count() == 4
    page.close()


def test_what_is_new_appears_without_loading_the_page_again(browser: Any, origin: str, shown: Place) -> None:
    page = browser.new_page()
    page.goto(origin + "/ledger")
    page.wait_for_function("document.getElementById('live').textContent === 'live'")
    page.evaluate("window.kept = 'the same page'")
    with Ledger.open(shown.lives.path) as ledger:
        entry = ledger.append(Kind.RUN_STARTED, {"database": DATABASE}, run_id="r-live")
    page.locator(f"a[href='/ledger/{entry.seq}']").wait_for(timeout=15_000)
    assert page.evaluate("window.kept") == "the same page"
    page.close()
