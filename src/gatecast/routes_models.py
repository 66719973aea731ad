"""Routes of models: training, in the background, and what it leaves."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import FastAPI, Header
from fastapi import Path as InPath
from fastapi.responses import FileResponse, StreamingResponse

from gatecast import wire
from gatecast.config import RunConfig, settings_from
from gatecast.jobs import FILES
from gatecast.server_answers import some
from gatecast.server_events import stream_of
from gatecast.server_house import House

SANDBOX = "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; "
SANDBOX += "style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"  # a report may draw, and nothing else


def add_models(app: FastAPI, house: House) -> None:
    """Training, in the background, and what it leaves."""
    jobs = house.jobs

    @app.post("/v1/models", status_code=202, responses=some(404, 409, 413, 422, 503))
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

    @app.get("/v1/models/{identity}", responses=some(404, 422))
    async def show_model(identity: wire.Id) -> wire.State:
        """One model, or how far it is."""
        return wire.State(**await asyncio.to_thread(jobs.state, identity))

    @app.post("/v1/models/{identity}/cancel", responses=some(404, 422))
    async def cancel_training(identity: wire.Id) -> wire.State:
        """Stop a training; nothing of it is kept."""
        return wire.State(**await asyncio.to_thread(jobs.cancel, identity))

    @app.delete("/v1/models/{identity}", status_code=204, responses=some(404, 422))
    async def delete_model(identity: wire.Id) -> None:
        """Remove a model and its files."""
        await asyncio.to_thread(jobs.delete, identity)

    @app.get("/v1/models/{identity}/events", response_class=StreamingResponse, responses=some(404, 422, 503))
    async def follow_training(
        identity: wire.Id, last_event_id: Annotated[str, Header(max_length=20)] = ""
    ) -> StreamingResponse:
        """Server-sent events: state, stage, progress (losses) and look (the forecast as it is by then)."""
        await asyncio.to_thread(jobs.state, identity)
        return stream_of(house, jobs.follow, identity, last_event_id)

    @app.get("/v1/models/{identity}/files/{name}", response_class=FileResponse, responses=some(404, 409, 422))
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
        "training": ("scaling", "start", "context", "updates", "learning_rate", "seed"),
    }
    values: dict[str, Any] = {
        group: {key: given[key] for key in keys if key in given} for group, keys in groups.items()
    }
    values["data"]["source"] = name
    values |= {key: given[key] for key in ("horizon", "inside") if key in given}
    return settings_from(values, "the request")
