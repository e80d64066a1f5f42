"""Every page in a real browser: nothing breaks the policy, axe finds nothing serious, all of it works by keyboard,
without scripts, and on narrow screens.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.anchor.anchors import anchor, counted, level
from tests.lifecycle.lives import DATABASE, HOSTILE
from trimtab.api import anchors
from trimtab.ledger.entry import Kind
from trimtab.ledger.ledger import Ledger
from trimtab.lifecycle.anchor_chain import keep, store_of
from trimtab.web.rendering import link

from .browsing import CHROMIUM, faults, fits, served
from .conftest import Place, make_place
from .histories import DOWN, UP
from .test_pages import addresses

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the PATH: apt-get install chromium"),
]
DAY_NS = 86_400 * 10**9


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = make_place(tmp_path_factory.mktemp("shown"))
    with Ledger.open(place.lives.path) as ledger:
        for number in range(3):
            levels = [level(name, count=counted(mean_ms=2.0 + number)) for name in ("q1", HOSTILE)]
            keep(store_of(place.lives.path), ledger, anchor(*levels, time_ns=10**18 + number * DAY_NS))
    return place


@pytest.fixture(scope="module")
def origin(shown: Place) -> Iterator[str]:
    with served(shown.options) as found:
        yield found


def _read(place: Place) -> list[str]:
    found = [address for path, address in addresses(place).items() if not path.endswith((".svg", ".json"))]
    [last] = [each.anchor.id for each in anchors(ledger_path=place.lives.path)][-1:]
    return [*found, f"/anchors/{last}", link("/server", server=DOWN), f"/changes/{place.lives.refused}", "/nowhere"]


def test_no_page_breaks_the_policy_asks_elsewhere_is_too_wide_or_has_a_serious_fault_for_readers(
    browser: Any, origin: str, shown: Place
) -> None:
    context = browser.new_context()
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda asked: said.append(asked.url) if not asked.url.startswith(origin) else None)
    for address in _read(shown):
        page.goto(origin + address)
        expected = ["404"] if address == "/nowhere" else []
        assert [text for text in said if not any(each in text for each in expected)] == [], address
        said.clear()
        assert faults(page) == [], address
        assert fits(page), address
    context.close()


def test_what_is_printed_is_the_content_alone(browser: Any, origin: str) -> None:
    page = browser.new_page()
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
    # It is drawn once it comes into view.
    page.locator(".u-legend").nth(3).wait_for()
    assert page.locator(".u-legend").count() == 4
    page.close()


def test_what_is_new_appears_without_loading_the_page_again(browser: Any, origin: str, shown: Place) -> None:
    page = browser.new_page()
    page.goto(origin + "/ledger")
    page.locator("#live:text-is('live')").wait_for()
    page.evaluate("window.kept = 'the same page'")
    with Ledger.open(shown.lives.path) as ledger:
        entry = ledger.append(Kind.RUN_STARTED, {"database": DATABASE}, run_id="r-live")
    page.locator(f"a[href='/ledger/{entry.seq}']").wait_for(timeout=15_000)
    assert page.evaluate("window.kept") == "the same page"
    page.close()
