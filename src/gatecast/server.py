"""The HTTP door: each route checks, calls one function and answers; nothing is computed here.

Forecasts and checks are done by light workers, backtests and trainings by heavy ones, each in a process of its own
(see ``workers``), so that ``/ping`` answers while a network is trained.  Streams are so cheap that they live here.
``guard`` stands before all routes, ``limits`` says what is refused, and ``wire`` what may be sent.  The routes are in
``routes_pages``, ``routes_questions``, ``routes_models``, ``routes_lab`` and ``routes_streams``.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI, Response
from prometheus_client import generate_latest

from gatecast.guard import Door, Guard
from gatecast.limits import Limits
from gatecast.routes_lab import add_lab
from gatecast.routes_models import add_models
from gatecast.routes_pages import add_pages
from gatecast.routes_questions import add_invocations, add_questions
from gatecast.routes_streams import add_streams
from gatecast.server_answers import answer_in_types
from gatecast.server_house import House
from gatecast.server_meters import Count

__all__ = ["create_app"]


def create_app(folder: str | Path, limits: Limits | None = None, door: Door | None = None) -> FastAPI:
    """Return the application.

    Args:
        folder: the data folder: uploads and models are kept there and nowhere else.
        limits: how much it takes on.
        door: whom it lets in; this machine alone if not given.

    Raises:
        OutputError: the folder cannot be written to.
    """
    house = House(Path(folder), limits or Limits())

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        house.light.warm()
        try:
            yield
        finally:
            await asyncio.to_thread(house.close)

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
    answer_in_types(app)
    for add in (add_pages, add_questions, add_models, add_lab, add_streams, _add_operations, add_invocations):
        add(app, house)
    app.add_middleware(Guard, door=door or Door(), limits=house.limits)
    app.add_middleware(Count, meters=house.meters)
    return app


def _add_operations(app: FastAPI, house: House) -> None:
    """What is asked by whoever watches over servers."""

    @app.get("/ping")
    async def ping() -> dict[str, str]:
        """Whether the server is there."""
        return {"status": "ok"}

    @app.get("/metrics", responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}})
    async def metrics() -> Response:
        """Counts and times for Prometheus."""
        return Response(generate_latest(house.meters.collected), media_type="text/plain; version=0.0.4")
