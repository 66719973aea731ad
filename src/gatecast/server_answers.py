"""Every refusal of the server is typed, and every answer counted; which refusals a route may give."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from gatecast import wire
from gatecast.errors import GatecastError
from gatecast.limits import Refusal, refusal_of

_WORDS = {
    400: "The request cannot be read.",
    401: "A token is needed.",
    403: "Another host or origin.",
    404: "There is no such thing.",
    405: "Not by this method.",
    408: "The body did not arrive.",
    409: "Not now: it is not finished, or there are too many.",
    410: "It was evicted.",
    413: "More than is taken here.",
    415: "A body of another kind.",
    422: "The request, its table or a setting cannot work; the message says what would.",
    503: "Too many requests wait, or the data folder is full.",
}
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": wire.Refused, "description": words} for status, words in _WORDS.items()
}
REFUSALS[503]["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}}


def some(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route may answer besides, with what every route may."""
    return {status: REFUSALS[status] for status in (400, 401, 403, 405, 408, *statuses)}


def answer_in_types(app: FastAPI) -> None:
    """Every refusal is typed."""

    def refused(refusal: Refusal) -> JSONResponse:
        later = {} if refusal.retry_after is None else {"retry-after": str(refusal.retry_after)}
        return JSONResponse(_clean(refusal.as_dict()), refusal.status, headers=later)

    @app.exception_handler(Refusal)
    async def _refusal(_: Request, error: Refusal) -> JSONResponse:
        return refused(error)

    @app.exception_handler(GatecastError)
    async def _ours(_: Request, error: GatecastError) -> JSONResponse:
        return refused(refusal_of(error))

    @app.exception_handler(RequestValidationError)
    async def _request(request: Request, error: RequestValidationError) -> JSONResponse:
        kind = request.headers.get("content-type", "")
        if any(tuple(problem["loc"]) == ("body",) for problem in error.errors()) and "json" not in kind:
            words = f"content type {kind[:60]!r}: send the request as application/json"
            return refused(Refusal("wrong_type", words, 415))
        return refused(Refusal("request", "\n".join(sentences(error.errors())), 422))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        words = {
            404: ("not_found", f"there is no {request.url.path[:100]}; GET /openapi.json lists what there is"),
            405: ("wrong_method", f"{request.method} is not what {request.url.path[:100]} takes"),
        }
        code, message = words.get(error.status_code, ("request", f"the request cannot be read: {error.detail}"))
        answer = refused(Refusal(code, message, error.status_code))
        answer.headers.update(error.headers or {})
        return answer


def sentences(problems: Any) -> list[str]:
    """What is wrong with a request, a line for each field."""
    lines = []
    for problem in list(problems)[:10]:
        where = ".".join(str(part) for part in problem["loc"] if part not in ("body", "query", "path", "header"))
        found = problem.get("input")
        shown = f" = {repr(found)[:60]}" if where and isinstance(found, str | int | float | None) else ""
        message = str(problem["msg"]).removeprefix("Value error, ")
        lines.append(f"{where}{shown}: {message}" if where else message)
    return lines


def _clean(value: Any) -> Any:
    """Text that UTF-8 can hold: half a surrogate pair may have come in."""
    if isinstance(value, dict):
        return {key: _clean(item) for key, item in value.items()}
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
