"""What people do on the pages, in a real browser: operate, approve, log in; these and the report are read by axe."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.apply.sessions import Application
from trimtab.api_report import optimization_report
from trimtab.embedded.server import Server
from trimtab.lifecycle import approving
from trimtab.report.written import ReportFormat, report_bytes
from trimtab.signing.locked import make_locked_key
from trimtab.web.users import Role, UserFile

from .browsing import CHROMIUM, faults, fits, served
from .conftest import Place, make_place, operated

pytestmark = [
    pytest.mark.browser,
    pytest.mark.server,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the PATH: apt-get install chromium"),
]
PASSWORD = "a long password of olga"


@pytest.fixture(scope="module")
def staffed(tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = make_place(tmp_path_factory.mktemp("staffed"))
    UserFile(place.lives.path.parent).put("olga", Role.OPERATOR, PASSWORD)
    return place


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page that fails the test for whatever its console says is an error."""
    context = browser.new_context()
    found = context.new_page()
    said: list[str] = []
    found.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    found.on("pageerror", lambda error: said.append(str(error)))
    yield found
    context.close()
    assert [text for text in said if "status of 40" not in text] == []  # a refusal is no fault of the page


def test_on_this_machine_an_operator_freezes_thaws_and_ends_what_others_do(
    page: Any, staffed: Place, busy_server: Server, application: Application
) -> None:
    seen = application.begin()
    with served(operated(staffed, busy_server)) as origin:
        page.goto(f"{origin}/freezes")
        page.get_by_label("Why, for whoever").fill("incident 4711")
        page.get_by_label("Your name").fill("olga")
        page.get_by_label("Your password").fill("a wrong password")
        page.get_by_role("button", name="Freeze").click()
        page.get_by_role("alert").get_by_text("web.login").wait_for()
        assert faults(page) == []
        page.get_by_label("Your name").fill("olga")
        page.get_by_label("Your password").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.get_by_text("Frozen: from the next statement on").wait_for()
        assert faults(page) == []
        assert fits(page)
        page.goto(f"{origin}/changes")
        page.get_by_text("everything, by olga: incident 4711").wait_for()
        page.goto(f"{origin}/freezes")
        page.get_by_role("link", name="Thaw…").click()
        page.get_by_role("button", name="Thaw").click()  # not without the tick: the browser holds it back
        assert page.url.startswith(f"{origin}/freezes/thaw?")
        assert faults(page) == []
        assert fits(page)
        page.get_by_label("The reason for it is gone").check()
        page.get_by_role("button", name="Thaw").click()
        page.get_by_text("Thawed.").wait_for()
        page.get_by_text("Nothing is frozen.").first.wait_for()

        page.get_by_role("link", name="Activity").click()
        page.get_by_role("link", name="shop").click()
        page.get_by_role("link", name=f"Cancel {seen.pid}…").wait_for()
        assert faults(page) == []
        assert fits(page)
        page.get_by_role("link", name=f"Cancel {seen.pid}…").click()
        page.get_by_label("The backend as it is now").get_by_text("role clerk").wait_for()
        assert faults(page) == []
        assert fits(page)
        page.get_by_label(f"Cancel what backend {seen.pid} runs").check()
        page.get_by_role("button", name="Cancel").click()
        page.get_by_text(f"Cancelled: what backend {seen.pid} ran.").wait_for()
        page.goto("about:blank")  # before the site is gone
    assert application.ended_with() == "57014"
    assert not application.is_at_work()


def test_what_waits_is_approved_from_its_page(page: Any, tmp_path: Path) -> None:
    """A browser says of its own accord where a form comes from: that has to be taken."""
    place = make_place(tmp_path)
    make_locked_key(place.keys / "ann.pem", PASSWORD)
    with served(place.options) as origin:
        page.goto(f"{origin}/approvals/{place.lives.request_id}")
        here = page.locator("form", has_text="Sign and approve")
        here.get_by_label("Your name").fill("ann")
        here.get_by_label("Passphrase").fill(PASSWORD)
        here.get_by_role("button").click()
        page.get_by_text("Signed, and in the ledger.").wait_for()
        assert faults(page) == []
        page.goto("about:blank")
    assert approving.find(place.lives.path, place.lives.waiting).approved_by == ("ann",)


def test_a_freeze_shows_on_a_page_that_is_open(browser: Any, staffed: Place) -> None:
    from trimtab.apply.switch import Freeze, KillSwitch

    switch = KillSwitch(staffed.lives.path.parent)
    with served(staffed.options) as origin:
        page = browser.new_page()
        page.goto(f"{origin}/ledger")
        page.locator("#live:text-is('live')").wait_for()
        switch.freeze(Freeze("shop", "incident", "ann", time.time_ns()))
        try:
            page.get_by_text("database shop, by ann: incident").wait_for(timeout=30_000)
        finally:
            switch.thaw("shop")
        page.get_by_text("Nothing is frozen.").wait_for(timeout=30_000)
        page.close()


def test_the_login_can_be_read_and_used_by_keyboard_and_leads_to_where_one_was_going(page: Any, staffed: Place) -> None:
    options = replace(staffed.options, is_local=False)
    with served(options) as origin:
        page.goto(f"{origin}/freezes")
        assert page.url.startswith(f"{origin}/login?next=")
        assert faults(page) == []
        assert fits(page)
        page.get_by_label("Name").fill("olga")
        page.get_by_label("Password").fill("a wrong password")
        page.keyboard.press("Enter")
        page.get_by_role("alert").get_by_text("web.login").wait_for()
        assert faults(page) == []
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{origin}/freezes")
        page.get_by_text("As olga, operator").wait_for()
        assert faults(page) == []
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url("**/login*")
        page.goto("about:blank")


def test_the_report_that_is_handed_over_has_no_serious_fault_for_readers(
    page: Any, staffed: Place, tmp_path: Path
) -> None:
    report = optimization_report(timeframe="30d", ledger_path=staffed.lives.path)
    path = tmp_path / "report.html"
    path.write_bytes(report_bytes(report, ReportFormat.HTML))
    page.goto(path.as_uri())
    assert page.locator("h1").count() == 1
    assert faults(page) == []
    assert fits(page)
