"""The HTTP door: each route checks, calls one function and answers; nothing is computed here.

Forecasts and checks are done by light workers, backtests and trainings by heavy ones, each in a process of its own
(see ``workers``), so that ``/ping`` answers while a network is trained.  Streams are so cheap that they live here.
``guard`` stands before all routes, ``limits`` says what is refused, and ``wire`` what may be sent.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import json
import re
import time
from collections.abc import AsyncIterator, Mapping
from importlib.metadata import version
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, unquote

from fastapi import Body, FastAPI, Header, Query, Request, Response
from fastapi import Path as InPath
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from pydantic import TypeAdapter, ValidationError
from starlette.exceptions import HTTPException

from gatecast import wire
from gatecast.config import RunConfig, settings_from
from gatecast.errors import GatecastError
from gatecast.guard import App, Door, Guard, Message, Receive, Scope, Send
from gatecast.jobs import FILES, Jobs
from gatecast.limits import Limits, Refusal, refusal_of
from gatecast.server_streams import Streams
from gatecast.uploads import Uploads, make_folder, plain_name
from gatecast.workers import Pool

__all__ = ["create_app"]

LIGHT, HEAVY = "gatecast.tasks_light", "gatecast.tasks_backtest"
PAGES = {"app.css": "text/css; charset=utf-8", "app.js": "text/javascript; charset=utf-8"}
PAGES |= {"chart.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml"}
SANDBOX = "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; "
SANDBOX += "style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"  # a report may draw, and nothing else
CSV = "text/csv"
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
LAB = "gatecast.lab"


class _Meters:
    """What is counted for Prometheus."""

    def __init__(self, pools: Mapping[str, Pool], jobs: Jobs, streams: Streams) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self.requests = Counter("gatecast_requests", "Requests answered.", labels, registry=self.registry)
        self.seconds = Histogram("gatecast_request_seconds", "How long.", ("route",), registry=self.registry)
        waiting = Gauge("gatecast_pending", "Tasks that wait or are worked on.", ("pool",), registry=self.registry)
        for name, pool in pools.items():
            waiting.labels(name).set_function(lambda pool=pool: pool.pending)  # type: ignore[misc]
        states = Gauge("gatecast_trainings", "Trainings by state.", ("state",), registry=self.registry)
        for state in jobs.counts():
            states.labels(state).set_function(lambda state=state: jobs.counts()[state])  # type: ignore[misc]
        kept = Gauge("gatecast_streams", "Streams that are kept.", registry=self.registry)
        kept.set_function(lambda: len(streams))
        gone = Gauge("gatecast_streams_evicted", "Streams that had to make room.", registry=self.registry)
        gone.set_function(lambda: streams.evicted)


class _House:
    """What the routes share."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.limits = limits
        make_folder(folder)
        self.uploads = Uploads(folder / "uploads", limits.uploads)
        self.jobs = Jobs(folder / "models", limits)
        self.streams = Streams(limits.streams)
        self.light = Pool(limits.workers, limits.queue, limits.seconds, f"{LIGHT}:ready")
        self.heavy = Pool(1, limits.backtest_queue, limits.backtest_seconds, f"{HEAVY}:ready", keep=False)
        self.meters = _Meters({"light": self.light, "heavy": self.heavy}, self.jobs, self.streams)

    async def light_task(self, task: str, **arguments: Any) -> Any:
        """What a light worker returns."""
        return await asyncio.wrap_future(self.light.submit(f"{LIGHT}:{task}", arguments))

    async def heavy_task(self, task: str, **arguments: Any) -> Any:
        """What a heavy worker returns."""
        return await asyncio.wrap_future(self.heavy.submit(f"{HEAVY}:{task}", arguments))

    async def table(self, data: wire.Data) -> tuple[dict[str, Any], str]:
        """The table of a request as the workers take it, and what it is called."""
        if data.dataset is not None:
            return {"dataset": data.dataset}, data.dataset
        if data.upload is not None:
            upload = await asyncio.to_thread(self.uploads.read, data.upload)
            return {"content": upload.content, "name": upload.name}, upload.name
        if data.csv is not None:
            return {"content": data.csv.encode("utf-8", "surrogatepass"), "name": "the CSV"}, "table.csv"
        if data.values is not None:
            return {"values": data.values}, "values"
        return {"columns": data.columns}, "columns"

    def model(self, identity: str | None) -> Path | None:
        """The file of a finished model."""
        return None if identity is None else self.jobs.path(identity, "model.safetensors")

    def check_horizon(self, horizon: int | None) -> None:
        """Refuse a horizon that is too long for a server."""
        if horizon is not None and horizon > self.limits.horizon:
            most = self.limits.horizon
            raise Refusal("too_large", f"horizon = {horizon}: at most {most:,} steps are forecast here", 413)

    def check_values(self, values: list[float | None]) -> None:
        """Refuse more values than a stream reads at a time."""
        if len(values) > self.limits.values:
            most = self.limits.values
            raise Refusal("too_large", f"{len(values):,} values at a time; send at most {most:,}", 413)


