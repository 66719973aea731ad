"""Routes that are answered at once: data sets, uploads, checks, forecasts and backtests."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import Body, FastAPI, Header, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import TypeAdapter, ValidationError

from gatecast import wire
from gatecast.limits import Refusal
from gatecast.server_answers import sentences, some
from gatecast.server_house import House
from gatecast.uploads import plain_name

CSV = "text/csv"


def add_questions(app: FastAPI, house: House) -> None:
    """What is answered at once."""
    kept: dict[str, Any] = {}

    @app.get("/v1/datasets", responses=some(503))
    async def list_datasets() -> list[dict[str, Any]]:
        """The bundled sets."""
        if "datasets" not in kept:
            kept["datasets"] = await house.light_task("datasets")
        made: list[dict[str, Any]] = kept["datasets"]
        return made

    @app.post("/v1/uploads", status_code=201, responses=some(413, 415, 422, 503))
    async def upload(
        content: Annotated[bytes, Body(media_type="application/octet-stream", description="a CSV or Parquet file")],
        x_filename: Annotated[str, Header(max_length=400, description="its name, percent-encoded")] = "table.csv",
    ) -> wire.Kept:
        """Keep a file, to be named in later requests; the newest are kept."""
        name = plain_name(unquote(x_filename))
        about = await house.light_task("inspect", content=content, name=name, most=house.limits.rows)
        return wire.Kept(**await asyncio.to_thread(house.uploads.keep, content, name, about))

    @app.delete("/v1/uploads/{identity}", status_code=204, responses=some(404, 422))
    async def delete_upload(identity: wire.Id) -> None:
        """Remove an upload."""
        await asyncio.to_thread(house.uploads.drop, identity)

    @app.post("/v1/check", responses=some(404, 413, 415, 422, 503))
    async def check(asked: wire.Check) -> dict[str, Any]:
        """Say what is wrong with a table: what ``gatecast check --json`` prints."""
        return await _asked(house, "check", asked, _beside(asked))

    @app.post("/v1/series", responses=some(404, 413, 415, 422, 503))
    async def series(asked: wire.Preview) -> dict[str, Any]:
        """Return the newest values of one series."""
        return await _asked(house, "preview", asked, _choice(asked), points=asked.points, unique_id=asked.unique_id)

    @app.post("/v1/forecast", responses=some(404, 409, 413, 415, 422, 503))
    async def forecast(asked: wire.Forecast) -> wire.Made:
        """Forecast beyond the end of a table, at once or with a model trained here."""
        return wire.Made(**await _forecast(house, asked))

    @app.post("/v1/backtest", responses=some(404, 413, 415, 422, 503))
    async def backtest(asked: wire.Backtest) -> dict[str, Any]:
        """Ask models what they would have said at earlier dates: what ``gatecast backtest --json`` prints, and rows."""
        house.check_horizon(asked.horizon)
        names = {"models", "horizon", "origins", "step", "refit", "window", "gap", "season_length", "adapt"}
        plan = asked.model_dump(include=names)
        data, _ = await house.table(asked)
        choice = _beside(asked) | plan
        models, choice["refit"] = choice.pop("models"), asked.refit or False
        made: dict[str, Any] = await house.heavy_task(
            "backtest", data=data, most=house.limits.rows, choice=choice, models=models
        )
        return made


async def _asked(house: House, task: str, about: wire.Data, choice: dict[str, Any], **more: Any) -> dict[str, Any]:
    data, _ = await house.table(about)
    made: dict[str, Any] = await house.light_task(task, data=data, most=house.limits.rows, choice=choice, **more)
    return made


async def _forecast(house: House, asked: wire.Forecast) -> dict[str, Any]:
    house.check_horizon(asked.horizon)
    model = await asyncio.to_thread(house.model, asked.model)
    question = asked.model_dump(include={"horizon", "level", "adapt", "future"})
    return await _asked(
        house, "forecast", asked, _choice(asked), asked={**question, "model": None if model is None else str(model)}
    )


def _choice(asked: wire.Data) -> dict[str, Any]:
    """Which columns are what, as the library takes it."""
    return asked.model_dump(include={"time", "target", "series_id", "wide", "zone", "frequency", "fix"})


def _beside(asked: wire.Check) -> dict[str, Any]:
    return _choice(asked) | asked.model_dump(include={"inputs", "known", "static"})


def add_invocations(app: FastAPI, house: House) -> None:
    """The door that Amazon SageMaker knows."""
    both = {CSV: {"schema": {"type": "string"}}, "application/json": {"schema": {"type": "object"}}}

    @app.post(
        "/invocations",
        response_model=None,
        responses={200: {"content": both}, **some(404, 409, 413, 415, 422, 503)},
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {
                    CSV: {"schema": {"type": "string"}},
                    "application/json": {"schema": {"$ref": "#/components/schemas/Forecast"}},
                },
            }
        },
    )
    async def invocations(
        request: Request, horizon: Annotated[int, Query(ge=1, description="of a CSV's forecast")] = 12
    ) -> Response:
        """As ``/v1/forecast`` for JSON; a CSV in, its forecast as a CSV out."""
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        body = await request.body()
        if kind == CSV:
            data = {"content": body, "name": "the CSV"}
            house.check_horizon(horizon)
            text = await house.light_task("forecast_csv", data=data, most=house.limits.rows, horizon=horizon)
            return Response(text, media_type=CSV)
        if kind != "application/json":
            raise Refusal("wrong_type", f"content type {kind[:60]!r}: send {CSV} or application/json", 415)
        try:
            asked = TypeAdapter(wire.Forecast).validate_json(body)
        except ValidationError as error:
            raise Refusal("request", "\n".join(sentences(error.errors(include_url=False))), 422) from None
        return JSONResponse(await _forecast(house, asked))
