"""Routes of the lab: what it asks, and experiments, which are measured in the background."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import FastAPI, Header
from fastapi.responses import HTMLResponse, Response, StreamingResponse

from gatecast import wire
from gatecast.lab_runs import catalogue
from gatecast.routes_models import SANDBOX
from gatecast.server_answers import some
from gatecast.server_events import stream_of
from gatecast.server_house import House


def add_lab(app: FastAPI, house: House) -> None:
    """Questions first: a prediction is sent with the request to measure."""
    runs = house.lab

    @app.get("/v1/lab")
    async def list_experiments() -> list[wire.Experiment]:
        """What the lab asks, the choices to predict from, and about how long an experiment takes."""
        return [wire.Experiment(**each) for each in catalogue()]

    @app.post("/v1/lab", status_code=202, responses=some(413, 422, 503))
    async def measure(asked: wire.Lab) -> wire.LabRun:
        """Queue an experiment; its events and its result are under the name that comes back."""
        return wire.LabRun(**await asyncio.to_thread(runs.start, asked.name, asked.predict, asked.seeds))

    @app.get("/v1/lab/{identity}", responses=some(404, 422))
    async def show_experiment(identity: wire.Id) -> wire.LabRun:
        """One experiment with its result, or how far it is."""
        return wire.LabRun(**await asyncio.to_thread(runs.state, identity))

    @app.post("/v1/lab/{identity}/cancel", responses=some(404, 422))
    async def cancel_experiment(identity: wire.Id) -> wire.LabRun:
        """Stop an experiment."""
        return wire.LabRun(**await asyncio.to_thread(runs.cancel, identity))

    @app.get("/v1/lab/{identity}/events", response_class=StreamingResponse, responses=some(404, 422, 503))
    async def follow_experiment(
        identity: wire.Id, last_event_id: Annotated[str, Header(max_length=20)] = ""
    ) -> StreamingResponse:
        """Server-sent events: state, stage, and note (what is measured next)."""
        await asyncio.to_thread(runs.state, identity)
        return stream_of(house, runs.follow, identity, last_event_id)

    as_page: dict[int | str, dict[str, Any]] = {200: {"content": {"text/html": {"schema": {"type": "string"}}}}}

    @app.get("/v1/lab/{identity}/page", response_class=Response, responses=as_page | some(404, 409, 422))
    async def experiment_page(identity: wire.Id, download: bool = False) -> HTMLResponse:
        """The page of an experiment that is done: one file that works offline."""
        page, state = await asyncio.to_thread(runs.page, identity), await asyncio.to_thread(runs.state, identity)
        headers = {"content-security-policy": SANDBOX}
        if download:
            headers["content-disposition"] = f'attachment; filename="{state["name"]}.html"'
        return HTMLResponse(page, headers=headers)