def create_app(folder: str | Path, limits: Limits | None = None, door: Door | None = None) -> FastAPI:
    """Return the application.

    Args:
        folder: the data folder: uploads and models are kept there and nowhere else.
        limits: how much it takes on.
        door: whom it lets in; this machine alone if not given.

    Raises:
        OutputError: the folder cannot be written to.
    """
    house = _House(Path(folder), limits or Limits())

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        house.light.warm()
        try:
            yield
        finally:
            await asyncio.to_thread(house.jobs.close)
            await asyncio.to_thread(house.light.close)
            await asyncio.to_thread(house.heavy.close)

    app = FastAPI(
        title="gatecast",
        version=version("gatecast"),
        summary="LSTM forecasting that tells the truth and lets people look inside.",
        docs_url=None,  # they would fetch their scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.house = house
    _answers(app)
    _pages(app, house.jobs)
    _questions(app, house)
    _models(app, house)
    _streams(app, house)
    _operations(app, house)
    app.add_middleware(Guard, door=door or Door(), limits=house.limits)
    app.add_middleware(_Count, meters=house.meters)
    return app


# ------------------------------------------------------------------------------------------- answers and counts


def _answers(app: FastAPI) -> None:
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
        return refused(Refusal("request", "\n".join(_sentences(error.errors())), 422))

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


def _sentences(problems: Any) -> list[str]:
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


class _Count:
    """Counts every answer under its route's pattern, never under what a client wrote."""

    def __init__(self, app: App, meters: _Meters) -> None:
        self.app, self.meters = app, meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand one request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begin, status = time.perf_counter(), 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, sending)
        finally:
            route = scope.get("route")
            pattern = route.path if isinstance(route, APIRoute) else "other"
            method = scope["method"] if scope["method"] in ("GET", "POST", "DELETE", "HEAD") else "other"
            self.meters.requests.labels(method, pattern, str(status)).inc()
            self.meters.seconds.labels(pattern).observe(time.perf_counter() - begin)


# --------------------------------------------------------------------------------------------------- the page


def _pages(app: FastAPI, jobs: Jobs) -> None:
    """The page, its styles and its scripts, as they lie in ``web/``."""
    web = files("gatecast") / "web"
    kept = {name: (web / name).read_bytes() for name in ("app.html", *PAGES)}

    @app.get("/", include_in_schema=False)
    async def _page() -> Response:
        jobs.warm()  # whoever opens the page may train soon
        return Response(kept["app.html"], media_type="text/html; charset=utf-8")

    @app.get("/web/{name}", include_in_schema=False)
    async def _asset(name: str) -> Response:
        if name not in PAGES:
            raise Refusal("not_found", f"there is no page {name[:40]!r}", 404)
        return Response(kept[name], media_type=PAGES[name])


# -------------------------------------------------------------------------------------- check, forecast, backtest


def _questions(app: FastAPI, house: _House) -> None:
    """What is answered at once."""
    kept: dict[str, Any] = {}

    @app.get("/v1/datasets", responses=_some(503))
    async def list_datasets() -> list[dict[str, Any]]:
        """The bundled sets."""
        if "datasets" not in kept:
            kept["datasets"] = await house.light_task("datasets")
        made: list[dict[str, Any]] = kept["datasets"]
        return made

    @app.post("/v1/uploads", status_code=201, responses=_some(413, 415, 422, 503))
    async def upload(
        content: Annotated[bytes, Body(media_type="application/octet-stream", description="a CSV or Parquet file")],
        x_filename: Annotated[str, Header(max_length=400, description="its name, percent-encoded")] = "table.csv",
    ) -> wire.Kept:
        """Keep a file, to be named in later requests; the newest are kept."""
        name = plain_name(unquote(x_filename))
        about = await house.light_task("inspect", content=content, name=name, most=house.limits.rows)
        return wire.Kept(**await asyncio.to_thread(house.uploads.keep, content, name, about))

    @app.delete("/v1/uploads/{identity}", status_code=204, responses=_some(404, 422))
    async def delete_upload(identity: wire.Id) -> None:
        """Remove an upload."""
        await asyncio.to_thread(house.uploads.drop, identity)

    @app.post("/v1/check", responses=_some(404, 413, 415, 422, 503))
    async def check(asked: wire.Check) -> dict[str, Any]:
        """Say what is wrong with a table: what ``gatecast check --json`` prints."""
        return await _asked(house, "check", asked, _beside(asked))

    @app.post("/v1/series", responses=_some(404, 413, 415, 422, 503))
    async def series(asked: wire.Preview) -> dict[str, Any]:
        """Return the newest values of one series."""
        return await _asked(house, "preview", asked, _choice(asked), points=asked.points, unique_id=asked.unique_id)

    @app.post("/v1/forecast", responses=_some(404, 409, 413, 415, 422, 503))
    async def forecast(asked: wire.Forecast) -> wire.Made:
        """Forecast beyond the end of a table, at once or with a model trained here."""
        return wire.Made(**await _forecast(house, asked))

    @app.post("/v1/backtest", responses=_some(404, 413, 415, 422, 503))
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


