"""The JSON API answers what its OpenAPI document promises; Prometheus and health are what they should be."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.routing import Route
from starlette.testclient import TestClient

from trimtab.web.api_v1 import BASE, OPERATIONS, openapi
from trimtab.web.app import web_app
from trimtab.web.rendering import link
from trimtab.web.site import SiteOptions

from .conftest import Place, options_of
from .histories import DOWN, QUERY, UP


def _given(place: Place) -> dict[str, str]:
    return {
        "server": UP, "metric": "calls_per_second", "query": QUERY, "strategy_id": place.lives.kept, "seq": "3",
        "name": "DB_GOVERNANCE_SPEC_V2", "before": "DATABASE_OPTIMIZATION_SPEC_V4", "after": "DB_GOVERNANCE_SPEC_V2",
    }  # fmt: skip


def test_the_document_describes_the_routes_and_no_other(client: TestClient, read_place: Place) -> None:
    routes = {
        route.path
        for route in web_app(read_place.options).routes
        if isinstance(route, Route) and route.path.startswith(BASE)
    }
    served = client.get("/api/v1/openapi.json").json()
    assert set(served["paths"]) == routes - {f"{BASE}/openapi.json"}
    assert served == json.loads(json.dumps(openapi()))
    ids = [each["get"]["operationId"] for each in served["paths"].values()]
    assert len(ids) == len(set(ids))
    assert all(each["get"]["summary"] for each in served["paths"].values())


def test_every_reference_in_the_document_leads_somewhere(client: TestClient) -> None:
    text = client.get("/api/v1/openapi.json").text
    schemas = json.loads(text)["components"]["schemas"]
    wanted = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert wanted - set(schemas) == set()


@pytest.mark.parametrize("path", [each.path for each in OPERATIONS if "anchor_id" not in each.path])
def test_every_answer_is_of_its_schema(client: TestClient, read_place: Place, path: str) -> None:
    operation = next(each for each in OPERATIONS if each.path == path)
    given = _given(read_place)
    address = path
    for parameter in operation.parameters:
        if parameter.is_in_path:
            address = address.replace(f"{{{parameter.name}}}", given[parameter.name])
    wanted = {p.name: given[p.name] for p in operation.parameters if p.is_needed and not p.is_in_path}
    answer = client.get(link(BASE + address, **wanted))
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = dict(openapi())
    schema = document["paths"][BASE + path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    whole = {**schema, "components": document["components"]}
    jsonschema.Draft202012Validator(whole).validate(answer.json())

    def none_such(constant: str) -> None:
        raise AssertionError(constant)

    json.loads(answer.text, parse_constant=none_such)  # NaN and infinities are no JSON


@pytest.mark.parametrize(
    ("address", "code", "status"),
    [
        ("/api/v1/server", "web.parameter", 400),
        ("/api/v1/server?server=no", "history.no_server", 404),
        ("/api/v1/server?server=shop&seconds=0", "web.parameter", 400),
        ("/api/v1/server?server=shop&seconds=x", "web.parameter", 400),
        ("/api/v1/queries?server=shop&sort=secret", "web.parameter", 400),
        ("/api/v1/queries?server=shop&limit=501", "web.parameter", 400),
        ("/api/v1/changes?stage=nowhere", "web.parameter", 400),
        ("/api/v1/changes/s-nothing", "show.unknown", 404),
        ("/api/v1/ledger/100000", "ledger.unknown", 404),
        ("/api/v1/ledger/x", "web.parameter", 400),
        ("/api/v1/anchors/a-nothing", "anchor.unknown", 404),
        ("/api/v1/specification?name=no", "web.not_found", 404),
        ("/api/v1/nowhere", "web.not_found", 404),
    ],
)
def test_what_is_refused_has_its_code(client: TestClient, address: str, code: str, status: int) -> None:
    answer = client.get(address)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_pages_of_the_api_hold_everything_once(client: TestClient) -> None:
    seen: list[str] = []
    offset = 0
    while True:
        found = client.get(f"/api/v1/changes?limit=3&offset={offset}").json()
        seen += [card["strategy_id"] for card in found["cards"]]
        offset += 3
        if offset >= found["total"]:
            break
    assert len(seen) == len(set(seen)) == 8
    first = client.get("/api/v1/ledger?limit=2").json()
    second = client.get("/api/v1/ledger?limit=2&offset=2").json()
    numbers = [entry["seq"] for page in (first, second) for entry in page["page"]]
    assert numbers == list(range(first["entries"], first["entries"] - 4, -1))


def test_prometheus_reads_the_metrics_and_what_is_not_measured_has_none(client: TestClient) -> None:
    families = {each.name: each for each in text_string_to_metric_families(client.get("/metrics").text)}
    up = {sample.labels["server"]: sample.value for sample in families["trimtab_server_up"].samples}
    assert (up[UP], up[DOWN]) == (1.0, 0.0)
    assert [sample.value for sample in families["trimtab_approvals_waiting"].samples] == [1.0]
    calls = families["trimtab_server_calls_per_second"].samples
    assert [sample.labels["server"] for sample in calls] == [UP]
    assert families["trimtab_server_host_cpu_ratio"].samples == []


def test_health_says_what_cannot_be_read(place: Place, browse: Callable[[SiteOptions], TestClient]) -> None:
    assert browse(place.options).get("/healthz").json()["status"] == "ok"
    ledger = place.lives.path.with_name("other") / "ledger.db"
    ledger.parent.mkdir()
    ledger.write_bytes(b"no ledger at all" * 300)
    broken = browse(options_of(place.lives, place.keys, ledger_path=ledger))
    answer = broken.get("/healthz")
    assert (answer.status_code, answer.json()["ledger"]) == (503, "ledger.corrupt")
    assert broken.get("/changes").status_code == 503
    assert 'trimtab_readable{what="ledger"} 0.0' in broken.get("/metrics").text
