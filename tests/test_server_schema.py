"""Everything that the OpenAPI document allows, and more, is asked: no answer is a fault of the server."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from gatecast.limits import Limits
from helpers_server import served

FEW, MANY = 4, 150
LONG = {("POST", "/v1/models"), ("POST", "/v1/backtest")}  # each loads PyTorch
LEFT_OUT = "/v1/models/{identity}/events"  # a stream of events
LIMITS = Limits(rows=500, horizon=50, seconds=20, training_seconds=5, training_queue=1, backtest_seconds=20, queue=4)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with served(tmp_path_factory.mktemp("data"), LIMITS) as running:
        yield running


def operations(server) -> dict[tuple[str, str], Callable]:
    document = server.client.get("/openapi.json").json()
    schema = schemathesis.openapi.from_dict(document)
    return {
        (operation.method.upper(), operation.path): operation
        for operation in (found.ok() for found in schema.get_all_operations())
        if operation.path != LEFT_OUT
    }


def ask_one(server, operation, examples) -> int:
    """Ask an operation; return how many requests were answered as they should be."""
    answered = []

    @seed(1)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(case=operation.as_strategy())
    def ask(case):
        response = case.call(base_url=server.url, timeout=60)
        answered.append(response.status_code)
        if response.status_code == 503:
            assert int(response.headers["retry-after"][0]) >= 1
            assert response.json()["error"]["code"] == "busy"
            return
        checks = [not_a_server_error, content_type_conformance, response_schema_conformance]
        case.validate_response(response, checks=checks)
        if response.status_code >= 400:
            assert set(response.json()["error"]) == {"code", "message", "status"}

    ask()
    return len(answered)


def ask_all(server, wanted, examples) -> dict[tuple[str, str], int]:
    """Ask every operation that is wanted; return how many requests of each were answered."""
    return {key: ask_one(server, each, examples) for key, each in operations(server).items() if wanted(key)}


def test_no_request_that_the_document_describes_is_a_fault(server):
    asked = ask_all(server, lambda key: key not in LONG, FEW)
    assert len(asked) >= 18 and all(count >= 1 for count in asked.values())
    assert httpx.get(f"{server.url}/ping").status_code == 200


@pytest.mark.slow
def test_no_request_that_the_document_describes_is_a_fault_in_full(server):
    asked = ask_all(server, lambda key: key not in LONG, MANY)
    asked |= ask_all(server, lambda key: key in LONG, 20)
    assert len(asked) >= 20 and all(count >= 1 for count in asked.values())
    assert httpx.get(f"{server.url}/ping").status_code == 200