async def _asked(house: _House, task: str, about: wire.Data, choice: dict[str, Any], **more: Any) -> dict[str, Any]:
    data, _ = await house.table(about)
    made: dict[str, Any] = await house.light_task(task, data=data, most=house.limits.rows, choice=choice, **more)
    return made


async def _forecast(house: _House, asked: wire.Forecast) -> dict[str, Any]:
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


# ----------------------------------------------------------------------------------------------------- models


def _models(app: FastAPI, house: _House) -> None:
    """Training, in the background, and what it leaves."""
    jobs = house.jobs

    @app.post("/v1/models", status_code=202, responses=_some(404, 409, 413, 422, 503))
    async def train(asked: wire.Train) -> wire.State:
        """Queue a training; its events, its state and its files are under the name that comes back."""
        house.check_horizon(asked.horizon)
        data, name = await house.table(asked)
        settings = _settings(asked, name).model_dump(exclude_unset=True)
        arguments = {"data": data, "most": house.limits.rows, "settings": settings}
        return wire.State(**await asyncio.to_thread(jobs.start, name, arguments))

    @app.get("/v1/models")
    async def list_models() -> list[wire.State]:
        """All models, the newest first, and those that are being made."""
        return [wire.State(**state) for state in await asyncio.to_thread(jobs.states)]

    @app.get("/v1/models/{identity}", responses=_some(404, 422))
    async def show_model(identity: wire.Id) -> wire.State:
        """One model, or how far it is."""
        return wire.State(**await asyncio.to_thread(jobs.state, identity))

    @app.post("/v1/models/{identity}/cancel", responses=_some(404, 422))
    async def cancel_training(identity: wire.Id) -> wire.State:
        """Stop a training; nothing of it is kept."""
        return wire.State(**await asyncio.to_thread(jobs.cancel, identity))

    @app.delete("/v1/models/{identity}", status_code=204, responses=_some(404, 422))
    async def delete_model(identity: wire.Id) -> None:
        """Remove a model and its files."""
        await asyncio.to_thread(jobs.delete, identity)

    @app.get("/v1/models/{identity}/events", response_class=StreamingResponse, responses=_some(404, 422, 503))
    async def follow_training(
        identity: wire.Id, last_event_id: Annotated[str, Header(max_length=20)] = ""
    ) -> StreamingResponse:
        """Server-sent events: state, stage, progress (losses) and look (the forecast as it is by then)."""
        await asyncio.to_thread(jobs.state, identity)
        if jobs.listening >= house.limits.listeners:
            raise Refusal("busy", f"{jobs.listening} event streams are open; ask for the state instead", 503, 5)
        after = int(last_event_id) + 1 if last_event_id.isdecimal() else 0
        return StreamingResponse(_events(jobs, identity, after), media_type="text/event-stream")

    @app.get("/v1/models/{identity}/files/{name}", response_class=FileResponse, responses=_some(404, 409, 422))
    async def model_file(
        identity: wire.Id, name: Annotated[str, InPath(max_length=40)], download: bool = False
    ) -> FileResponse:
        """A file of a finished model: the report, the forecasts, the weights, the settings, the numbers."""
        path = await asyncio.to_thread(jobs.path, identity, name)
        headers = {"content-security-policy": SANDBOX} if name.endswith(".html") else {}
        if download or not name.endswith((".html", ".json")):
            said = await asyncio.to_thread(jobs.state, identity)
            stem = re.sub(r"[^\w.-]+", "-", Path(str(said["name"])).stem) or "model"
            headers["content-disposition"] = f"attachment; filename*=UTF-8''{quote(f'{stem}-{name}')}"
        return FileResponse(path, media_type=FILES[name], headers=headers)


async def _events(jobs: Jobs, identity: str, after: int) -> AsyncIterator[str]:
    async with contextlib.aclosing(jobs.follow(identity, after)) as events:
        async for event in events:
            if event is None:
                yield ": still here\n\n"
            else:
                number, kind, content = event
                yield f"id: {number}\nevent: {kind}\ndata: {json.dumps(content, allow_nan=False)}\n\n"


