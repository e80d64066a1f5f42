"""Pages of anchors and of kept advice: levels, lives and frontiers, as pages, pictures and documents."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from tests.anchor.anchors import anchor, counted, level
from tests.lifecycle.advised import write_advice
from tests.lifecycle.lives import HOSTILE
from trimtab.ledger.ledger import Ledger
from trimtab.lifecycle.anchor_chain import keep, store_of
from trimtab.lifecycle.kept_advice import DIRECTORY, kept_advice
from trimtab.web.site import SiteOptions

from .conftest import Place

DAY_NS = 86_400 * 10**9


@pytest.fixture
def anchored(place: Place, browse: Callable[[SiteOptions], TestClient]) -> tuple[TestClient, str]:
    """A browser, and the id of the last of three anchors."""
    with Ledger.open(place.lives.path) as ledger:
        for number in range(3):
            made = anchor(
                level("q1", [1.0, 2.5, 2.0], count=counted(mean_ms=2.0 + number)),
                level(HOSTILE, count=counted(share=0.4)),
                time_ns=10**18 + number * DAY_NS,
            )
            keep(store_of(place.lives.path), ledger, made)
    return browse(place.options), made.id


def test_anchors_are_listed_and_one_tells_its_levels_and_its_life(anchored: tuple[TestClient, str]) -> None:
    client, last = anchored
    assert client.get("/anchors").text.count("/anchors/a-") == 3
    page = client.get(f"/anchors/{last}")
    assert page.status_code == 200
    for told in ("response latency", "in force", "Five dimensions", "/plot.svg", "Levels of queries"):
        assert told in page.text, told
    assert "<script>alert" not in page.text
    picture = client.get(f"/anchors/{last}/plot.svg?series=0")
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/svg+xml")
    assert "<script>alert" not in picture.text
    assert client.get(f"/anchors/{last}/plot.svg?series=99").status_code == 400


def test_the_api_has_the_same_anchors_and_says_nothing_of_where_they_are(anchored: tuple[TestClient, str]) -> None:
    client, last = anchored
    listed = client.get("/api/v1/anchors").json()
    assert [each["state"] for each in listed] == ["in_force"] * 3
    assert listed[0]["id"] == last
    whole = client.get(f"/api/v1/anchors/{last}").json()
    assert whole["anchor"]["id"] == last
    assert "path" not in whole


def test_kept_advice_is_shown_with_its_frontier_and_what_is_none_is_left_out(
    place: Place, browse: Callable[[SiteOptions], TestClient]
) -> None:
    client = browse(place.options)
    nothing = client.get("/indexes").text
    assert "not measured" in nothing
    assert "trimtab indexes --database NAME" in nothing
    write_advice(place.lives.path, strategy_id=place.lives.kept, name=HOSTILE, database=HOSTILE)
    write_advice(place.lives.path, run_id="r-0", at_ns=10**17, database=None)
    (place.lives.path.parent / DIRECTORY / "2.json").write_text("no JSON", "utf-8")
    assert [each.run_id for each in kept_advice(place.lives.path)] == ["r-1", "r-0"]
    assert [each.run_id for each in kept_advice(place.lives.path, database=HOSTILE)] == ["r-1"]
    listed = client.get("/api/v1/advice").json()
    assert [(each["run_id"], each["at_ns"]) for each in listed] == [("r-1", str(10**18)), ("r-0", str(10**17))]
    assert [point["cost"] for point in listed[0]["frontier"]] == [9.5, 1.5]
    page = client.get("/indexes").text
    assert "2001-09-09 01:46:40" in page
    assert "the planner, on the statistics twin" in page
    assert "<script>alert" not in page
    picture = client.get("/indexes/frontier.svg?run=r-1")
    assert picture.status_code == 200
    assert "2 sets of indexes that no other one beats" in picture.text
    assert client.get("/indexes/frontier.svg?run=r-9").status_code == 404