def _settings(asked: wire.Train, name: str) -> RunConfig:
    """What is asked for as the settings of a run.

    Raises:
        SettingsError: one of them cannot work.
    """
    given = asked.model_dump(exclude_none=True, exclude_unset=True)
    columns = ("time", "target", "series_id", "inputs", "known", "static", "wide", "zone", "frequency")
    groups = {
        "data": (*columns, "fix", "season_length"),
        "network": ("units", "layers", "dropout"),
        "training": ("scaling", "context", "updates", "learning_rate", "seed"),
    }
    values: dict[str, Any] = {
        group: {key: given[key] for key in keys if key in given} for group, keys in groups.items()
    }
    values["data"]["source"] = name
    if "horizon" in given:
        values["horizon"] = given["horizon"]
    return settings_from(values, "the request")


# ----------------------------------------------------------------------------------------------------- streams


def _streams(app: FastAPI, house: _House) -> None:
    """One value at a time, with the state kept."""
    streams = house.streams

    def shown(identity: str, horizon: int | None, level: tuple[int, ...]) -> wire.Flow:
        kept = streams.find(identity)
        with kept.guard:
            rows = None if horizon is None else kept.forecast(horizon, level)
            return wire.Flow(id=identity, steps=kept.steps, model=kept.model, rows=rows)

    @app.post("/v1/streams", status_code=201, responses=_some(404, 409, 413, 422))
    async def create_stream(asked: wire.NewStream) -> wire.Flow:
        """A new stream, which has read ``values``; the one unused for longest may have to make room."""
        house.check_values(asked.values)
        model = await asyncio.to_thread(house.model, asked.model)
        identity, _ = await asyncio.to_thread(streams.create, model, asked.season_length, asked.values)
        return await asyncio.to_thread(shown, identity, None, ())

    @app.post("/v1/streams/{identity}", responses=_some(404, 410, 413, 422))
    async def update_stream(identity: wire.Id, asked: wire.Update) -> wire.Flow:
        """Read the next values, and forecast if a horizon is given."""
        house.check_values(asked.values)
        house.check_horizon(asked.horizon)

        def update() -> None:
            kept = streams.find(identity)
            with kept.guard:
                kept.read(asked.values)

        await asyncio.to_thread(update)
        return await asyncio.to_thread(shown, identity, asked.horizon, asked.level)

    @app.get("/v1/streams/{identity}", responses=_some(404, 410, 413, 422))
    async def show_stream(
        identity: wire.Id,
        horizon: Annotated[int | None, Query(ge=1)] = None,
        level: Annotated[list[wire.Level], Query(max_length=6)] = [80, 95],  # noqa: B006 (fastapi copies it)
    ) -> wire.Flow:
        """How far a stream is, and what follows if a horizon is given."""
        house.check_horizon(horizon)
        return await asyncio.to_thread(shown, identity, horizon, tuple(level))

    @app.delete("/v1/streams/{identity}", status_code=204, responses=_some(404, 410, 422))
    async def delete_stream(identity: wire.Id) -> None:
        """Forget a stream."""
        streams.drop(identity)


# --------------------------------------------------------------------------------------------------- operations


def _operations(app: FastAPI, house: _House) -> None:
    """What is asked by whoever watches over servers, and the door that Amazon SageMaker knows."""

    both = {CSV: {"schema": {"type": "string"}}, "application/json": {"schema": {"type": "object"}}}

    @app.get("/ping")
    async def ping() -> dict[str, str]:
        """Whether the server is there."""
        return {"status": "ok"}

    @app.post(
        "/invocations",
        response_model=None,
        responses={200: {"content": both}, **_some(404, 409, 413, 415, 422, 503)},
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
            raise Refusal("request", "\n".join(_sentences(error.errors(include_url=False))), 422) from None
        return JSONResponse(await _forecast(house, asked))

    @app.get("/metrics", responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}})
    async def metrics() -> Response:
        """Counts and times for Prometheus."""
        return Response(generate_latest(house.meters.registry), media_type="text/plain; version=0.0.4")

    @app.get("/v1/lab")
    async def list_labs() -> list[dict[str, str]]:
        """The experiments of ``gatecast.lab``, if this installation has them."""
        found = find_spec(LAB)
        return [] if found is None or found.origin is None else labs_in(Path(found.origin).read_text("utf-8"))


def labs_in(module: str) -> list[dict[str, str]]:
    """Return the public functions of a module's text and what each says of itself; nothing of it is run."""
    tree = ast.parse(module)
    offered = [node for node in tree.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]
    named = {
        name.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets)
        for name in ast.walk(node.value)
        if isinstance(name, ast.Constant)
    }
    return [
        {"name": node.name, "about": (ast.get_docstring(node) or "").split("\n")[0]}
        for node in offered
        if not named or node.name in named
    ]


def _some(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route may answer besides, with what every route may."""
    return {status: REFUSALS[status] for status in (400, 401, 403, 405, 408, *statuses)}
